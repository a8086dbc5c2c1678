package orders

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/shipping/shippingapi"
)

func TestAnOrderIsConfirmedWhileItsCustomerWaits(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		r := s.call(http.MethodPost, "/v1/orders", basket(), "Idempotency-Key", freshKey(), "Prefer", "wait=20").is(http.StatusCreated)
		o := r.order()
		require.True(t, strings.HasPrefix(string(r.body), `{"id":"`+o.ID+`","status":"confirmed","version":`), string(r.body))
		require.Equal(t, "wait=20", r.header.Get("Preference-Applied"))
		require.Equal(t, "/v1/orders/"+o.ID, r.header.Get("Location"))
		require.Equal(t, []Item{
			{"TEA", "A tea", 2, eur(750), eur(1500)}, {"CUP", "A cup", 1, eur(500), eur(500)},
		}, o.Items)
		require.Equal(t, eur(2000), o.Total)
		require.Equal(t, "captured", o.Payment)
		require.Equal(t, "cus_1", o.CustomerID)
		require.Equal(t, "ann@example.org", o.Email)
		require.Equal(t, basket().Address, o.Address)
		require.Equal(t, noon, o.PlacedAt)
		require.Nil(t, o.Cancelled)

		s.rest()
		o = s.read(o.ID)
		require.Equal(t, "preparing", o.Fulfillment)
		require.Equal(t, []string{"order.placed", "stock.reserved", "payment.captured", "order.confirmed", "shipment.created"}, s.history(o.ID))
		require.Equal(t, []string{"placed", "confirmed"}, s.listener.about(o.ID))
		s.commands(o.ID, "ReserveStock", "TakePayment", "CreateShipment")
		s.notices(o.ID, "CommitReservation")
		require.Equal(t, inventoryapi.ReserveStock{Reference: o.ID, Lines: []inventoryapi.Line{{SKU: "TEA", Quantity: 2}, {SKU: "CUP", Quantity: 1}}, HoldSeconds: 900},
			last[inventoryapi.ReserveStock](s.heard))
		require.Equal(t, paymentsapi.TakePayment{Reference: o.ID, CustomerID: "cus_1", Amount: eur(2000), Method: "pm_test_ok"}, last[paymentsapi.TakePayment](s.heard))
		require.Equal(t, shippingapi.CreateShipment{Reference: o.ID, Owner: "cus_1", Address: basket().Address, Lines: []shippingapi.Line{{SKU: "TEA", Quantity: 2}, {SKU: "CUP", Quantity: 1}}},
			last[shippingapi.CreateShipment](s.heard))
		s.sound()
	})
}

func TestACustomerWhoseTimeIsUpGetsThePendingOrder(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		r := s.call(http.MethodPost, "/v1/orders", basket(), "Idempotency-Key", freshKey(), "Prefer", "wait=1").is(http.StatusCreated)
		require.Equal(t, "pending", r.order().Status)
		require.Equal(t, "wait=1", r.header.Get("Preference-Applied"))
	})
}

func TestAnOrderWithoutStockIsCancelledAndNobodyAsksForMoney(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		instead(s.inventory.neighbour, s.inventory.refuse)
		o := s.call(http.MethodPost, "/v1/orders", basket(), "Idempotency-Key", freshKey(), "Prefer", "wait=20").is(http.StatusCreated).order()
		require.Equal(t, "cancelled", o.Status)
		require.Equal(t, &cancellationBody{Reason: "out_of_stock"}, o.Cancelled)
		require.Equal(t, "voided", o.Payment)
		require.Equal(t, "cancelled", o.Fulfillment)
		s.sound()
		s.commands(o.ID, "ReserveStock")
		require.Equal(t, []string{"order.placed", "stock.refused", "order.cancelled"}, s.history(o.ID))
		require.Equal(t, []string{"placed", "cancelled"}, s.listener.about(o.ID))
		require.Equal(t, "compensated", s.saga(o.ID).State)
	})
}

func TestADeclinedPaymentGivesTheStockBackBeforeTheOrderIsCancelled(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		instead(s.payments.neighbour, s.payments.decline)
		ignores[inventoryapi.ReleaseStock](s.inventory.neighbour)
		id := s.place()
		s.untilStep(id, reserveStock, compensating)
		s.rest()
		o := s.read(id)
		require.Equal(t, "pending", o.Status) // until the stock is back
		require.Equal(t, "declined", o.Payment)
		require.Equal(t, "compensating", s.saga(id).State)

		s.inventory.behaves()
		s.inventory.note(id, "released")
		s.inventory.say(inventoryapi.StockReleased{Reference: id})
		o = s.untilStatus(id, Cancelled)
		require.Equal(t, &cancellationBody{"payment_declined", "card_declined"}, o.Cancelled)
		require.Equal(t, "declined", o.Payment)
		s.commands(id, "ReserveStock", "TakePayment", "ReleaseStock")
		require.Equal(t, []string{"order.placed", "stock.reserved", "payment.declined", "cancellation.requested", "compensation.started",
			"compensation.completed", "order.cancelled"}, s.history(id))
		s.sound()
	})
}

