package orders

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
)

// stuck is an order whose payment cannot be given back.
func stuck(s *shop) string {
	s.t.Helper()
	instead(s.payments.neighbour, s.payments.refuseToGiveBack)
	id := s.place()
	s.untilStep(id, createShipment, completed)
	s.cancel(id).is(http.StatusAccepted)
	s.untilStep(id, takePayment, compensationFailed)
	return id
}

func (s *shop) intervene(id, action, note string) reply {
	s.t.Helper()
	return s.call(http.MethodPost, "/v1/orders/"+id+"/saga/"+action, map[string]string{"note": note})
}

func TestACompensationThatFailsWaitsForAnOperator(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := stuck(s)
		saga := s.saga(id)
		require.Equal(t, "compensation_failed", saga.State)
		require.Equal(t, "compensation_failed", saga.Steps[takePayment].Status)
		require.Equal(t, "charge_disputed", saga.Steps[takePayment].Error)
		require.Equal(t, "confirmed", s.read(id).Status)
		require.Equal(t, "captured", s.read(id).Payment)

		s.clock.Advance(1000 * time.Hour) // no deadline takes its place
		due, err := s.m.store.due(t.Context(), s.clock.Now())
		require.NoError(t, err)
		require.Empty(t, due)
		found, err := s.m.Audit(t.Context())
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, "I3", found[0].Invariant)
	})
}

func TestAnOperatorMayAskForTheCompensationOnceMore(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := stuck(s)
		s.intervene(id, actRetry, "the bank says it works now").is(http.StatusAccepted)
		s.untilStep(id, takePayment, compensationFailed) // it did not
		s.rest()
		s.payments.behaves()
		require.Equal(t, "compensating", as[sagaBody](s.intervene(id, actRetry, "now really").is(http.StatusAccepted)).State)
		o := s.untilStatus(id, Cancelled)
		require.Equal(t, "refunded", o.Payment)
		require.Equal(t, "customer_request", o.Cancelled.Reason)
		s.sound()
		s.commands(id, "ReserveStock", "TakePayment", "CreateShipment", "CancelShipment", "CancelPayment", "CancelPayment", "CancelPayment", "ReleaseStock")
		events := string(s.get("/v1/orders/" + id + "/events").body)
		require.Contains(t, events, "the bank says it works now")
		require.Contains(t, events, `"by":"operator"`)
		require.Contains(t, s.history(id), "compensation.failed")
		require.Equal(t, 3, s.saga(id).Steps[takePayment].Attempts)
	})
}

func TestAnOperatorMaySayThatItWasDoneByHand(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := stuck(s)
		s.intervene(id, actSkip, "paid back by bank transfer 4711").is(http.StatusAccepted)
		o := s.untilStatus(id, Cancelled)
		require.Equal(t, "customer_request", o.Cancelled.Reason)
		s.rest()
		s.commands(id, "ReserveStock", "TakePayment", "CreateShipment", "CancelShipment", "CancelPayment", "ReleaseStock")
		require.Contains(t, string(s.get("/v1/orders/"+id+"/events").body), "paid back by bank transfer 4711")
		require.Equal(t, "compensated", s.saga(id).State)
	})
}

func TestAnOperatorMayForceTheCancellationAndTheRestIsStillAskedFor(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := stuck(s)
		ignores[inventoryapi.ReleaseStock](s.inventory.neighbour) // nobody waits for the answer
		require.Equal(t, "compensated", as[sagaBody](s.intervene(id, actForce, "the warehouse burned down").is(http.StatusAccepted)).State)
		o := s.read(id)
		require.Equal(t, "cancelled", o.Status)
		require.Equal(t, &cancellationBody{"failed", "the warehouse burned down"}, o.Cancelled)
		s.rest()
		s.commands(id, "ReserveStock", "TakePayment", "CreateShipment", "CancelShipment", "CancelPayment", "ReleaseStock")
		before := s.read(id)
		s.inventory.say(inventoryapi.StockReleased{Reference: id})
		s.payments.say(s.payments.later(id)...)
		s.rest()
		require.Equal(t, before, s.read(id))
		require.Equal(t, []string{"placed", "confirmed", "cancelled"}, s.listener.about(id))
	})
}

func TestAnOperatorMayHurryACompensationThatIsUnderWayButNotSkipIt(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[paymentsapi.CancelPayment](s.payments.neighbour)
		id := s.place()
		s.untilStep(id, createShipment, completed)
		s.cancel(id).is(http.StatusAccepted)
		s.untilStep(id, takePayment, compensating)
		s.intervene(id, actSkip, "why wait").refused(http.StatusConflict, "saga_not_stuck")
		s.intervene(id, actForce, "why wait").refused(http.StatusConflict, "saga_not_stuck")
		s.payments.behaves()
		s.intervene(id, actRetry, "why wait").is(http.StatusAccepted)
		s.untilStatus(id, Cancelled)
		s.sound()
	})
}

func TestAnInterventionNeedsAStuckOrderAnActionAndAReason(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := s.place()
		s.untilStep(id, createShipment, completed)
		for _, action := range []string{actRetry, actSkip, actForce} {
			s.intervene(id, action, "just so").refused(http.StatusConflict, "saga_not_stuck")
			s.intervene(newID(t.Context()), action, "just so").refused(http.StatusNotFound, "order_not_found")
			s.call(http.MethodPost, "/v1/orders/"+id+"/saga/"+action, nil).refused(http.StatusBadRequest, "body_required")
			s.intervene(id, action, "").is(http.StatusUnprocessableEntity)
		}
		s.intervene(id, "undo", "just so").is(http.StatusNotFound)
		s.cancel(id).is(http.StatusAccepted)
		s.untilStatus(id, Cancelled)
		s.intervene(id, actRetry, "just so").refused(http.StatusConflict, "saga_not_stuck")
	})
}
