package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACustomerIsToldWhatBecomesOfTheirOrdersOnceEach(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.product("SKU-1", 1999, 10)
		a := h.do("POST", "/v1/customers", map[string]any{"id": "cus_1", "name": "Ada Lovelace", "email": "ada@example.org"})
		require.Equal(t, 201, a.Status, string(a.Raw))
		told := func(order string) map[string]any {
			kinds := map[string]any{}
			for _, n := range h.do("GET", "/v1/notifications?order_id="+order, nil).Body["data"].([]any) {
				n := n.(map[string]any)
				kinds[n["kind"].(string)] = n["status"]
			}
			return kinds
		}
		shipped := h.place("k1", orderOf("pm_test_ok", "SKU-1", 1)).Body["id"].(string)
		h.orderIs(shipped, "confirmed", "completed")
		shipment := h.do("GET", "/v1/shipments?order_id="+shipped, nil).Body["data"].([]any)[0].(map[string]any)["id"].(string)
		require.Equal(t, 200, h.do("POST", "/v1/shipments/"+shipment+"/dispatch", map[string]any{"carrier": "post", "tracking_number": "T1"}).Status)
		payment := h.do("GET", "/v1/payments?order_id="+shipped, nil).Body["data"].([]any)[0].(map[string]any)["id"].(string)
		require.Equal(t, 201, h.do("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"amount": 500}, "Idempotency-Key", "r1").Status)
		declined := h.place("k2", orderOf("pm_test_declined", "SKU-1", 1)).Body["id"].(string)

		eventually(t, "the customer is told", func() bool { return len(told(shipped)) == 3 && len(told(declined)) == 1 })
		h.quiet()
		eventually(t, "everything is sent", func() bool {
			return h.count("notifications", `SELECT count(*) FROM intents WHERE state <> 'sent'`) == 0
		})
		require.Equal(t, map[string]any{"order_confirmed": "sent", "order_shipped": "sent", "refunded": "sent"}, told(shipped))
		require.Equal(t, map[string]any{"order_cancelled": "sent"}, told(declined))
		require.EqualValues(t, 4, h.count("notifications", `SELECT count(*) FROM intents`))
		h.quiet()
	})
}
