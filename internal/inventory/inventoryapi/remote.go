package inventoryapi

import (
	"context"
	"net/url"
	"slices"
	"strconv"

	"shop/internal/platform/fault"
)

// Asker asks a process that hosts inventory, over its REST API; resilience.Caller does.
type Asker interface {
	// Get asks for a path, with its query, and decodes the JSON of the answer. Errors: the fault that was answered; fault Unavailable when nobody answers.
	Get(ctx context.Context, path string, into any) error
	// Each asks n questions, some at a time. The first error ends the others.
	Each(ctx context.Context, n int, ask func(ctx context.Context, i int) error) error
}

// Remote answers Queries by asking elsewhere.
type Remote struct{ asker Asker }

var _ Queries = (*Remote)(nil)

// NewRemote asks through the asker.
func NewRemote(a Asker) *Remote { return &Remote{a} }

// remoteChunk is how many SKUs GET /v1/inventory takes at a time.
const remoteChunk = 100

// Levels implements Queries. What is on hand and reserved is 0 where it is not shown to whoever asks: to all but operators and services. Errors: those of the Asker.
func (r *Remote) Levels(ctx context.Context, skus []string) ([]Level, error) {
	skus = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(skus))), func(sku string) bool { return sku == "" }) // which would count as none
	chunks := slices.Collect(slices.Chunk(skus, remoteChunk))
	answers := make([]struct {
		Data []Level `json:"data"`
	}, len(chunks))
	err := r.asker.Each(ctx, len(chunks), func(ctx context.Context, i int) error {
		query := url.Values{"sku": chunks[i], "limit": {strconv.Itoa(remoteChunk)}}
		return r.asker.Get(ctx, "/v1/inventory?"+query.Encode(), &answers[i])
	})
	if err != nil {
		return nil, err
	}
	levels := []Level{}
	for _, a := range answers {
		levels = append(levels, a.Data...)
	}
	return levels, nil
}

// ErrNotRemote: reservations are for the audit, which compares them with all orders. It reads the databases; over the network it would ask for hours.
var ErrNotRemote = fault.New(fault.Unavailable, "reservations_not_remote", "reservations can be asked for only where inventory is hosted")

// Reservations implements Queries. Errors: ErrNotRemote.
func (r *Remote) Reservations(context.Context, []string) ([]Reservation, error) {
	return nil, ErrNotRemote
}
