package orders

import (
	"context"

	"go.uber.org/zap"

	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// ErrNotStuck: nothing about the order waits for an operator.
var ErrNotStuck = fault.New(fault.Conflict, "saga_not_stuck", "the process does not wait for an operator")

// The ways in which an operator may end a compensation that cannot succeed. Each leaves an event with its note.
const (
	actRetry = "retry" // ask for it once more
	actSkip  = "skip"  // it was done by hand: go on with the step before
	actForce = "force" // wait for nothing that is left to be taken back: the order is cancelled now
)

// intervene does what an operator decided about a stuck compensation. Errors: ErrNotFound, ErrNotStuck.
func (m *Module) intervene(ctx context.Context, orderID, action, note string) error {
	ctx, span := m.rejoin(ctx, telemetry.SpanIntervene, orderID)
	defer span.End()
	return m.store.change(ctx, orderID, func(ctx context.Context, tx *sqldb.Tx, o Order) error {
		s := o.compensatingStep()
		if s == stepCount || (action != actRetry && o.Steps[s].State != compensationFailed) {
			return ErrNotStuck
		}
		m.log.Info("operator intervenes", telemetry.FieldsOf(ctx, o.ID), zap.Stringer("step", s), zap.String("action", action))
		if action == actRetry {
			return m.process.again(ctx, tx, o, s, byOperator, note)
		}
		o, err := m.store.append(ctx, tx, o, &compensationCompleted{Step: s, By: byOperator, Note: note})
		if err != nil {
			return err
		}
		if action == actSkip {
			return m.process.compensateNext(ctx, tx, o)
		}
		return m.process.force(ctx, tx, o, note)
	})
}

// force asks for all that is left to be taken back, takes it for done and cancels the order.
func (p *process) force(ctx context.Context, tx *sqldb.Tx, o Order, note string) error {
	for s := o.nextToCompensate(); s < stepCount; s = o.nextToCompensate() {
		var err error
		if o, err = p.store.append(ctx, tx, o, &compensationStarted{Step: s}, &compensationCompleted{Step: s, By: byOperator, Note: note}); err != nil {
			return err
		}
		if err := p.compensate(ctx, tx, o, s); err != nil {
			return err
		}
	}
	return p.cancel(ctx, tx, o, Failed, note)
}
