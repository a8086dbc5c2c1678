package inventory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/telemetrytest"
)

// The tests of this file turn tracing on for the process, so they do not run in parallel.

func TestAReservationLapsesInTheTraceOfItsOrderIfThatIsRecorded(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		spans := telemetrytest.Record(t)
		const placing = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		h.receive("MUG", 10)
		for traceparent, reference := range map[string]string{placing: "ord_1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00": "ord_2"} {
			require.NoError(t, h.db.Write(telemetry.WithTraceparent(t.Context(), traceparent), "", h.handle(reserve(reference, line("MUG", 3)))))
		}
		require.Len(t, h.published(), 2)
		h.clock.Advance(h.m.hold)
		require.NoError(t, h.m.sweep(t.Context()))
		span := spans.One(telemetry.SpanLapse)
		require.Equal(t, placing, telemetrytest.Traceparent(span.Parent()))
		require.Equal(t, "ord_1", telemetrytest.Attributes(span)["shop.order.id"])

		var sent []string
		require.NoError(t, h.db.Select(t.Context(), &sent, `SELECT content FROM outbox`))
		require.Contains(t, strings.Join(sent, "\n"), placing[3:35], "what is asked of the owner is in the trace too")
		require.ElementsMatch(t, []any{inventoryapi.ReservationExpiring{Reference: "ord_1"}, inventoryapi.ReservationExpiring{Reference: "ord_2"}}, h.published())
	})
}