func TestAnOrderIsShippedAndDelivered(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := s.place()
		s.untilStep(id, createShipment, completed)
		s.shipping.dispatch(id)
		o := s.untilStatus(id, Shipped)
		require.Equal(t, "shipped", o.Fulfillment)
		s.rest()
		s.notices(id, "CommitReservation", "ShipStock")
		s.cancel(id).refused(http.StatusConflict, "order_not_cancellable")

		s.shipping.deliver(id)
		o = s.untilStatus(id, Delivered)
		require.Equal(t, "delivered", o.Fulfillment)
		s.cancel(id).refused(http.StatusConflict, "order_not_cancellable")
		s.sound()
		require.Equal(t, []string{"placed", "confirmed", "shipped", "delivered"}, s.listener.about(id))
		require.Contains(t, s.listener.bodies[id][2], `"carrier":"parcelforce","tracking_number":"PF1"`)
		require.Equal(t, "completed", s.saga(id).State)
	})
}

func TestAnOperatorRefundsAPartThenTheRest(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := s.place()
		s.untilStep(id, createShipment, completed)
		s.payments.refund(id, 500)
		o := s.until(id, func(o orderBody) bool { return o.Payment == "partially_refunded" })
		require.Equal(t, "confirmed", o.Status)
		s.payments.refund(id, 1500)
		o = s.until(id, func(o orderBody) bool { return o.Payment == "refunded" })
		require.Equal(t, "confirmed", o.Status)
		s.payments.say(paymentsapi.PaymentRefunded{Reference: id, PaymentID: "pay_" + id, RefundID: "ref_500", Amount: eur(500), Total: eur(500)}) // told again
		s.sound()
		require.Equal(t, o, s.read(id))
		s.commands(id, "ReserveStock", "TakePayment", "CreateShipment")

		s.cancel(id).is(http.StatusAccepted) // nothing is left to be given back, the rest of the way is the same
		o = s.untilStatus(id, Cancelled)
		require.Equal(t, "refunded", o.Payment)
		s.sound()
	})
}

func TestStockIsKeptWhileThePaymentIsUnderWay(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[paymentsapi.TakePayment](s.payments.neighbour)
		id := s.place()
		s.untilStep(id, takePayment, started)
		s.inventory.say(inventoryapi.ReservationExpiring{Reference: id})
		s.rest()
		s.notices(id, "ExtendReservation")
		require.EqualValues(t, 900, last[inventoryapi.ExtendReservation](s.heard).HoldSeconds)

		s.payments.behaves()
		s.payments.say(s.payments.late(id)...)
		s.untilStep(id, createShipment, completed)
		s.inventory.say(inventoryapi.ReservationExpiring{Reference: id}) // crossed with the commit
		s.rest()
		s.notices(id, "ExtendReservation", "CommitReservation", "CommitReservation")
		s.sound()
	})
}

func TestACancelledOrderDoesNotKeepItsStock(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[paymentsapi.TakePayment](s.payments.neighbour)
		ignores[paymentsapi.CancelPayment](s.payments.neighbour)
		id := s.place()
		s.untilStep(id, takePayment, started)
		s.cancel(id).is(http.StatusAccepted)
		s.inventory.say(inventoryapi.ReservationExpiring{Reference: id})
		s.rest()
		s.commands(id, "ReserveStock", "TakePayment", "CancelPayment")
		s.notices(id)
	})
}

func TestAConfirmedOrderWhoseStockIsLostIsPaidBackAndCancelled(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		instead(s.inventory.neighbour, func(c inventoryapi.CommitReservation) []bus.Body {
			return s.inventory.become(c.Reference, "expired", inventoryapi.ReservationLost{Reference: c.Reference})
		})
		id := s.place()
		o := s.untilStatus(id, Cancelled)
		require.Equal(t, "out_of_stock", o.Cancelled.Reason)
		require.Equal(t, "refunded", o.Payment)
		s.sound()
		s.commands(id, "ReserveStock", "TakePayment", "CreateShipment", "CancelShipment", "CancelPayment", "ReleaseStock")
		require.Equal(t, []string{"placed", "confirmed", "cancelled"}, s.listener.about(id))
	})
}

func TestEventsAboutWhatIsNoOrderAreSomebodyElsesBusiness(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.inventory.say(inventoryapi.StockReserved{Reference: "transfer-7"}, inventoryapi.StockReleased{Reference: newID(t.Context())})
		s.payments.say(paymentsapi.PaymentRefunded{Reference: "invoice-9", Amount: eur(5), Total: eur(5)})
		s.rest()
		require.Zero(t, s.count("events"))
		require.Zero(t, s.count("dead_letters"))
	})
}
