package shipping

import (
	"context"

	"shop/internal/platform/fault"
	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/shipping/shippingapi"
)

// ErrInvalidCommand: a command that no caller may send; it becomes a dead letter.
var ErrInvalidCommand = fault.New(fault.Invalid, "invalid_command", "a shipment has a reference and at least one line of at least one unit")

// create makes the shipment of a reference, once. The one that is there already is answered again, whatever the command says now.
func (m *Module) create(ctx context.Context, tx *sqldb.Tx, c shippingapi.CreateShipment) error {
	if err := check(c); err != nil {
		return err
	}
	s, err := shipmentOf(ctx, tx, c.Reference)
	if err != nil {
		return err
	}
	if s.status == cancelled { // the caller has its ShipmentCancelled, or will
		return nil
	}
	if s.status == none {
		s = newShipment(id.New("shp"), c, m.clock.Now())
		s.trace = telemetry.ToStore(ctx)
		saveShipment(tx, s)
	}
	return m.endpoint.Publish(ctx, tx, shippingapi.ShipmentCreated{Reference: s.reference, ShipmentID: s.id})
}

func check(c shippingapi.CreateShipment) error {
	if c.Reference == "" || len(c.Lines) == 0 {
		return ErrInvalidCommand
	}
	for _, l := range c.Lines {
		if l.SKU == "" || l.Quantity < 1 {
			return ErrInvalidCommand
		}
	}
	return nil
}
