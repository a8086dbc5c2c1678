package ordersapi

import (
	"context"
	"net/url"

	"shop/internal/platform/fault"
)

// Asker asks a process that hosts orders, over its REST API; resilience.Caller does.
type Asker interface {
	// Get asks for a path, with its query, and decodes the JSON of the answer. Errors: the fault that was answered; fault Unavailable when nobody answers.
	Get(ctx context.Context, path string, into any) error
}

// Remote answers Queries by asking elsewhere, on behalf of whoever asks here.
type Remote struct{ asker Asker }

var _ Queries = (*Remote)(nil)

// NewRemote asks through the asker.
func NewRemote(a Asker) *Remote { return &Remote{a} }

var errNotFound = fault.New(fault.NotFound, "order_not_found", "there is no such order")

// Order implements Queries. Errors: those of the Asker; fault NotFound for an id that no order can have.
func (r *Remote) Order(ctx context.Context, id string) (Order, error) {
	var o Order
	err := r.asker.Get(ctx, "/v1/orders/"+url.PathEscape(id), &o)
	if k := fault.KindOf(err); err != nil && (k == fault.Invalid || k == fault.NotFound) {
		err = errNotFound
	}
	if err != nil {
		return Order{}, err
	}
	return o, nil
}
