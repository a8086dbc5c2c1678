package orders

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
	"shop/internal/shipping/shippingapi"
)

// Messages, as the neighbours would say them.
func reservedFor(id string) bus.Body {
	return inventoryapi.StockReserved{Reference: id, ExpiresAt: noon.Add(time.Hour)}
}

func releasedFor(id string) bus.Body { return inventoryapi.StockReleased{Reference: id} }

func capturedFor(id string) bus.Body {
	return paymentsapi.PaymentCaptured{Reference: id, PaymentID: "pay_1", Amount: eur(2000)}
}

func paidBack(id string) bus.Body {
	return paymentsapi.PaymentCancelled{Reference: id, PaymentID: "pay_1", Refunded: eur(2000)}
}

func notPaidBack(id string) bus.Body {
	return paymentsapi.PaymentCancelFailed{Reference: id, PaymentID: "pay_1", Code: "charge_disputed"}
}

func createdFor(id string) bus.Body {
	return shippingapi.ShipmentCreated{Reference: id, ShipmentID: "shp_1"}
}

func withdrawn(id string) bus.Body { return shippingapi.ShipmentCancelled{Reference: id} }

// buyer is whose orders they are.
var buyer = auth.Principal{Role: auth.Customer, Subject: "cus_1"}

// paid places an order with one replica and brings it to where its shipment is created, all of it known to that replica alone.
func (h *house) paid(t *testing.T, replica int) string {
	t.Helper()
	id := h.place(t, replica)
	h.tell(t, replica, reservedFor(id))
	h.tell(t, replica, capturedFor(id))
	h.words(t)
	return id
}

func (h *house) cancel(t *testing.T, replica int, id string) {
	t.Helper()
	require.NoError(t, h.replicas[replica].requestCancel(t.Context(), buyer, id, ""))
}

func TestAReplicaThatMissedTheCancellationStillHearsItsAnswers(t *testing.T) {
	eachHouse(t, 2, func(t *testing.T, h *house) {
		id := h.place(t, 0)
		h.tell(t, 0, reservedFor(id))
		h.cancel(t, 1, id)
		require.Equal(t, []string{"OrderPlaced", "ReserveStock", "TakePayment", "CancelPayment"}, h.words(t))
		h.tell(t, 0, paidBack(id)) // to whom the payment is still being taken
		require.Equal(t, []string{"ReleaseStock"}, h.words(t))
		h.tell(t, 1, releasedFor(id)) // to whom the payment is still being taken back
		require.Equal(t, []string{"OrderCancelled"}, h.words(t))
		o, _, _ := h.order(t, id)
		require.Equal(t, Cancelled, o.Status)
	})
}

func TestAReplicaWithAnOldCopyActsOnWhatIsTrueNow(t *testing.T) {
	eachHouse(t, 2, func(t *testing.T, h *house) {
		id := h.paid(t, 0)
		h.tell(t, 1, createdFor(id))
		require.ErrorIs(t, h.replicas[0].intervene(t.Context(), id, actRetry, "?"), ErrNotStuck)
		h.tell(t, 0, createdFor(id)) // a second answer, to one who still waits for the first
		h.cancel(t, 0, id)
		require.Equal(t, []string{"CancelShipment"}, h.words(t))
		h.tell(t, 1, withdrawn(id))
		require.Equal(t, []string{"CancelPayment"}, h.words(t))
		h.tell(t, 0, withdrawn(id))
		require.Empty(t, h.words(t))
		o, _, _ := h.order(t, id)
		require.EqualValues(t, 9, o.Version)
	})
}

func TestAnOperatorIsNotToldFromAnOldCopyThatNothingIsStuck(t *testing.T) {
	eachHouse(t, 2, func(t *testing.T, h *house) {
		id := h.paid(t, 0)
		h.cancel(t, 0, id)
		h.tell(t, 0, withdrawn(id))
		h.tell(t, 1, notPaidBack(id))
		h.words(t)
		require.NoError(t, h.replicas[0].intervene(t.Context(), id, actSkip, "by hand")) // to whom it is still being paid back
		require.Equal(t, []string{"ReleaseStock"}, h.words(t))
	})
}

