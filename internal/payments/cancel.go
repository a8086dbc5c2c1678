package payments

import (
	"context"

	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/sqldb"
)

// cancel makes sure that the customer pays nothing, whatever became of the payment, or will. What cannot be answered at once is pursued by whoever
// records the next outcome.
func (m *Module) cancel(ctx context.Context, tx *sqldb.Tx, c paymentsapi.CancelPayment) error {
	now := m.clock.Now()
	p, found, err := find(ctx, tx, c.Reference)
	if err != nil {
		return err
	}
	if !found {
		p = tombstone(c, now)
		insert(tx, p)
		return m.bus.Publish(ctx, tx, p.cancelAnswer())
	}
	s := step{payment: p}
	s.payment.cancel(c.Reason, now)
	s.pursue(now, m.lease)
	if s.payment != p {
		s.payment = save(tx, s.payment, now)
	}
	return m.carryOut(ctx, tx, s)
}
