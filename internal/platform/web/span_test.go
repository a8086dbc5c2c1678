package web_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/telemetrytest"
	"shop/internal/platform/web"
)

// The tests of this file turn tracing on for the process, so they do not run in parallel.

func TestARequestIsASpanNamedAfterItsRoute(t *testing.T) {
	spans := telemetrytest.Record(t)
	s := open(t, func(e *web.Edge) {
		e.Router.Get("/v1/baskets/{id}", func(_ http.ResponseWriter, r *http.Request) { telemetry.NoteOrder(r.Context(), "ord_7") })
	})
	const caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	a := s.send(t, "GET", "/v1/baskets/secret-7?token=hunter2", "", "Traceparent", caller)
	span := spans.One("GET /v1/baskets/{id}")
	require.Equal(t, caller, telemetrytest.Traceparent(span.Parent()))
	require.Equal(t, span.SpanContext().TraceID().String(), a.Header.Get("X-Request-Id"))
	require.Equal(t, trace.SpanKindServer, span.SpanKind())
	require.Equal(t, codes.Unset, span.Status().Code)
	require.Equal(t, map[attribute.Key]string{
		"http.request.method": "GET", "http.route": "/v1/baskets/{id}", "url.path": "/v1/baskets/*", "url.scheme": "http",
		"http.response.status_code": "200", "shop.order.id": "ord_7",
	}, telemetrytest.Attributes(span))

	logged := s.logs.FilterMessage("request").All()
	require.Len(t, logged, 1)
	line := logged[0].ContextMap()
	require.Equal(t, []any{a.Header.Get("X-Request-Id"), span.SpanContext().SpanID().String(), "ord_7"}, []any{line["trace_id"], line["span_id"], line["order_id"]})
}

func TestWhatFailedOnOurSideIsAnErrorAndWhatTheCallerGotWrongIsNot(t *testing.T) {
	spans := telemetrytest.Record(t)
	s := open(t, func(e *web.Edge) {
		e.Router.Get("/broken-off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		e.Router.Get("/bad-gateway", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	})
	s.send(t, "GET", "/v1/orders/ord_2", "").problem(t, 404, "not_found")
	s.send(t, "GET", "/v1/orders/ord_broken", "").problem(t, 500, "internal")
	for i, failure := range []string{"", "internal"} {
		span := spans.Wait("GET /v1/orders/{id}", 2)[i]
		require.Equal(t, failure, telemetrytest.Attributes(span)["error.type"])
		require.Equal(t, failure != "", span.Status().Code == codes.Error)
		require.NotContains(t, span.Status().Description, "secret")
	}
	s.send(t, "GET", "/bad-gateway", "")
	require.Equal(t, "502", telemetrytest.Attributes(spans.One("GET /bad-gateway"))["error.type"])

	_, err := (&http.Client{Timeout: time.Minute}).Get(s.URL + "/broken-off")
	require.Error(t, err)
	require.Equal(t, "aborted", telemetrytest.Attributes(spans.One("GET /broken-off"))["error.type"])
}

func TestWhatIsNoRouteNamesNoSpan(t *testing.T) {
	spans := telemetrytest.Record(t)
	s := open(t)
	s.send(t, "GET", "/nothing/here", "").problem(t, 404, "not_found")
	s.send(t, "BREW", "/v1/orders", "")
	spans.One("HTTP")
	require.NotContains(t, telemetrytest.Attributes(spans.One("GET")), attribute.Key("http.route"))
}

func TestThereIsNoSpanOfAProbeNorInATraceThatIsNotSampled(t *testing.T) {
	spans := telemetrytest.Record(t)
	s := open(t)
	for _, probe := range []string{"/livez", "/readyz"} {
		require.Regexp(t, "^[0-9a-f]{32}$", s.send(t, "GET", probe, "").Header.Get("X-Request-Id"))
	}
	s.send(t, "GET", "/v1/orders/ord_1", "", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
	s.send(t, "GET", "/v1/orders/ord_1", "", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01")
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", spans.One("GET /v1/orders/{id}").SpanContext().TraceID().String())
	require.Len(t, spans.Started(), 1)
}