func TestADeadlineIsKeptByALeaderWhoseCopyHasNone(t *testing.T) {
	eachHouse(t, 2, func(t *testing.T, h *house) {
		id := h.paid(t, 0)
		h.cancel(t, 0, id)
		h.tell(t, 0, withdrawn(id))
		h.tell(t, 0, notPaidBack(id)) // replica 0 leaves it to an operator
		require.NoError(t, h.replicas[1].intervene(t.Context(), id, actRetry, "once more"))
		h.words(t)
		h.clock.Advance(time.Hour)
		m := h.replicas[0]
		due, err := m.store.due(t.Context(), h.clock.Now())
		require.NoError(t, err)
		require.Equal(t, []string{id}, due)
		require.NoError(t, m.store.change(t.Context(), id, m.process.overdue))
		require.Equal(t, []string{"CancelPayment"}, h.words(t))
	})
}

func TestADeadlineThatWasMetMeanwhileIsForgotten(t *testing.T) {
	eachHouse(t, 1, func(t *testing.T, h *house) {
		m, id := h.replicas[0], h.place(t, 0)
		h.words(t)
		for _, answer := range []bus.Body{reservedFor(id), capturedFor(id), createdFor(id)} {
			h.clock.Advance(m.needs.Deadlines.Pay)
			h.tell(t, 0, answer) // in the moment between looking and doing
			h.words(t)
			require.NoError(t, m.store.change(t.Context(), id, m.process.overdue))
			require.Empty(t, h.words(t))
		}
	})
}

func TestACustomerIsNotToldFromAnOldCopyThatItIsTooLateOrNotYet(t *testing.T) {
	eachHouse(t, 2, func(t *testing.T, h *house) {
		id := h.paid(t, 0)
		h.tell(t, 1, dispatched(id))
		require.ErrorIs(t, h.replicas[0].requestCancel(t.Context(), buyer, id, ""), ErrNotCancellable)
	})
}

func TestAMessageAboutAnOrderThatIsNotChangedByItIsAskedOfTheDatabaseOnce(t *testing.T) {
	eachHouse(t, 1, func(t *testing.T, h *house) {
		id, db := h.place(t, 0), h.replicas[0].needs.DB
		before := db.Stats().Statements.Load()
		h.tell(t, 0, reservedFor(id)) // from memory: nothing is read
		atHome := db.Stats().Statements.Load() - before
		before = db.Stats().Statements.Load()
		h.tell(t, 0, reservedFor(id))
		require.EqualValues(t, 1, db.Stats().Statements.Load()-before)
		require.LessOrEqual(t, atHome, int64(4)) // events, outbox, summary
	})
}

func TestAParcelThatLeavesAfterItWasWithdrawnDoesNotStopTheWayBack(t *testing.T) {
	eachHouse(t, 1, func(t *testing.T, h *house) {
		id := h.paid(t, 0)
		h.cancel(t, 0, id)
		h.tell(t, 0, withdrawn(id))
		h.words(t)
		h.tell(t, 0, dispatched(id))
		h.tell(t, 0, paidBack(id))
		h.tell(t, 0, releasedFor(id))
		require.Equal(t, []string{"ReleaseStock", "OrderCancelled"}, h.words(t))
	})
}

func TestReactionsInOneTransactionBuildOnEachOther(t *testing.T) {
	eachHouse(t, 1, func(t *testing.T, h *house) {
		m, id, other := h.replicas[0], h.place(t, 0), h.place(t, 0)
		require.NoError(t, m.needs.DB.Write(t.Context(), id, func(ctx context.Context, tx *sqldb.Tx) error {
			for _, e := range []bus.Body{reservedFor(id), reservedFor(other), capturedFor(id), createdFor(id), reservedFor(id), dispatched(id)} {
				if err := apply(ctx, tx, m.process, e); err != nil {
					return err
				}
			}
			return nil
		}))
		o, sum, _ := h.order(t, id)
		require.Equal(t, Shipped, o.Status)
		require.Equal(t, "shipped", sum.Status)
		require.EqualValues(t, 6, sum.Version)
		o, sum, _ = h.order(t, other)
		require.Equal(t, started, o.Steps[takePayment].State)
		require.EqualValues(t, 2, sum.Version)
	})
}

func TestTwoReplicasAtWorkAgreeOnEveryOrder(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	s := openShop(t, url)
	liveByFate(s)
	second := s.module(dbtest.Open(t, "orders", url))
	s.start(second)
	twin := &shop{t: t}
	twin.url, twin.client = serve(t, second)
	ids := s.placeMany(120, func(i int, id string) {
		for _, replica := range []*shop{twin, s}[:i%3] { // not, by the other, by both
			require.Contains(t, []int{http.StatusAccepted, http.StatusConflict}, replica.cancel(id).status)
		}
	})
	s.sound()
	for _, id := range ids {
		requireOnce(t, s, id)
		require.Equal(t, s.read(id), twin.read(id))
		require.NotEqual(t, "pending", s.read(id).Status)
	}
}
