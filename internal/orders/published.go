package orders

import (
	"context"
	"encoding/json"
	"fmt"

	"shop/internal/orders/ordersapi"
	"shop/internal/platform/auth"
)

var _ ordersapi.Queries = (*Module)(nil)

// Order answers ordersapi.Queries. Errors: ErrNotFound, sqldb.ErrUnavailable.
func (m *Module) Order(ctx context.Context, id string) (ordersapi.Order, error) {
	sum, err := m.store.find(ctx, id)
	if err == nil {
		err = mayAct(auth.From(ctx), sum.CustomerID)
	}
	if err != nil {
		return ordersapi.Order{}, err
	}
	var o ordersapi.Order
	if err := json.Unmarshal(sum.document(), &o); err != nil { // what others see is one thing, and document is the place where it is made
		return ordersapi.Order{}, fmt.Errorf("order %s as others see it: %w", id, err)
	}
	return o, nil
}
