package inventory

import (
	"context"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/sqldb"
)

// ship books the goods of a committed reservation out of the house. Errors: ErrIllegalTransition for one that is not committed: goods that nobody sold
// have left, and an operator has to look.
func (m *Module) ship(ctx context.Context, tx *sqldb.Tx, c inventoryapi.ShipStock) error {
	r, err := reservationOf(ctx, tx, c.Reference)
	if err != nil || r.status == shipped {
		return err
	}
	now := m.clock.Now()
	if r, err = r.become(shipped, now); err != nil {
		return err
	}
	saveReservation(tx, r)
	for _, l := range r.lines {
		saveStock(tx, stockOf(tx, l.SKU).plus(-l.Quantity, -l.Quantity), now)
		recordMovement(tx, newMovement(l.SKU, -l.Quantity, reasonShipped, r.reference, now))
	}
	return nil
}
