package shipping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
	"shop/internal/shipping/shippingapi"
)

// ErrNotFound: there is no shipment with that id, or it is not the caller's.
var ErrNotFound = fault.New(fault.NotFound, "shipment_not_found", "there is no such shipment")

// view is the shipment as others see it.
func (s shipment) view() (shippingapi.Shipment, error) {
	v := shippingapi.Shipment{
		ID: s.id, Reference: s.reference, Status: string(s.status), Carrier: s.parcel.carrier, TrackingNumber: s.parcel.trackingNumber,
		CreatedAt: s.createdAt, UpdatedAt: s.updatedAt, DispatchedAt: moment(s.dispatchedAt), DeliveredAt: moment(s.deliveredAt),
		ReturnedAt: moment(s.returnedAt), CancelledAt: moment(s.cancelledAt),
	}
	if err := json.Unmarshal(s.lines, &v.Lines); err != nil {
		return v, fmt.Errorf("lines of %s: %w", s.id, err)
	}
	if err := json.Unmarshal(s.address, &v.Address); err != nil {
		return v, fmt.Errorf("address of %s: %w", s.id, err)
	}
	return v, nil
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func views(rows []row) ([]shippingapi.Shipment, error) {
	all := make([]shippingapi.Shipment, len(rows))
	for i, r := range rows {
		var err error
		if all[i], err = r.shipment().view(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Shipments of the given references, one each; a reference without a shipment is left out. Errors: fault Unavailable.
func (m *Module) Shipments(ctx context.Context, references []string) ([]shippingapi.Shipment, error) {
	var rows []row
	if err := m.db.Select(ctx, &rows, `SELECT `+columns+` FROM shipments WHERE reference IN {$1} AND NOT tombstone ORDER BY id`, references); err != nil {
		return nil, err
	}
	return views(rows)
}

// shipmentFor reads one shipment for somebody. Errors: ErrNotFound, fault Unavailable.
func (m *Module) shipmentFor(ctx context.Context, p auth.Principal, shipmentID string) (shippingapi.Shipment, error) {
	var r row
	err := m.db.Get(ctx, &r, `SELECT `+columns+` FROM shipments WHERE id = $1 AND NOT tombstone`, shipmentID)
	if errors.Is(err, sqldb.ErrNoRows) {
		return shippingapi.Shipment{}, ErrNotFound
	}
	if err == nil && !p.ActsFor(r.Owner) {
		err = ErrNotFound
	}
	if err != nil {
		return shippingapi.Shipment{}, err
	}
	return r.shipment().view()
}

// originOf says what a shipment is for, and which trace led to it. Errors: ErrNotFound, fault Unavailable.
func (m *Module) originOf(ctx context.Context, shipmentID string) (reference, trace string, err error) {
	var r row
	err = m.db.Get(ctx, &r, `SELECT reference, traceparent FROM shipments WHERE id = $1 AND NOT tombstone`, shipmentID)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = ErrNotFound
	}
	return r.Reference, r.Traceparent, err
}

// filter says which shipments a list shows: those of a reference, of a status, of both, or all.
type filter struct {
	reference string
	status    string
	after     string // id of the last one seen
	limit     int
}

// listFor reads the shipments that somebody may see, oldest first, by the index that the filter has one for.
func (m *Module) listFor(ctx context.Context, p auth.Principal, f filter) ([]shippingapi.Shipment, error) {
	const all = `SELECT ` + columns + ` FROM shipments WHERE id > $1 AND NOT tombstone ORDER BY id LIMIT $2`
	const ofStatus = `SELECT ` + columns + ` FROM shipments WHERE id > $1 AND NOT tombstone AND status = $3 ORDER BY id LIMIT $2`
	const ofReference = `SELECT ` + columns + ` FROM shipments WHERE id > $1 AND NOT tombstone AND reference = $3 AND ($4 = '' OR status = $4) ORDER BY id LIMIT $2`
	query, args := all, []any{f.after, f.limit}
	if f.reference != "" {
		query, args = ofReference, append(args, f.reference, f.status)
	} else if f.status != "" {
		query, args = ofStatus, append(args, f.status)
	}
	var rows []row
	if err := m.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	return views(slices.DeleteFunc(rows, func(r row) bool { return !p.ActsFor(r.Owner) }))
}
