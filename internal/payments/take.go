package payments

import (
	"context"
	"time"

	"go.uber.org/zap"

	"shop/internal/payments/internal/provider"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/failpoint"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// take records the intent to charge, for a sender to carry out after the commit. For a reference that has a payment already it repeats the answer, if there is one yet.
func (m *Module) take(ctx context.Context, tx *sqldb.Tx, c paymentsapi.TakePayment) error {
	p, found, err := find(ctx, tx, c.Reference)
	if err != nil {
		return err
	}
	now := m.clock.Now()
	switch {
	case !found:
		p = newPayment(c, now, m.lease)
		p.trace = telemetry.ToStore(ctx)
		insert(tx, p)
	case p.isTombstone():
		if p = p.describedBy(c).touched(now); p.isTombstone() {
			break // the command names no method either
		}
		if err := describeTombstone(ctx, tx, p); err != nil {
			return err
		}
	}
	if p.status == sending && !found {
		tx.AfterCommit(func() { m.senders.offer(ctx, m.askToCharge(p)) })
		return nil
	}
	if answer := p.takeAnswer(); answer != nil {
		return m.bus.Publish(ctx, tx, answer)
	}
	return nil
}

// askToCharge is the task that sends a new payment to the provider.
func (m *Module) askToCharge(p payment) task { return m.ask(p, m.charge) }

// askToVoid is the task that asks the provider to give a payment up.
func (m *Module) askToVoid(p payment) task { return m.ask(p, m.void) }

// ask puts a question about a payment to the provider and records the answer, unless its lease is so old that the reconciler may have it.
func (m *Module) ask(p payment, question func(ctx context.Context, p payment) (provider.Charge, error)) task {
	return func(ctx context.Context) {
		if !m.inTime(p.nextAttempt) {
			return
		}
		answer, callErr := question(ctx, p)
		m.unanswered(ctx, p, callErr)
		if err := m.record(ctx, p, m.heard(ctx, answer, callErr)); err != nil {
			m.log.Warn("payment not settled yet", telemetry.FieldsOf(ctx, p.reference), zap.String("payment_id", p.id), zap.Error(err))
		}
	}
}

// unanswered notes that the provider has not said what became of a payment. A shop that stops has not waited for the answer.
func (m *Module) unanswered(ctx context.Context, p payment, callErr error) {
	if callErr != nil && ctx.Err() == nil {
		m.log.Warn("the provider did not answer", telemetry.FieldsOf(ctx, p.reference), zap.String("payment_id", p.id), zap.Int64("attempts", p.attempts), zap.Error(callErr))
	}
}

// inTime reports whether a call that begins now ends before the lease does.
func (m *Module) inTime(lease time.Time) bool { return !m.clock.Now().Add(m.deadline).After(lease) }

func (m *Module) charge(ctx context.Context, p payment) (provider.Charge, error) {
	ctx, cancel := context.WithTimeout(ctx, m.deadline)
	defer cancel()
	ctx, span := m.asking(ctx, telemetry.SpanCharge, p.reference)
	failpoint.Hit("before_charge")
	c, err := m.provider.Charge(ctx, provider.ChargeRequest{Key: p.id, Reference: p.reference, Method: p.method, Amount: p.amount})
	failpoint.Hit("after_charge")
	answered(span, string(c.Status), err)
	return c, err
}

func (m *Module) lookup(ctx context.Context, p payment) (provider.Charge, error) {
	ctx, cancel := context.WithTimeout(ctx, m.deadline)
	defer cancel()
	ctx, span := m.asking(ctx, telemetry.SpanLookup, p.reference)
	c, err := m.provider.Lookup(ctx, p.id)
	answered(span, string(c.Status), err)
	return c, err
}

func (m *Module) void(ctx context.Context, p payment) (provider.Charge, error) {
	ctx, cancel := context.WithTimeout(ctx, m.deadline)
	defer cancel()
	ctx, span := m.asking(ctx, telemetry.SpanVoid, p.reference)
	c, err := m.provider.Void(ctx, p.id)
	answered(span, string(c.Status), err)
	return c, err
}
