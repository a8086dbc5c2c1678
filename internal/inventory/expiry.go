package inventory

import (
	"context"
	"time"

	"go.uber.org/zap"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// extend holds the stock for that long from now. Without effect on a reservation that is not held. Errors: ErrInvalidHold.
func (m *Module) extend(ctx context.Context, tx *sqldb.Tx, c inventoryapi.ExtendReservation) error {
	hold, err := m.holdFor(c.HoldSeconds)
	if err != nil {
		return err
	}
	r, err := reservationOf(ctx, tx, c.Reference)
	if err != nil || r.status != held {
		return err
	}
	now := m.clock.Now()
	saveReservation(tx, r.until(now.Add(hold), now))
	return nil
}

// lapse takes the next step with a reservation whose time is up: it asks its owner, and, when the grace has passed without an answer,
// gives the stock back. Without effect when it was extended, committed or released meanwhile.
func (m *Module) lapse(ctx context.Context, tx *sqldb.Tx, reference string) error {
	r, err := reservationOf(ctx, tx, reference)
	if err != nil {
		return err
	}
	now := m.clock.Now()
	switch {
	case r.status != held, now.Before(r.expiresAt):
		return nil
	case r.askedAt.IsZero():
		r.askedAt, r.updatedAt = now, now
		saveReservation(tx, r)
		return m.endpoint.Publish(ctx, tx, inventoryapi.ReservationExpiring{Reference: reference})
	case now.Before(r.askedAt.Add(m.grace)):
		return nil
	}
	giveBack(tx, r.lines, now)
	if r, err = r.become(expired, now); err != nil {
		return err
	}
	saveReservation(tx, r)
	return m.endpoint.Publish(ctx, tx, inventoryapi.ReservationExpired{Reference: reference})
}

// sweepLoop runs in the replica that leads, until ctx ends.
func (m *Module) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(m.sweepEvery)
	defer tick.Stop()
	for {
		if err := m.sweep(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("reservations whose time is up were not all looked at; the next sweep does", telemetry.Fields(ctx), zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweepPage is how many reservations a sweep takes at once.
const sweepPage = 500

// sweep lets every reservation lapse whose time is up. Errors: that of the first that could not.
func (m *Module) sweep(ctx context.Context) error {
	if err := m.rounds.Go(ctx, m.clock.Now(), m.markOverdue); err != nil {
		return err
	}
	for {
		due, err := m.due(ctx, m.clock.Now(), sweepPage)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := m.lapseAll(ctx, due); err != nil || len(due) < sweepPage {
			return err
		}
	}
}

// lapseAll submits a job a reservation: it runs in the order of the commands of its reference, and shares commits with them.
func (m *Module) lapseAll(ctx context.Context, due []lapsed) error {
	results, submitted := make(chan error, len(due)), 0
	var first error
	for _, l := range due {
		reference := l.Reference
		ctx, span := telemetry.Rejoin(ctx, l.Traceparent, telemetry.SpanLapse, telemetry.KeyAttribute(reference))
		job := sqldb.Job{Key: reference, Kind: m.lapsing, Arg: reference, Run: func(ctx context.Context, tx *sqldb.Tx) error {
			return m.lapse(ctx, tx, reference)
		}}
		done := func(err error) {
			if err != nil {
				telemetry.Fail(span, telemetry.TypeOf(err))
			}
			span.End()
			results <- err
		}
		if first = m.db.Submit(ctx, job, done); first != nil {
			span.End()
			break
		}
		submitted++
	}
	for range submitted {
		if err := <-results; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// prepareLapses loads the reservations of all such jobs in a batch.
func prepareLapses(ctx context.Context, tx *sqldb.Tx, args []any) error {
	references := make([]string, len(args))
	for i, a := range args {
		references[i] = a.(string)
	}
	return loadReservations(ctx, tx, references)
}
