package e2e

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func each(t *testing.T, test func(t *testing.T, h *house)) {
	atOnce(t, func(t *testing.T, url string) { test(t, openHouse(t, url, nil)) })
}

func TestAnOrderGoesAllTheWayFromPostToDelivered(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.product("SKU-1", 1999, 10)
		h.product("SKU-2", 500, 10)
		a := h.place("k1", orderOf("pm_test_ok", "SKU-1", 1, "SKU-2", 2))
		require.Equal(t, "confirmed", a.Body["status"])
		id := a.Body["id"].(string)
		h.orderIs(id, "confirmed", "completed")
		shipments := h.do("GET", "/v1/shipments?order_id="+id, nil).Body["data"].([]any)
		require.Len(t, shipments, 1)
		shipment := shipments[0].(map[string]any)["id"].(string)
		require.Equal(t, 200, h.do("POST", "/v1/shipments/"+shipment+"/dispatch", map[string]any{"carrier": "post", "tracking_number": "T1"}).Status)
		h.orderIs(id, "shipped", "")
		require.Equal(t, 200, h.do("POST", "/v1/shipments/"+shipment+"/deliver", nil).Status)
		h.orderIs(id, "delivered", "")
		h.quiet()
		stock := h.do("GET", "/v1/inventory/SKU-2", nil).Body
		require.EqualValues(t, 8, stock["on_hand"])
		require.EqualValues(t, 0, stock["reserved"])
	})
}

func TestADeclinedPaymentGivesTheStockBack(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.product("SKU-1", 1999, 10)
		a := h.place("k1", orderOf("pm_test_declined", "SKU-1", 3))
		require.Equal(t, "cancelled", a.Body["status"])
		require.Equal(t, "payment_declined", a.Body["cancellation"].(map[string]any)["reason"])
		h.quiet()
		require.EqualValues(t, 10, h.do("GET", "/v1/inventory/SKU-1", nil).Body["available"])
	})
}

func TestAConfirmedOrderThatIsCancelledIsRefundedAndReleased(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.product("SKU-1", 1999, 10)
		id := h.place("k1", orderOf("pm_test_ok", "SKU-1", 3)).Body["id"].(string)
		require.Equal(t, 202, h.do("POST", "/v1/orders/"+id+"/cancel", map[string]any{"reason": "changed my mind"}).Status)
		a := h.orderIs(id, "cancelled", "compensated")
		require.Equal(t, "refunded", a.Body["payment_status"])
		h.quiet()
		require.EqualValues(t, 10, h.do("GET", "/v1/inventory/SKU-1", nil).Body["available"])
	})
}

func TestEveryPaymentMethodEndsWithOneOutcome(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.product("SKU-1", 1999, 100)
		for method, want := range map[string]string{"pm_test_ok": "confirmed", "pm_test_timeout": "confirmed", "pm_test_error_once": "confirmed", "pm_test_slow": "confirmed", "pm_test_declined": "cancelled"} {
			require.Equal(t, want, h.place("k-"+method, orderOf(method, "SKU-1", 1)).Body["status"], method)
		}
		h.quiet()
	})
}

// F12: any number of clicks is one order.
func TestOneOrderForAnyNumberOfClicks(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		const wishes, clicks = 40, 25
		h.product("SKU-1", 1999, wishes)
		var ids sync.Map
		var all sync.WaitGroup
		for w := range wishes {
			for range clicks {
				all.Go(func() {
					a := h.do("POST", "/v1/orders", orderOf("pm_test_ok", "SKU-1", 1), "Idempotency-Key", fmt.Sprintf("wish-%d", w))
					if a.Status != 201 {
						t.Errorf("status %d: %s", a.Status, a.Raw)
						return
					}
					if first, again := ids.LoadOrStore(w, a.Body["id"]); again && first != a.Body["id"] {
						t.Errorf("wish %d became two orders: %v and %v", w, first, a.Body["id"])
					}
				})
			}
		}
		all.Wait()
		h.quiet()
		require.EqualValues(t, wishes, h.count("orders", `SELECT count(*) FROM order_summaries WHERE status = 'confirmed'`))
		require.EqualValues(t, wishes, h.count("orders", `SELECT count(*) FROM order_summaries`))
	})
}

// F13: ten thousand buyers, a hundred units. Against the program itself, as a race detector in it would measure little else.
func TestAHundredUnitsAreSoldExactlyOnceToTenThousandBuyers(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) {
		const buyers, units = 10_000, 100
		c := newCrashing(t, url)
		c.start()
		c.product("SKU-1", 1999, units)
		var placed atomic.Int64
		var all sync.WaitGroup
		start, atOnce := make(chan struct{}), make(chan struct{}, 256)
		for b := range buyers {
			all.Go(func() {
				<-start
				atOnce <- struct{}{} // as many connections as a server gets from one machine
				defer func() { <-atOnce }()
				st, raw, err := c.request("POST", "/v1/orders", fmt.Sprintf("buyer-%d", b), orderOf("pm_test_ok", "SKU-1", 1))
				if err != nil || st != 201 {
					t.Errorf("buyer %d: status %d %v: %s", b, st, err, raw)
					return
				}
				placed.Add(1)
			})
		}
		close(start)
		all.Wait()
		require.EqualValues(t, buyers, placed.Load())
		c.settleRunning()
		require.Len(t, c.orders("confirmed"), units)
		require.Len(t, c.orders("cancelled"), buyers-units)
		_, raw, err := c.request("GET", "/v1/inventory/SKU-1", "", nil)
		require.NoError(t, err)
		require.Contains(t, string(raw), `"available":0`)
		c.settle() // the audit: one charge for each confirmed order, and no other
	})
}
