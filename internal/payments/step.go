package payments

import (
	"context"
	"time"

	"go.uber.org/zap"

	"shop/internal/payments/internal/provider"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// step is what one transaction does to a payment: its next state, and what goes with it. It is decided without the database.
type step struct {
	payment payment
	refund  *refund  // to be written with it, and sent afterwards
	void    bool     // the provider shall be asked to void it afterwards
	event   bus.Body // to be published with it; nil when the caller is not to be told yet
}

// decision makes the next step of a payment as it is at the moment. When that is the same payment there is nothing to do.
type decision func(p payment, now time.Time) step

// heard decides what the provider's answer about a charge means, or its silence.
func (m *Module) heard(ctx context.Context, c provider.Charge, callErr error) decision {
	return func(p payment, now time.Time) step {
		s := step{payment: p}
		if callErr != nil {
			s.payment.wonder(now)
			return s
		}
		if err := s.payment.learn(c); err != nil {
			m.log.Error("the provider contradicts what it said", telemetry.FieldsOf(ctx, p.reference), zap.String("payment_id", p.id), zap.String("charge_id", c.ID), zap.Error(err))
			s.payment = p
		}
		switch {
		case s.payment.open():
			s.payment.wonder(now)
		case s.payment == p: // heard before
		case p.cancelling():
			s.pursue(now, m.lease)
		default:
			s.event = s.payment.takeAnswer()
		}
		return s
	}
}

// pursue takes a payment that its caller has cancelled one step nearer to costing nothing.
func (s *step) pursue(now time.Time, lease time.Duration) {
	p := &s.payment
	switch rest := p.refundable(); {
	case p.open():
		p.nextAttempt = now.Add(lease)
		s.void = true
	case p.cancelled():
		s.event = p.cancelAnswer()
	case rest > 0:
		r := newRefund(*p, rest, p.cancelReason, byCancellation, now, lease)
		p.refunding += rest
		s.refund = &r
	}
	// otherwise all that is left is in refunds under way, and the last of them comes here again
}

// carryOut writes what goes with the payment of a step, publishes, and sends after the commit. The payment itself is saved already.
func (m *Module) carryOut(ctx context.Context, tx *sqldb.Tx, s step) error {
	if s.refund != nil {
		s.refund.trace = telemetry.ToStore(ctx)
		insertRefund(tx, *s.refund)
		tx.AfterCommit(func() { m.senders.offer(ctx, m.giveBack(*s.refund)) })
	}
	if s.void {
		tx.AfterCommit(func() { m.senders.offer(ctx, m.askToVoid(s.payment)) })
	}
	if s.event == nil {
		return nil
	}
	return m.bus.Publish(ctx, tx, s.event)
}

// record writes down what a decision makes of a payment, in a transaction shared with whatever else waits. p is the payment as the caller saw it. Usually it still is
// so, and one statement writes all such payments of the batch; when it has changed, the decision is made again on what it is now.
// Errors: sqldb.ErrUnavailable; the reconciler will then come back to it.
func (m *Module) record(ctx context.Context, p payment, decide decision) error {
	now := m.clock.Now()
	guess := decide(p, now)
	if guess.payment == p {
		return nil
	}
	guess.payment = guess.payment.touched(now)
	return m.db.Do(ctx, sqldb.Job{Key: p.reference, Kind: recording, Arg: &guess, Run: func(ctx context.Context, tx *sqldb.Tx) error {
		if _, saved := tx.Local(&guess); !saved {
			return m.decideAgain(ctx, tx, p.reference, decide, now)
		}
		s := guess
		if v := viewOf(tx, p.reference); v.payment.version != s.payment.version && v.payment.cancelling() {
			s.event = nil // a cancellation in this batch has gone on from here: its answer is the only one
		}
		return m.carryOut(ctx, tx, s)
	}})
}

func (m *Module) decideAgain(ctx context.Context, tx *sqldb.Tx, reference string, decide decision, now time.Time) error {
	p, found, err := find(ctx, tx, reference)
	if err != nil || !found {
		return err
	}
	s := decide(p, now)
	if s.payment == p {
		return nil
	}
	s.payment = save(tx, s.payment, now)
	return m.carryOut(ctx, tx, s)
}

// recording is the kind of record's jobs: it saves the payments of all steps in a batch that are still as they were seen.
var recording = &sqldb.Kind{Name: "payment outcomes", Claims: true, Assume: func(_ context.Context, tx *sqldb.Tx, args []any) error {
	for _, s := range stepsOf(args) {
		saveUnseen(tx, s.payment)
		tx.SetLocal(s, true)
	}
	return nil
}, Prepare: func(ctx context.Context, tx *sqldb.Tx, args []any) error {
	steps := stepsOf(args)
	saved, err := saveSeen(ctx, tx, steps)
	for _, paymentID := range saved {
		s := steps[paymentID]
		tx.SetLocal(s, true)
		tx.SetLocal(viewKey(s.payment.reference), viewAsStored(s.payment))
	}
	return err
}}

// stepsOf are the steps by the id of their payment. Of two that know the same payment the second has to look again.
func stepsOf(args []any) map[string]*step {
	steps := make(map[string]*step, len(args))
	for _, a := range args {
		if s := a.(*step); steps[s.payment.id] == nil {
			steps[s.payment.id] = s
		}
	}
	return steps
}
