package customersapi

import (
	"context"
	"net/url"
	"slices"

	"shop/internal/platform/fault"
)

// Asker asks a process that hosts customers, over its REST API; resilience.Caller does.
type Asker interface {
	// Get asks for a path, with its query, and decodes the JSON of the answer. Errors: the fault that was answered; fault Unavailable when nobody answers.
	Get(ctx context.Context, path string, into any) error
	// Each asks n questions, some at a time. The first error ends the others.
	Each(ctx context.Context, n int, ask func(ctx context.Context, i int) error) error
}

// Remote answers Queries by asking elsewhere, customer by customer. Whoever asks is given only what is theirs.
type Remote struct{ asker Asker }

var _ Queries = (*Remote)(nil)

// NewRemote asks through the asker.
func NewRemote(a Asker) *Remote { return &Remote{a} }

// Customers implements Queries. Errors: those of the Asker; fault Internal for an answer about somebody else.
func (r *Remote) Customers(ctx context.Context, ids []string) ([]Customer, error) {
	ids = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(ids))), func(id string) bool { return id == "" })
	found := make([]Customer, len(ids))
	err := r.asker.Each(ctx, len(ids), func(ctx context.Context, i int) error {
		err := r.asker.Get(ctx, "/v1/customers/"+url.PathEscape(ids[i]), &found[i])
		switch fault.KindOf(err) {
		case fault.NotFound, fault.Gone, fault.Invalid: // of an id that nobody can have
			return nil
		default:
		}
		if err == nil && found[i].ID != ids[i] {
			err = fault.New(fault.Internal, "internal", "customers answered with somebody else")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(c Customer) bool { return c.ID == "" }), nil
}
