package orders

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// roundsWithin is how many rounds there are in the time after which an order is left behind: one a second, unless deadlines were set.
const roundsWithin = 30

// watchDeadlines does something about orders that wait too long. What waited while no process ran gets its chance first.
func (m *Module) watchDeadlines(ctx context.Context) {
	d := m.needs.Deadlines
	select {
	case <-ctx.Done():
		return
	case <-time.After(d.Grace):
	}
	rounds := sqldb.NewRounds(m.needs.DB, "orders", d.unexpected())
	tick := time.NewTicker(d.Look)
	defer tick.Stop()
	for round := (time.Time{}); ; {
		if now := clock.System.Now(); now.Sub(round) >= d.unexpected()/roundsWithin {
			if err := rounds.Go(ctx, now, m.store.openOverdue); err != nil && ctx.Err() == nil {
				m.log.Warn("orders that were left behind cannot be looked for", telemetry.Fields(ctx), zap.Error(err))
			}
			round = now
		}
		if err := m.meetDeadlines(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("deadlines cannot be read", telemetry.Fields(ctx), zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// meetDeadlines does something about those that wait too long now. What it does for an order belongs to the trace in which that was placed. Errors: those of the database.
func (m *Module) meetDeadlines(ctx context.Context) error {
	ids, err := m.store.due(ctx, m.needs.Clock.Now())
	if err != nil || len(ids) == 0 {
		return err
	}
	traces, err := m.store.traces(ctx, ids)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for _, id := range ids { // all at once, so that they share transactions
		all.Go(func() {
			ctx, span := overdueSpan(ctx, traces[id], id)
			defer span.End()
			if err := m.store.change(ctx, id, m.process.overdue); err != nil && ctx.Err() == nil {
				telemetry.Fail(span, telemetry.TypeOf(err))
				m.log.Warn("a deadline passed and nothing could be done", telemetry.FieldsOf(ctx, id), zap.Error(err))
			}
		})
	}
	all.Wait()
	return nil
}

// overdue is what happens when a step was not answered in time: before the pivot the order is cancelled, after it the step is asked for
// again, and so is a compensation. A payment without an answer is never taken for declined: it is cancelled, and payments finds out what became of it.
func (p *process) overdue(ctx context.Context, tx *sqldb.Tx, o Order) error {
	if at := p.store.deadline(o); at.IsZero() || at.After(p.store.clock.Now()) {
		return nil // answered meanwhile
	}
	if s := o.compensatingStep(); s < stepCount {
		return p.again(ctx, tx, o, s, byDeadline, "")
	}
	switch {
	case o.waitsFor(reserveStock):
		return p.giveUp(ctx, tx, o, TimedOut, "no answer about the stock in time", byDeadline)
	case o.waitsFor(takePayment):
		return p.giveUp(ctx, tx, o, TimedOut, "no answer about the payment in time", byDeadline)
	}
	return p.again(ctx, tx, o, createShipment, byDeadline, "")
}

// again sends the command of a step, or of its compensation, once more. Whoever gets it twice answers twice.
func (p *process) again(ctx context.Context, tx *sqldb.Tx, o Order, s stepName, by, note string) error {
	way := o.forward()
	o, err := p.store.append(ctx, tx, o, &stepRetried{Step: s, By: by, Note: note})
	if err != nil {
		return err
	}
	p.log.Warn("a step is asked for again", telemetry.FieldsOf(ctx, o.ID), zap.Stringer("step", s), zap.Int("attempts", o.Steps[s].Attempts), zap.String("by", by))
	if way {
		return p.createShipment(ctx, tx, o)
	}
	return p.compensate(ctx, tx, o, s)
}
