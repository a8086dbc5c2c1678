package orders

import (
	"context"

	"shop/internal/platform/auth"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// requestCancel turns the process of an order round because the customer wants it, or somebody for them. One that is cancelled, or about to be, stays as it is.
// Errors: ErrNotFound, ErrNotCancellable.
func (m *Module) requestCancel(ctx context.Context, who auth.Principal, orderID, detail string) error {
	ctx, span := m.rejoin(ctx, telemetry.SpanCancel, orderID)
	defer span.End()
	return m.store.change(ctx, orderID, func(ctx context.Context, tx *sqldb.Tx, o Order) error {
		if err := mayAct(who, o.Placed.CustomerID); err != nil {
			return err
		}
		if err := o.checkCancel(); err != nil {
			return err
		}
		if !o.forward() {
			return nil
		}
		by := byCustomer
		if who.Role == auth.Operator {
			by = byOperator
		}
		return m.process.giveUp(ctx, tx, o, CustomerRequest, detail, by)
	})
}
