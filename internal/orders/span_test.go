package orders

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/telemetrytest"
)

// The tests of this file turn tracing on for the process, so they do not run in parallel.

const (
	placedIn = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	askedIn  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)

func eachTracedShop(t *testing.T, test func(t *testing.T, s *shop, spans *telemetrytest.Spans)) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := openShop(t, url)
		test(t, s, telemetrytest.Record(t))
	})
}

func (s *shop) placeIn(traceparent string) string {
	s.t.Helper()
	return s.call(http.MethodPost, "/v1/orders", basket(), "Idempotency-Key", freshKey(), "Traceparent", traceparent).is(http.StatusCreated).order().ID
}

// tracesOf are the traces that an order's events name, each once.
func (s *shop) tracesOf(id string) []string {
	s.t.Helper()
	d, err := Diagnose(s.t.Context(), s.db, id)
	require.NoError(s.t, err)
	var traces []string
	for _, e := range d.Events {
		if !slices.Contains(traces, e.TraceID) {
			traces = append(traces, e.TraceID)
		}
	}
	return traces
}

func links(span sdktrace.ReadOnlySpan) map[string]bool {
	to := map[string]bool{}
	for _, l := range span.Links() {
		to[l.SpanContext.SpanID().String()] = true
	}
	return to
}

func TestADeadlineThatPassesBelongsToTheTraceInWhichTheOrderWasPlaced(t *testing.T) {
	eachTracedShop(t, func(t *testing.T, s *shop, spans *telemetrytest.Spans) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		id := s.placeIn(placedIn)
		request := spans.One("POST /v1/orders")
		require.Equal(t, id, telemetrytest.Attributes(request)["shop.order.id"])
		s.passes(2 * time.Minute)
		s.untilStatus(id, Cancelled)
		s.rest()
		deadline := spans.One("deadline orders")
		require.Equal(t, request.SpanContext().SpanID(), deadline.Parent().SpanID())
		require.Equal(t, id, telemetrytest.Attributes(deadline)["shop.order.id"])
		require.Equal(t, []string{placedIn[3:35]}, s.tracesOf(id))
	})
}

func TestADeadlineOfAnOrderThatIsNotRecordedStaysInItsTraceWithoutASpan(t *testing.T) {
	eachTracedShop(t, func(t *testing.T, s *shop, spans *telemetrytest.Spans) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		id := s.placeIn(placedIn[:len(placedIn)-1] + "0")
		s.passes(2 * time.Minute)
		s.untilStatus(id, Cancelled)
		s.rest()
		require.Empty(t, spans.Named("deadline orders"))
		require.Equal(t, []string{placedIn[3:35]}, s.tracesOf(id))
	})
}

func TestWhatSomebodyWantsDoneAboutAnOrderGoesOnInItsTraceAndIsLinkedToTheirRequest(t *testing.T) {
	eachTracedShop(t, func(t *testing.T, s *shop, spans *telemetrytest.Spans) {
		id := s.placeIn(placedIn)
		s.untilStep(id, createShipment, completed)
		s.call(http.MethodPost, "/v1/orders/"+id+"/cancel", nil, "Traceparent", askedIn).is(http.StatusAccepted)
		s.untilStatus(id, Cancelled)
		s.rest()
		request, cancel := spans.One("POST /v1/orders/{id}/cancel"), spans.One(telemetry.SpanCancel)
		require.Equal(t, askedIn[3:35], request.SpanContext().TraceID().String())
		require.Equal(t, placedIn[3:35], cancel.SpanContext().TraceID().String())
		require.True(t, links(request)[cancel.SpanContext().SpanID().String()])
		require.True(t, links(cancel)[request.SpanContext().SpanID().String()])
		require.Equal(t, []string{placedIn[3:35]}, s.tracesOf(id))
	})
}

func TestARequestAboutAnOrderSaysWhichInItsSpan(t *testing.T) {
	eachTracedShop(t, func(t *testing.T, s *shop, spans *telemetrytest.Spans) {
		id := s.placeIn(placedIn)
		s.rest()
		for path, route := range map[string]string{"/v1/orders/" + id: "/v1/orders/{id}", "/v2/orders/" + id: "/v2/orders/{id}", "/v1/orders/" + id + "/events": "/v1/orders/{id}/events"} {
			s.get(path).is(http.StatusOK)
			require.Equal(t, id, telemetrytest.Attributes(spans.One("GET " + route))["shop.order.id"], path)
		}
	})
}
