package inventory

import (
	"context"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/sqldb"
)

// release gives the stock of a reservation back. One that comes before the reservation is made leaves a released one behind, so that
// it is refused when it comes.
func (m *Module) release(ctx context.Context, tx *sqldb.Tx, c inventoryapi.ReleaseStock) error {
	r, err := reservationOf(ctx, tx, c.Reference)
	if err != nil {
		return err
	}
	if r.status != released && r.status != refused && r.status != shipped { // these hold nothing any more
		now := m.clock.Now()
		if r.holds() {
			giveBack(tx, r.lines, now)
		}
		if r, err = r.become(released, now); err != nil {
			return err
		}
		saveReservation(tx, r)
	}
	return m.endpoint.Publish(ctx, tx, inventoryapi.StockReleased{Reference: c.Reference})
}
