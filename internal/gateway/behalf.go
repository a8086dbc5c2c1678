package gateway

import (
	"context"
	"net/http"

	"shop/internal/platform/telemetry"
)

type authorizationKey struct{}

// Remember keeps a request's token at hand for the questions that it leads to. It is needed only where OnBehalf is used.
func Remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token != "" {
			r = r.WithContext(context.WithValue(r.Context(), authorizationKey{}, token))
		}
		next.ServeHTTP(w, r)
	})
}

// OnBehalf makes a client that asks contexts elsewhere with the token, and in the trace, of the request that leads to the question: they show what that caller may see.
func OnBehalf() *http.Client { return &http.Client{Transport: onBehalf{newTransport()}} }

type onBehalf struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t onBehalf) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if token, ok := r.Context().Value(authorizationKey{}).(string); ok {
		r.Header.Set("Authorization", token)
	}
	if trace := telemetry.Traceparent(r.Context()); trace != "" {
		r.Header.Set("Traceparent", trace)
	}
	return t.Transport.RoundTrip(r)
}
