package orders

import (
	"context"

	"shop/internal/platform/sqldb"
)

// requestCancel turns the process of an order round because the customer wants it. One that is cancelled, or about to be, stays as it is.
// Errors: ErrNotFound, ErrNotCancellable.
func (m *Module) requestCancel(ctx context.Context, orderID, detail string) error {
	return m.store.change(ctx, orderID, func(ctx context.Context, tx *sqldb.Tx, o Order) error {
		if err := o.checkCancel(); err != nil {
			return err
		}
		if !o.forward() {
			return nil
		}
		return m.process.giveUp(ctx, tx, o, CustomerRequest, detail, byCustomer)
	})
}
