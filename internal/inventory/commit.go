package inventory

import (
	"context"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/sqldb"
)

// commit makes a held reservation one that does not expire. After the expiry it takes the stock again; when that is gone, or the reservation
// was given back, or never made, it is lost.
func (m *Module) commit(ctx context.Context, tx *sqldb.Tx, c inventoryapi.CommitReservation) error {
	r, err := reservationOf(ctx, tx, c.Reference)
	if err != nil {
		return err
	}
	now := m.clock.Now()
	switch r.status {
	case committed, shipped:
		return nil
	case held:
	case expired:
		short, err := shortagesOf(ctx, tx, r.lines)
		if err != nil {
			return err
		}
		if len(short) > 0 {
			return m.endpoint.Publish(ctx, tx, inventoryapi.ReservationLost{Reference: c.Reference, Shortages: short})
		}
		take(tx, r.lines, now)
	default:
		return m.endpoint.Publish(ctx, tx, inventoryapi.ReservationLost{Reference: c.Reference, Shortages: []inventoryapi.Shortage{}})
	}
	if r, err = r.become(committed, now); err != nil {
		return err
	}
	saveReservation(tx, r)
	return nil
}
