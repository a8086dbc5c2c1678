package shipping

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/telemetrytest"
)

// The tests of this file turn tracing on for the process, so they do not run in parallel.

const (
	orderTrace    = "4bf92f3577b34da6a3ce929d0e0e4736"
	operatorTrace = "0af7651916cd43dd8448eb211c80319c"
	placing       = "00-" + orderTrace + "-00f067aa0ba902b7-01"
	asking        = "00-" + operatorTrace + "-b7ad6b7169203331-01"
)

// createdIn makes the shipment of a reference, from within a trace.
func (s *stage) createdIn(t *testing.T, traceparent, reference string) string {
	t.Helper()
	require.NoError(t, s.callerDB.Write(telemetry.WithTraceparent(t.Context(), traceparent), "", func(ctx context.Context, tx *sqldb.Tx) error {
		return s.caller.Publish(ctx, tx, order(reference))
	}))
	s.settle(t)
	return s.only(t, reference).ID
}

func linked(span sdktrace.ReadOnlySpan) []string {
	var ids []string
	for _, l := range span.Links() {
		ids = append(ids, l.SpanContext.SpanID().String())
	}
	return ids
}

func TestAnOrderIsOneTraceUntilItIsDeliveredAlsoAfterARestart(t *testing.T) {
	overHTTP(t, func(t *testing.T, s *stage, call client) {
		spans := telemetrytest.Record(t)
		id := s.createdIn(t, placing, "ord_1")
		moved, err := s.replica.move(telemetry.WithTraceparent(t.Context(), asking), id, dispatched, parcel{}) // by another process, to which the row is all there is
		require.NoError(t, err)
		require.Equal(t, "dispatched", moved.Status)
		call(http.MethodPost, "/v1/shipments/"+id+"/deliver", "", "Traceparent", asking).shipment()
		s.settle(t)

		moves := spans.Wait(telemetry.SpanMove, 2)
		for i, status := range []string{"dispatched", "delivered"} {
			require.Equal(t, orderTrace, moves[i].SpanContext().TraceID().String())
			require.Equal(t, moves[0].Parent(), moves[i].Parent(), "the span in which it was created")
			require.Equal(t, map[attribute.Key]string{"shop.order.id": "ord_1", "shop.shipment.status": status}, telemetrytest.Attributes(moves[i]))
		}
		request := spans.One("POST /v1/shipments/{id}/deliver")
		require.Equal(t, operatorTrace, request.SpanContext().TraceID().String())
		require.Equal(t, "ord_1", telemetrytest.Attributes(request)["shop.order.id"])
		require.Equal(t, []string{moves[1].SpanContext().SpanID().String()}, linked(request))
		require.Contains(t, linked(moves[1]), request.SpanContext().SpanID().String())
	})
}

func TestAMoveThatIsRefusedIsAnErrorInTheTrace(t *testing.T) {
	overHTTP(t, func(t *testing.T, s *stage, call client) {
		spans := telemetrytest.Record(t)
		id := s.createdIn(t, placing, "ord_1")
		call(http.MethodPost, "/v1/shipments/"+id+"/return", "", "Traceparent", asking).problem(http.StatusConflict, "illegal_transition")
		require.Equal(t, "illegal_transition", telemetrytest.Attributes(spans.One(telemetry.SpanMove))["error.type"])
	})
}

func TestAShipmentWhoseTraceIsNotRecordedKeepsNothingOfIt(t *testing.T) {
	overHTTP(t, func(t *testing.T, s *stage, call client) {
		spans := telemetrytest.Record(t)
		id := s.createdIn(t, placing[:len(placing)-1]+"0", "ord_1")
		_, kept, err := s.originOf(t.Context(), id)
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Empty(t, spans.Started())
		call(http.MethodPost, "/v1/shipments/"+id+"/dispatch", "", "Traceparent", asking).shipment()
		spans.One("POST /v1/shipments/{id}/dispatch")
		require.Empty(t, spans.Named(telemetry.SpanMove), "what follows is in the request's trace")
	})
}
