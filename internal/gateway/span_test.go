package gateway_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry/telemetrytest"
)

// The tests of this file turn tracing on for the process, so they do not run in parallel.

const (
	anOrder = "ord_01jd3q6k9v8xw2n4t7ryz5abcd"
	sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

func TestARequestThatIsPassedOnIsASpanOfTheClientsAndOneOfOurs(t *testing.T) {
	spans := telemetrytest.Record(t)
	heard := make(chan string, 2)
	e := elsewhere(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		heard <- r.Header.Get("Traceparent")
		w.Header().Set("Location", "/v1/orders/"+anOrder)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{}`)
	}))
	require.Equal(t, http.StatusCreated, e.send("POST", "/v1/orders", `{}`, "Traceparent", sampled).StatusCode)
	server, client := spans.One("POST /v1/orders"), spans.One("POST orders")
	require.Equal(t, sampled, telemetrytest.Traceparent(server.Parent()))
	require.Equal(t, server.SpanContext().SpanID(), client.Parent().SpanID())
	require.Equal(t, trace.SpanKindClient, client.SpanKind())
	require.Equal(t, telemetrytest.Traceparent(client.SpanContext()), <-heard, "the next process goes on from the client's span")
	require.Equal(t, anOrder, telemetrytest.Attributes(server)["shop.order.id"], "as the context elsewhere says")

	e.send("GET", "/v1/orders/"+anOrder+"/events", "", "Traceparent", sampled)
	require.Equal(t, telemetrytest.Traceparent(spans.One("GET orders").SpanContext()), <-heard)
	require.Equal(t, anOrder, telemetrytest.Attributes(spans.One("GET /v1/orders/*"))["shop.order.id"], "as the address says")

	unsampled := sampled[:len(sampled)-1] + "0"
	e.send("GET", "/v1/orders/"+anOrder, "", "Traceparent", unsampled)
	require.Regexp(t, "^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$", <-heard)
	require.Len(t, spans.Started(), 4)
}

func TestTheMirroredRequestIsAPartOfTheClientsTrace(t *testing.T) {
	spans := telemetrytest.Record(t)
	b := share(t, mirrorHere, answers(200, `{}`), answers(200, `{}`))
	b.send("GET", "/v1/orders", "", "Traceparent", sampled)
	b.eventually("it is compared", func() bool { return b.mirrored("same") == 1 })
	require.Equal(t, spans.One("GET /v1/orders").SpanContext().SpanID(), spans.One("GET orders").Parent().SpanID())
}
