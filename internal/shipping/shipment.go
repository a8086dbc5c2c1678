package shipping

import (
	"slices"
	"time"

	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
	"shop/internal/shipping/shippingapi"
)

// status is where a shipment is on its way.
type status string

const (
	none       status = "" // there is no shipment for the reference
	created    status = "created"
	dispatched status = "dispatched"
	delivered  status = "delivered"
	returned   status = "returned"
	cancelled  status = "cancelled"
)

// transitions say which status may follow which.
var transitions = map[status][]status{
	none:       {created, cancelled},
	created:    {dispatched, cancelled},
	dispatched: {delivered, returned},
	delivered:  {returned},
}

func (s status) mayBecome(next status) bool { return slices.Contains(transitions[s], next) }

// hasLeft reports whether the parcel is, or was, out of the house.
func (s status) hasLeft() bool { return s == dispatched || s == delivered || s == returned }

// ErrIllegalTransition: the shipment cannot become what was asked for, from what it is.
var ErrIllegalTransition = fault.New(fault.Conflict, "illegal_transition", "the shipment cannot become that")

// parcel is who brings the shipment, and under which number. Empty is unknown.
type parcel struct {
	carrier        string
	trackingNumber string
}

// with fills in what is not known yet; ok is false when the other parcel is a different one.
func (p parcel) with(other parcel) (_ parcel, ok bool) {
	if p.carrier == "" {
		p.carrier = other.carrier
	}
	if p.trackingNumber == "" {
		p.trackingNumber = other.trackingNumber
	}
	ok = (other.carrier == "" || other.carrier == p.carrier) && (other.trackingNumber == "" || other.trackingNumber == p.trackingNumber)
	return p, ok
}

// shipment is one parcel. Its methods return the shipment as it is afterwards and leave the receiver alone.
type shipment struct {
	id        string
	reference string
	owner     string // the customer who may see it
	status    status
	tombstone bool       // cancelled before it was asked for: it has no lines and no address
	lines     sqldb.JSON // []shippingapi.Line; no decision looks into it, nor into address
	address   sqldb.JSON // shippingapi.Address
	parcel    parcel
	trace     string // that an operator's word goes on in; see telemetry.Rejoin
	version   int64  // of the stored row; 0 when there is none yet

	createdAt, updatedAt                               time.Time
	dispatchedAt, deliveredAt, returnedAt, cancelledAt time.Time // zero when it did not happen
}

// newShipment is what a command asks for.
func newShipment(id string, c shippingapi.CreateShipment, at time.Time) shipment {
	return shipment{
		id: id, reference: c.Reference, owner: c.Owner, status: created, lines: sqldb.Marshal(c.Lines), address: sqldb.Marshal(c.Address),
		createdAt: at, updatedAt: at,
	}
}

// newTombstone keeps a reference from ever getting a shipment.
func newTombstone(id, reference string, at time.Time) shipment {
	return shipment{
		id: id, reference: reference, status: cancelled, tombstone: true, lines: sqldb.JSON("[]"), address: sqldb.JSON("{}"),
		createdAt: at, updatedAt: at, cancelledAt: at,
	}
}

// become moves the shipment on. What it is already it stays, with changed false, unless the parcel is said to be another: so each request may
// come twice. Errors: ErrIllegalTransition.
func (s shipment) become(next status, p parcel, at time.Time) (_ shipment, changed bool, err error) {
	known, same := s.parcel.with(p)
	if s.status == next && known == s.parcel && same {
		return s, false, nil
	}
	if !same || !s.status.mayBecome(next) {
		return s, false, s.refuse(next)
	}
	if at.Before(s.updatedAt) { // another replica's clock is ahead
		at = s.updatedAt
	}
	s.status, s.parcel, s.updatedAt = next, known, at
	switch next {
	case dispatched:
		s.dispatchedAt = at
	case delivered:
		s.deliveredAt = at
	case returned:
		s.returnedAt = at
	case cancelled:
		s.cancelledAt = at
	case none, created: // no way leads back there
	}
	return s, true, nil
}

func (s shipment) refuse(next status) error {
	if s.status == next || s.status.mayBecome(next) {
		return fault.Newf(fault.Conflict, ErrIllegalTransition.Code, "the shipment is %s with another carrier or tracking number", s.status)
	}
	return fault.Newf(fault.Conflict, ErrIllegalTransition.Code, "a shipment that is %s cannot become %s", s.status, next)
}
