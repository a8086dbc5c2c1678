package shipping

import (
	"context"

	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
	"shop/internal/shipping/shippingapi"
)

// cancel keeps a shipment in the house, unless it has left. One that nobody has asked for yet leaves a tombstone: commands may overtake each other.
func (m *Module) cancel(ctx context.Context, tx *sqldb.Tx, c shippingapi.CancelShipment) error {
	if c.Reference == "" {
		return ErrInvalidCommand
	}
	s, err := shipmentOf(ctx, tx, c.Reference)
	if err != nil {
		return err
	}
	if s.status.hasLeft() {
		return m.endpoint.Publish(ctx, tx, shippingapi.ShipmentNotCancelled{Reference: c.Reference, Status: string(s.status)})
	}
	if s.status == none {
		saveShipment(tx, newTombstone(id.New("shp"), c.Reference, m.clock.Now()))
	} else if s, changed, err := s.become(cancelled, parcel{}, m.clock.Now()); err != nil {
		return err
	} else if changed {
		saveShipment(tx, s)
	}
	return m.endpoint.Publish(ctx, tx, shippingapi.ShipmentCancelled{Reference: c.Reference})
}
