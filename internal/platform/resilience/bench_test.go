package resilience_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"shop/internal/platform/resilience"
	"shop/internal/platform/telemetry"
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

// What tracing costs a request that is passed on, beside what the transport from OpenTelemetry's own collection would: see docs/adr/0014. Nothing is sent.
func BenchmarkTracing(b *testing.B) {
	answer := roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	})
	guards := resilience.NewGuards(resilience.Default(), nil)
	for name, sampler := range map[string]sdktrace.Sampler{"off": nil, "unsampled": sdktrace.NeverSample(), "sampled": sdktrace.AlwaysSample()} {
		var provider trace.TracerProvider = tracenoop.NewTracerProvider()
		if sampler != nil {
			provider = sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler))
		}
		for who, transport := range map[string]http.RoundTripper{
			"ours": guards.Breaker("payments", resilience.Proxied).Transport(answer),
			"otelhttp": guards.Breaker("payments", resilience.Proxied).Transport(otelhttp.NewTransport(answer, otelhttp.WithTracerProvider(provider),
				otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), otelhttp.WithPropagators(propagation.TraceContext{}))),
		} {
			b.Run(name+"/"+who, func(b *testing.B) {
				ctx := b.Context()
				if who == "ours" && sampler != nil {
					telemetry.Use(provider)
					defer telemetry.Use(nil)
				}
				var span trace.Span
				ctx, span = provider.Tracer("bench").Start(ctx, "request")
				defer span.End()
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://payments:8080/v1/payments?order_id=ord_1", nil)
				r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
				b.ReportAllocs()
				for b.Loop() {
					res, err := transport.RoundTrip(r)
					if err != nil {
						b.Fatal(err)
					}
					_ = res.Body.Close()
				}
			})
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

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
