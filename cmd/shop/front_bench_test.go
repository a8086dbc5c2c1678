package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/web"
)

// BenchmarkTheEdge is what stands before an operation: verifying a token that was seen before, counting the request, and its place among those that are worked on;
// beside the same operation with nothing before it but an identity.
func BenchmarkTheEdge(b *testing.B) {
	signer, err := auth.NewSigner()
	require.NoError(b, err)
	h := &host{log: zap.NewNop(), clock: clock.System, bus: bus.NewMemory(), verifier: auth.NewVerifier(signer.Config())}
	h.cfg.hosted = []string{"catalog"}
	h.cfg.front.most, h.cfg.front.limits.Customer, h.cfg.front.limits.Address = 512, 1_000_000_000, 1_000_000_000
	f, err := h.openFront(prometheus.NewRegistry())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, f.stop()) })
	token, err := signer.Sign(auth.Principal{Role: auth.Customer, Subject: "cus_1"}, time.Now(), time.Hour)
	require.NoError(b, err)

	for _, side := range []struct {
		name   string
		around []func(http.Handler) http.Handler
	}{{"whole", f.around}, {"bare", []func(http.Handler) http.Handler{authtest.Trust}}} {
		b.Run(side.name, func(b *testing.B) {
			edge := web.New(web.Options{Metrics: prometheus.NewRegistry(), Use: side.around})
			web.Register(edge.API, web.Op{Method: http.MethodGet, Path: "/v1/nothing", ID: "nothing", Summary: "Nothing"},
				func(context.Context, *struct{}) (struct{}, error) { return struct{}{}, nil })
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/nothing", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				edge.Handler().ServeHTTP(w, r)
				if w.Code != http.StatusNoContent {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
