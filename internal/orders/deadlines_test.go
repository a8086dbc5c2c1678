package orders

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/shipping/shippingapi"
)

// passes moves the clock to a microsecond before the deadline, requires that nothing is due, and then over it.
func (s *shop) passes(d time.Duration) {
	s.t.Helper()
	s.rest()
	s.clock.Advance(d - time.Microsecond)
	due, err := s.m.store.due(s.t.Context(), s.clock.Now())
	require.NoError(s.t, err)
	require.Empty(s.t, due)
	s.clock.Advance(time.Microsecond)
}

func TestAnOrderIsCancelledWhenNobodyAnswersAboutItsStock(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		id := s.place()
		s.passes(2 * time.Minute)
		o := s.untilStatus(id, Cancelled)
		require.Equal(t, &cancellationBody{"timed_out", "no answer about the stock in time"}, o.Cancelled)
		require.Equal(t, noon.Add(2*time.Minute), o.UpdatedAt)
		s.sound()
		s.commands(id, "ReserveStock", "ReleaseStock")
	})
}

func TestAPaymentThatIsNotAnsweredIsCancelledAndNotTakenForDeclined(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[paymentsapi.TakePayment](s.payments.neighbour)
		ignores[paymentsapi.CancelPayment](s.payments.neighbour)
		id := s.place()
		s.untilStep(id, takePayment, started)
		s.passes(10 * time.Minute)
		s.untilStep(id, takePayment, compensating)
		require.Equal(t, "pending", s.read(id).Payment)
		s.payments.say(s.payments.late(id)...) // it had been charged
		s.payments.say(s.payments.later(id)...)
		o := s.untilStatus(id, Cancelled)
		require.Equal(t, &cancellationBody{"timed_out", "no answer about the payment in time"}, o.Cancelled)
		require.Equal(t, "refunded", o.Payment)
		s.sound()
		s.commands(id, "ReserveStock", "TakePayment", "CancelPayment", "ReleaseStock")
	})
}

func TestAShipmentIsAskedForAgainAndLessAndLessOften(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[shippingapi.CreateShipment](s.shipping.neighbour)
		id := s.place()
		s.untilStep(id, createShipment, started)
		s.passes(2 * time.Minute)
		s.untilAttempts(id, createShipment, 2)
		s.passes(4 * time.Minute)
		s.untilAttempts(id, createShipment, 3)
		require.Equal(t, "confirmed", s.read(id).Status)
		require.Equal(t, "running", s.saga(id).State)
		s.rest()
		s.commands(id, "ReserveStock", "TakePayment", "CreateShipment", "CreateShipment", "CreateShipment")

		s.shipping.note(id, "created")
		for range 3 { // whoever is asked three times answers three times
			s.shipping.say(shippingapi.ShipmentCreated{Reference: id, ShipmentID: "shp_" + id})
		}
		s.sound()
		require.Equal(t, []string{"order.placed", "stock.reserved", "payment.captured", "order.confirmed", "step.retried", "step.retried", "shipment.created"}, s.history(id))
		require.Equal(t, 3, s.saga(id).Steps[createShipment].Attempts)
		s.clock.Advance(24 * time.Hour)
		due, err := s.m.store.due(t.Context(), s.clock.Now())
		require.NoError(t, err)
		require.Empty(t, due)
	})
}

func TestACompensationIsAskedForAgainUntilItIsAnswered(t *testing.T) {
	cases := []struct {
		name    string
		step    stepName
		silence func(s *shop)
		answer  func(s *shop, id string)
		command string
	}{
		{"of the shipment", createShipment, func(s *shop) { ignores[shippingapi.CancelShipment](s.shipping.neighbour) },
			func(s *shop, id string) {
				s.shipping.note(id, "cancelled")
				s.shipping.say(shippingapi.ShipmentCancelled{Reference: id})
			}, "CancelShipment"},
		{"of the payment", takePayment, func(s *shop) { ignores[paymentsapi.CancelPayment](s.payments.neighbour) },
			func(s *shop, id string) { s.payments.say(s.payments.later(id)...) }, "CancelPayment"},
		{"of the reservation", reserveStock, func(s *shop) { ignores[inventoryapi.ReleaseStock](s.inventory.neighbour) },
			func(s *shop, id string) {
				s.inventory.note(id, "released")
				s.inventory.say(inventoryapi.StockReleased{Reference: id})
			}, "ReleaseStock"},
	}
	eachShop(t, func(t *testing.T, s *shop) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				s.behave()
				c.silence(s)
				id := s.place()
				s.untilStep(id, createShipment, completed)
				s.cancel(id).is(http.StatusAccepted)
				s.untilStep(id, c.step, compensating)
				s.passes(time.Minute)
				s.untilAttempts(id, c.step, 2)
				s.passes(2 * time.Minute)
				s.untilAttempts(id, c.step, 3)
				s.rest()
				for range 3 {
					c.answer(s, id)
				}
				o := s.untilStatus(id, Cancelled)
				require.Equal(t, "customer_request", o.Cancelled.Reason)
				s.sound()
				asked := 0
				answered, _ := s.heard.about(id)
				for _, name := range answered {
					if name == c.command {
						asked++
					}
				}
				require.Equal(t, 3, asked)
				require.Len(t, answered, 8) // three there, three back, and two more
				require.Equal(t, []string{"placed", "confirmed", "cancelled"}, s.listener.about(id))
			})
		}
	})
}

