package orders

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/shipping/shippingapi"
)

func TestCancellingTakesBackWhatWasDoneInReverse(t *testing.T) {
	cases := []struct {
		name        string
		until       func(s *shop, id string)
		unanswered  func(s *shop)
		commands    string
		payment     string
		fulfillment string // while it is being cancelled
	}{
		{"while stock is being reserved", func(s *shop, id string) { s.untilStep(id, reserveStock, started) },
			func(s *shop) { ignores[inventoryapi.ReserveStock](s.inventory.neighbour) },
			"ReserveStock ReleaseStock", "voided", "unfulfilled"},
		{"while the payment is being taken", func(s *shop, id string) { s.untilStep(id, takePayment, started) },
			func(s *shop) { ignores[paymentsapi.TakePayment](s.payments.neighbour) },
			"ReserveStock TakePayment CancelPayment ReleaseStock", "voided", "reserved"},
		{"while the shipment is being created", func(s *shop, id string) { s.untilStep(id, createShipment, started) },
			func(s *shop) { ignores[shippingapi.CreateShipment](s.shipping.neighbour) },
			"ReserveStock TakePayment CreateShipment CancelShipment CancelPayment ReleaseStock", "refunded", "reserved"},
		{"when the parcel is being packed", func(s *shop, id string) { s.untilStep(id, createShipment, completed) },
			func(*shop) {},
			"ReserveStock TakePayment CreateShipment CancelShipment CancelPayment ReleaseStock", "refunded", "reserved"},
	}
	eachShop(t, func(t *testing.T, s *shop) {
		for _, at := range cases {
			t.Run(at.name, func(t *testing.T) {
				s.behave()
				at.unanswered(s)
				id := s.place()
				at.until(s, id)
				s.rest()
				o := s.cancel(id).is(http.StatusAccepted).order()
				require.Equal(t, id, o.ID)
				if o.Status != string(Cancelled) { // the way back may be over already, or as far as the stock
					require.Contains(t, []string{at.fulfillment, "unfulfilled"}, o.Fulfillment)
				}
				o = s.untilStatus(id, Cancelled)
				require.Equal(t, &cancellationBody{"customer_request", "changed my mind"}, o.Cancelled)
				require.Equal(t, at.payment, o.Payment)
				require.Equal(t, "cancelled", o.Fulfillment)
				s.sound()
				s.commands(id, strings.Fields(at.commands)...)
				require.Equal(t, "cancelled", s.listener.about(id)[len(s.listener.about(id))-1])
				for _, step := range s.saga(id).Steps {
					if step.Name != confirmOrder.String() {
						require.Equal(t, "compensated", step.Status)
						require.NotNil(t, step.FinishedAt)
					}
				}
			})
		}
	})
}

func TestCancellingTwiceChangesNothing(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		ignores[inventoryapi.ReleaseStock](s.inventory.neighbour)
		id := s.place()
		first := s.cancel(id).is(http.StatusAccepted)
		require.Equal(t, "/v1/orders/"+id, first.header.Get("Location"))
		second := s.call(http.MethodPost, "/v1/orders/"+id+"/cancel", `{"reason":"something else"}`).is(http.StatusAccepted)
		require.Equal(t, string(first.body), string(second.body))
		s.rest()
		s.commands(id, "ReserveStock", "ReleaseStock")

		s.inventory.say(inventoryapi.StockReleased{Reference: id})
		done := s.untilStatus(id, Cancelled)
		require.Equal(t, "changed my mind", done.Cancelled.Detail)
		require.Equal(t, done, s.cancel(id).is(http.StatusAccepted).order())
		s.sound()
	})
}

func TestAnAnswerThatCrossesTheCancellationIsTakenBackToo(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		ignores[inventoryapi.ReleaseStock](s.inventory.neighbour)
		id := s.place()
		s.cancel(id).is(http.StatusAccepted)
		s.inventory.say(inventoryapi.StockReserved{Reference: id, ExpiresAt: noon})
		s.rest()
		require.Equal(t, "unfulfilled", s.read(id).Fulfillment)
		s.commands(id, "ReserveStock", "ReleaseStock") // no payment is asked for
		s.inventory.say(inventoryapi.StockReleased{Reference: id})
		s.untilStatus(id, Cancelled)
		s.sound()
	})
}

func TestMoneyThatArrivesDuringTheCancellationGoesBack(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[paymentsapi.TakePayment](s.payments.neighbour)
		ignores[paymentsapi.CancelPayment](s.payments.neighbour)
		id := s.place()
		s.untilStep(id, takePayment, started)
		s.cancel(id).is(http.StatusAccepted)
		for range 2 {
			s.payments.say(s.payments.late(id)...)
		}
		s.rest()
		require.Equal(t, []string{"order.placed", "stock.reserved", "cancellation.requested", "compensation.started", "payment.captured"}, s.history(id))
		o := s.read(id)
		require.Equal(t, "captured", o.Payment)
		require.Equal(t, "pending", o.Status)
		require.Equal(t, "compensating", s.saga(id).State)

		s.payments.say(s.payments.later(id)...)
		o = s.untilStatus(id, Cancelled)
		require.Equal(t, "refunded", o.Payment)
		s.sound()
		s.commands(id, "ReserveStock", "TakePayment", "CancelPayment", "ReleaseStock")
		require.Equal(t, []string{"placed", "cancelled"}, s.listener.about(id))
	})
}

