package resilience_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"shop/internal/platform/resilience"
)

// What the guard costs: a question through it, beside the same request through the transport alone.
func BenchmarkAQuestion(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(answers))
	defer server.Close()
	guards := resilience.NewGuards(resilience.Default(), nil)
	defer guards.Close()
	u := &upstream{address: server.Listener.Addr().String()}
	c := guards.Caller("payments", u.url(), resilience.CallerOptions{})
	b.Run("guarded", func(b *testing.B) {
		for b.Loop() {
			if err := ask(b.Context(), c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		transport := resilience.NewTransport(8)
		defer transport.CloseIdleConnections()
		for b.Loop() {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			res, err := transport.RoundTrip(r)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadAll(res.Body); err != nil {
				b.Fatal(err)
			}
			_ = res.Body.Close()
		}
	})
}

// An open breaker refuses.
func BenchmarkARefusal(b *testing.B) {
	guards := resilience.NewGuards(resilience.Default(), nil)
	br := guards.Breaker("payments", resilience.Questions)
	for br.State() == resilience.Closed {
		done, err := br.Pass()
		if err != nil {
			b.Fatal(err)
		}
		done(resilience.Failed)
	}
	for b.Loop() {
		if _, err := br.Pass(); err == nil {
			b.Fatal("it is not open")
		}
	}
}
