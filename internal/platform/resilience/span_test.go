package resilience_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/resilience"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/telemetrytest"
)

// The tests of this file turn tracing on for the process, so they do not run in parallel.

const asking = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestEachAttemptAtAQuestionIsAClientSpanThatTheUpstreamGoesOnFrom(t *testing.T) {
	spans := telemetrytest.Record(t)
	heard := make(chan string, 2)
	answer := overloaded
	u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		heard <- r.Header.Get("Traceparent")
		answer(w, r)
		answer = answers
	})
	s := quick()
	s.Retries = 1
	require.NoError(t, ask(telemetry.WithTraceparent(t.Context(), asking), newWorld(t, s).Caller("payments", u.url(), resilience.CallerOptions{})))
	for i, status := range []string{"503", "200"} {
		span := spans.Wait("GET payments", 2)[i]
		require.Equal(t, trace.SpanKindClient, span.SpanKind())
		require.Equal(t, asking, telemetrytest.Traceparent(span.Parent()))
		require.Equal(t, telemetrytest.Traceparent(span.SpanContext()), <-heard)
		said := telemetrytest.Attributes(span)
		require.Equal(t, []string{"GET", u.url().String() + "/v1/health", status}, []string{said["http.request.method"], said["url.full"], said["http.response.status_code"]}, "without the query")
		require.Equal(t, []string{u.url().Hostname(), u.url().Port()}, []string{said["server.address"], said["server.port"]})
		require.Equal(t, status == "503", span.Status().Code == codes.Error)
	}
}

func TestTheSpanOfAQuestionSaysWhyThereIsNoAnswer(t *testing.T) {
	for reason, does := range map[string]http.HandlerFunc{"timeout": hangs, "connection_closed": cuts, "500": breaks, "connection_refused": nil} {
		t.Run(reason, func(t *testing.T) {
			spans := telemetrytest.Record(t)
			u := newUpstream(t, does)
			if does == nil {
				u.stop()
			}
			s := quick()
			if reason == "timeout" {
				s.Timeout = s.HalfOpen
			}
			require.Error(t, ask(telemetry.WithTraceparent(t.Context(), asking), newWorld(t, s).Caller("payments", u.url(), resilience.CallerOptions{})))
			span := spans.One("GET payments")
			require.Equal(t, reason, telemetrytest.Attributes(span)["error.type"])
			require.Equal(t, codes.Error, span.Status().Code)
		})
	}
	t.Run("in the middle of it", func(t *testing.T) {
		spans := telemetrytest.Record(t)
		require.Error(t, ask(telemetry.WithTraceparent(t.Context(), asking), newWorld(t, quick()).Caller("payments", newUpstream(t, cutsInTheMiddle).url(), resilience.CallerOptions{})))
		said := telemetrytest.Attributes(spans.One("GET payments"))
		require.Equal(t, []string{"200", "connection_closed"}, []string{said["http.response.status_code"], said["error.type"]})
	})
}

func TestAQuestionInATraceThatIsNotSampledPassesAsItIs(t *testing.T) {
	spans := telemetrytest.Record(t)
	heard := make(chan string, 1)
	u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		heard <- r.Header.Get("Traceparent")
		answers(w, r)
	})
	unsampled := asking[:len(asking)-1] + "0"
	for _, ctx := range []context.Context{telemetry.WithTraceparent(t.Context(), unsampled), t.Context()} {
		require.NoError(t, ask(ctx, newWorld(t, quick()).Caller("payments", u.url(), resilience.CallerOptions{})))
		require.Equal(t, telemetry.Traceparent(ctx), <-heard)
	}
	require.Empty(t, spans.Started())
}

func TestWhatAClientMayHaveSentIsNotToldOfAnAddress(t *testing.T) {
	spans := telemetrytest.Record(t)
	u := newUpstream(t, answers)
	c := newWorld(t, quick()).Caller("payments", u.url(), resilience.CallerOptions{})
	ctx := telemetry.WithTraceparent(t.Context(), asking)
	var answer map[string]any
	for path, told := range map[string]string{
		"/v1/customers/ann@example.org": "/v1/customers/*", "/v1/customers/ann%40example.org/x?email=a@b": "/v1/customers/*/x", "/v1/payments/pay_01m8323r84y788gfy1yf8hyne6": "/v1/payments/pay_01m8323r84y788gfy1yf8hyne6",
		"/v1/products/4242424242424242": "/v1/products/*", "/v1/" + strings.Repeat("e", 41): "/v1/*", "/v1/products/mug.2": "/v1/products/mug.2",
	} {
		before := len(spans.Named("GET payments"))
		require.NoError(t, c.Get(ctx, path, &answer))
		require.Equal(t, u.url().String()+told, telemetrytest.Attributes(spans.Wait("GET payments", before+1)[before])["url.full"])
	}
}