func (s *shop) untilAttempts(id string, step stepName, n int) {
	s.t.Helper()
	s.eventually("another attempt", func() bool {
		o, err := s.replayed(id)
		require.NoError(s.t, err)
		return o.Steps[step].Attempts == n
	})
}

func TestDeadlinesThatAreNotSetHaveADefault(t *testing.T) {
	require.Equal(t, Deadlines{2 * time.Minute, 10 * time.Minute, 2 * time.Minute, time.Minute, 15 * time.Minute, time.Second, 30 * time.Second}, Deadlines{}.withDefaults())
	require.Equal(t, time.Hour, Deadlines{Pay: time.Hour}.withDefaults().Pay)
}

func TestManyDeadlinesThatPassAtOnceAreAllKept(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		ids := s.placeMany(250, nil) // more than are looked at together
		s.rest()
		s.clock.Advance(2 * time.Minute)
		for _, id := range ids {
			s.untilStatus(id, Cancelled)
		}
		s.sound()
		for _, id := range ids {
			s.commands(id, "ReserveStock", "ReleaseStock")
		}
	})
}

// The clock of other tests stands elsewhere than the identifiers say, so that their orders are open from the start.
func TestAnOrderThatGoesItsWayIsNeverOpenAndOneLeftBehindIsFoundByARound(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		d := Deadlines{Reserve: 2 * time.Second, Look: 10 * time.Millisecond, Grace: time.Millisecond}
		s := openShopWith(t, url, bus.NewMemory(), d)
		place := func() string {
			s.clock.Advance(time.Since(s.clock.Now()))
			return s.place()
		}
		open := func(id string) (open bool) {
			require.NoError(t, s.db.Get(t.Context(), &open, `SELECT open FROM order_summaries WHERE order_id = $1`, id))
			return open
		}
		through := place()
		s.untilStep(through, createShipment, completed)
		require.False(t, open(through))

		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		left := place()
		s.eventually("a round comes by", func() bool { return open(left) })
		s.rest()
		require.EqualValues(t, Pending, s.read(left).Status, "its deadline has not passed")
		s.clock.Advance(d.Reserve)
		s.untilStatus(left, Cancelled)
		s.rest()
		require.False(t, open(left))
		require.False(t, open(through))
		s.sound()
	})
}

func TestAnOrderLeftBehindWhenAllProcessesEndedIsFoundByTheNextHoweverLate(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := openShopWith(t, url, bus.NewMemory(), Deadlines{Look: 10 * time.Millisecond, Grace: time.Millisecond})
		s.clock.Advance(time.Since(s.clock.Now()))
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		id := s.place()
		s.rest()
		rounds, found := sqldb.NewRounds(s.db, "orders", s.m.needs.Deadlines.unexpected()), 0
		require.NoError(t, rounds.Go(t.Context(), time.Now().Add(72*time.Hour), func(ctx context.Context, span sqldb.Span) error {
			var n int
			require.NoError(t, s.db.Get(ctx, &n, `SELECT count(*) FROM order_summaries WHERE NOT open`))
			require.NoError(t, s.m.store.openOverdue(ctx, span))
			var after int
			require.NoError(t, s.db.Get(ctx, &after, `SELECT count(*) FROM order_summaries WHERE NOT open`))
			found += n - after
			return nil
		}))
		require.Equal(t, 1, found)
		s.clock.Advance(72 * time.Hour)
		s.untilStatus(id, Cancelled)
	})
}
