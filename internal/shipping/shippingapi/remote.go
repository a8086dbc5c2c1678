package shippingapi

import (
	"context"
	"net/url"
	"slices"
)

// Asker asks a process that hosts shipping, over its REST API; resilience.Caller does.
type Asker interface {
	// Get asks for a path, with its query, and decodes the JSON of the answer. Errors: the fault that was answered; fault Unavailable when nobody answers.
	Get(ctx context.Context, path string, into any) error
	// Each asks n questions, some at a time. The first error ends the others.
	Each(ctx context.Context, n int, ask func(ctx context.Context, i int) error) error
}

// Remote answers Queries by asking elsewhere, reference by reference, as an order's details need it; an audit reads the databases instead. Whoever asks is given only what is theirs.
type Remote struct{ asker Asker }

var _ Queries = (*Remote)(nil)

// NewRemote asks through the asker.
func NewRemote(a Asker) *Remote { return &Remote{a} }

// Shipments implements Queries. There is at most one shipment of a reference. Errors: those of the Asker.
func (r *Remote) Shipments(ctx context.Context, references []string) ([]Shipment, error) {
	references = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(references))), func(reference string) bool { return reference == "" }) // which would be all there are
	answers := make([]struct {
		Data []Shipment `json:"data"`
	}, len(references))
	err := r.asker.Each(ctx, len(references), func(ctx context.Context, i int) error {
		return r.asker.Get(ctx, "/v1/shipments?order_id="+url.QueryEscape(references[i]), &answers[i])
	})
	if err != nil {
		return nil, err
	}
	found := []Shipment{}
	for _, a := range answers {
		found = append(found, a.Data...)
	}
	return found, nil
}
