// Package resiliencetest lets the tests of contexts ask a real server through a real caller.
package resiliencetest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/resilience"
)

// Caller serves the handler, which trusts as authtest.Trust does, on a port until the test ends, and asks it as whoever asks here (auth.From). Its breaker has the default
// settings; it retries nothing.
func Caller(t testing.TB, upstream string, handler http.Handler) *resilience.Caller {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _ := authtest.Header(auth.Principal{})
		r.Header.Set(name, strings.TrimPrefix(r.Header.Get("Authorization"), "Test "))
		r.Header.Del("Authorization")
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	s := resilience.Default()
	s.Retries = 0
	guards := resilience.NewGuards(s, nil)
	t.Cleanup(guards.Close)
	return guards.Caller(upstream, base, resilience.CallerOptions{Authorization: func(ctx context.Context) string {
		_, who := authtest.Header(auth.From(ctx))
		return "Test " + who
	}})
}
