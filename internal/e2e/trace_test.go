package e2e

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheTraceOfARequestFollowsTheOrderToItsLastEvent(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.product("SKU-1", 1999, 10)
		const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
		a := h.do("POST", "/v1/orders", orderOf("pm_test_ok", "SKU-1", 1), "Idempotency-Key", "k1", "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
		require.Equal(t, 201, a.Status, string(a.Raw))
		h.orderIs(a.Body["id"].(string), "confirmed", "completed")
		var metadata [][]byte
		require.NoError(t, h.dbs["orders"].Select(t.Context(), &metadata, `SELECT metadata FROM events ORDER BY version`))
		require.Len(t, metadata, 5)
		for i, m := range metadata {
			var meta struct{ Trace, Cause string }
			require.NoError(t, json.Unmarshal(m, &meta))
			require.Equal(t, trace, meta.Trace, "event %d", i+1)
			require.Equal(t, i > 0, meta.Cause != "", "the first event has no message for its cause, the others have")
		}
	})
}
