package orders

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

func (s *shop) diagnose(id string) Diagnosis {
	s.t.Helper()
	d, err := Diagnose(s.t.Context(), s.db, id)
	require.NoError(s.t, err)
	require.Equal(s.t, id, d.OrderID)
	return d
}

func TestADiagnosisTellsWhatAnOpenOrderWaitsForAndWhatLedThere(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		first, err := price(t.Context(), s.catalog, basket().wish())
		require.NoError(t, err)
		orderID, ctx := newID(t.Context()), telemetry.WithTraceparent(t.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		require.NoError(t, s.db.Write(ctx, orderID, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := s.m.process.place(ctx, tx, orderID, first)
			return err
		}))
		deadline := noon.Add(2 * time.Minute)
		require.Equal(t, Diagnosis{
			OrderID: orderID, Status: Pending, Saga: "running", Waits: &Wait{Step: "reserve_stock", On: "inventory", Since: noon, Attempts: 1, Deadline: &deadline},
			Events: []TracedEvent{{Version: 1, Type: "order.placed", At: noon, TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"}},
		}, s.diagnose(orderID))
		_, err = Diagnose(t.Context(), s.db, id.New("ord"))
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestAnOrderWhoseProcessIsDoneWaitsForItsGoodsToLeaveAndThenToArrive(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		orderID := slowOrder(s)
		d := s.diagnose(orderID)
		require.Equal(t, &Wait{Step: "delivery", On: "carrier", Since: noon.Add(4 * time.Minute), ShipmentID: "shp_" + orderID}, d.Waits)
		require.Len(t, d.Events, 6)
		require.Empty(t, d.Events[0].Cause)
		require.NotEmpty(t, d.Events[5].Cause)

		dispatched := Order{Status: Confirmed, ShipmentID: "shp_1"}
		dispatched.Steps[createShipment] = Step{State: completed, FinishedAt: noon}
		require.Equal(t, &Wait{Step: "dispatch", On: "operator", Since: noon, ShipmentID: "shp_1"}, dispatched.wait())
	})
}

func TestAnOrderThatIsTakenBackWaitsForTheStepThatIsNotYet(t *testing.T) {
	o := Order{Status: Pending, Cancelling: CustomerRequest, UpdatedAt: noon}
	o.Steps[takePayment] = Step{State: compensating, Attempts: 3}
	require.Equal(t, &Wait{Step: "take_payment", Compensation: true, On: "payments", Since: noon, Attempts: 3}, o.wait())
	o.Steps[takePayment] = Step{State: compensationFailed, Attempts: 3, Error: "refused"}
	require.Equal(t, &Wait{Step: "take_payment", Compensation: true, On: "operator", Since: noon, Attempts: 3, Error: "refused"}, o.wait())
	o.Status = Cancelled
	require.Nil(t, o.wait())
}
