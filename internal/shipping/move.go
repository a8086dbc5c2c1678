package shipping

import (
	"context"

	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/shipping/shippingapi"
)

// move carries a shipment to its next status, for an operator, and tells everybody. A repetition changes nothing and tells nobody. What follows belongs to the shipment's trace, and
// so to its order's; the operator's request has a link to it.
// Errors: ErrNotFound, ErrIllegalTransition, fault Unavailable.
func (m *Module) move(ctx context.Context, shipmentID string, next status, p parcel) (shippingapi.Shipment, error) {
	reference, trace, err := m.originOf(ctx, shipmentID) // it never changes, and puts the job in line with the commands about it
	if err != nil {
		return shippingapi.Shipment{}, err
	}
	telemetry.NoteKey(ctx, reference)
	ctx, span := telemetry.Rejoin(ctx, trace, telemetry.SpanMove, telemetry.KeyAttribute(reference), telemetry.ShipmentStatus.String(string(next)))
	defer span.End()
	var moved shipment
	err = m.db.Write(ctx, reference, func(ctx context.Context, tx *sqldb.Tx) error {
		s, err := m.moveIn(ctx, tx, reference, next, p)
		moved = s
		return err
	})
	if err != nil {
		telemetry.Fail(span, telemetry.TypeOf(err))
		return shippingapi.Shipment{}, err
	}
	return moved.view()
}

func (m *Module) moveIn(ctx context.Context, tx *sqldb.Tx, reference string, next status, p parcel) (shipment, error) {
	s, err := shipmentOf(ctx, tx, reference)
	if err != nil {
		return s, err
	}
	s, changed, err := s.become(next, p, m.clock.Now())
	if err != nil || !changed {
		return s, err
	}
	saveShipment(tx, s)
	return s, m.endpoint.Publish(ctx, tx, s.event())
}

// event tells what has just become of the shipment on an operator's word.
func (s shipment) event() bus.Body {
	switch s.status {
	case dispatched:
		return shippingapi.ShipmentDispatched{
			Reference: s.reference, ShipmentID: s.id, Carrier: s.parcel.carrier, TrackingNumber: s.parcel.trackingNumber,
		}
	case delivered:
		return shippingapi.ShipmentDelivered{Reference: s.reference, ShipmentID: s.id}
	case returned:
		return shippingapi.ShipmentReturned{Reference: s.reference, ShipmentID: s.id}
	default:
		panic("shipping: no operator makes a shipment " + string(s.status))
	}
}