func TestADeclineDuringTheCancellationChangesNothing(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[paymentsapi.TakePayment](s.payments.neighbour)
		ignores[paymentsapi.CancelPayment](s.payments.neighbour)
		id := s.place()
		s.untilStep(id, takePayment, started)
		s.cancel(id).is(http.StatusAccepted)
		s.payments.say(paymentsapi.PaymentDeclined{Reference: id, Code: "card_declined"}, paymentsapi.PaymentCancelled{Reference: id})
		o := s.untilStatus(id, Cancelled)
		require.Equal(t, "customer_request", o.Cancelled.Reason)
		s.sound()
	})
}

func TestAnOrderGoesOnWhenItsParcelHasLeftBeforeTheCancellation(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := s.place()
		s.untilStep(id, createShipment, completed)
		s.shipping.note(id, "dispatched") // and the message is still under way
		s.cancel(id).is(http.StatusAccepted)
		s.rest()
		require.Equal(t, "confirmed", s.read(id).Status)
		require.Contains(t, s.history(id), "cancellation.refused")
		require.Equal(t, "completed", s.saga(id).State)
		s.commands(id, "ReserveStock", "TakePayment", "CreateShipment", "CancelShipment")

		s.shipping.say(dispatched(id))
		o := s.untilStatus(id, Shipped)
		require.Equal(t, "captured", o.Payment)
		s.shipping.deliver(id)
		s.untilStatus(id, Delivered)
		s.sound()
		require.Equal(t, []string{"placed", "confirmed", "shipped", "delivered"}, s.listener.about(id))
	})
}

func TestADispatchThatIsHeardOfDuringTheCancellationEndsIt(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[shippingapi.CancelShipment](s.shipping.neighbour)
		id := s.place()
		s.untilStep(id, createShipment, completed)
		s.cancel(id).is(http.StatusAccepted)
		s.shipping.dispatch(id)
		o := s.untilStatus(id, Shipped)
		require.Nil(t, o.Cancelled)
		s.shipping.say(shippingapi.ShipmentNotCancelled{Reference: id, Status: "dispatched"})
		s.sound()
		require.Equal(t, o, s.read(id))
		s.commands(id, "ReserveStock", "TakePayment", "CreateShipment", "CancelShipment")
		s.notices(id, "CommitReservation", "ShipStock")
	})
}

func TestAParcelNobodyHeardTheDispatchOfIsShippedWhenItArrives(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[shippingapi.CreateShipment](s.shipping.neighbour)
		id := s.place()
		s.untilStep(id, createShipment, started)
		s.shipping.deliver(id)
		o := s.untilStatus(id, Delivered)
		s.shipping.say(dispatched(id), shippingapi.ShipmentCreated{Reference: id, ShipmentID: "shp_" + id})
		s.sound()
		require.Equal(t, o, s.read(id))
		require.Equal(t, "completed", s.saga(id).State) // nobody waits for the creation any more
		s.notices(id, "CommitReservation", "ShipStock")
		require.Equal(t, []string{"placed", "confirmed", "shipped", "delivered"}, s.listener.about(id))
	})
}

func TestTheProcessOfAnOrderShowsHowFarTheWayBackIs(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[shippingapi.CreateShipment](s.shipping.neighbour)
		ignores[shippingapi.CancelShipment](s.shipping.neighbour)
		ignores[paymentsapi.CancelPayment](s.payments.neighbour)
		id := s.place()
		s.untilStep(id, createShipment, started)
		statuses := func() string {
			var all []string
			for _, step := range s.saga(id).Steps {
				all = append(all, step.Status)
			}
			return s.saga(id).State + ": " + strings.Join(all, " ")
		}
		require.Equal(t, "running: completed completed completed started", statuses())
		s.cancel(id).is(http.StatusAccepted)
		require.Equal(t, "compensating: completed completed completed started", statuses())
		s.shipping.say(shippingapi.ShipmentCancelled{Reference: id})
		s.untilStep(id, takePayment, compensating)
		require.Equal(t, "compensating: completed completed completed compensated", statuses())
		s.payments.say(s.payments.later(id)...)
		s.untilStatus(id, Cancelled)
		require.Equal(t, "compensated: compensated compensated completed compensated", statuses())
	})
}

func TestOnlyAnOrderThatExistsCanBeCancelledInFewWords(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.cancel(newID(t.Context())).refused(http.StatusNotFound, "order_not_found")
		s.cancel("ord_1").refused(http.StatusNotFound, "not_found")
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		id := s.place()
		s.call(http.MethodPost, "/v1/orders/"+id+"/cancel", map[string]string{"reason": strings.Repeat("x", 501)}).is(http.StatusUnprocessableEntity)
		s.call(http.MethodPost, "/v1/orders/"+id+"/cancel", `{"reason":"a","status":"delivered"}`).is(http.StatusUnprocessableEntity)
		require.Equal(t, []string{"order.placed"}, s.history(id))
		s.call(http.MethodPost, "/v1/orders/"+id+"/cancel", nil).is(http.StatusAccepted)
		require.Equal(t, &cancellationBody{Reason: "customer_request"}, s.untilStatus(id, Cancelled).Cancelled)
	})
}
