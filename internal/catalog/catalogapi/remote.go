package catalogapi

import (
	"context"
	"net/url"
	"slices"
	"strconv"
)

// Asker asks a process that hosts catalog, over its REST API; resilience.Caller does.
type Asker interface {
	// Get asks for a path, with its query, and decodes the JSON of the answer. Errors: the fault that was answered; fault Unavailable when nobody answers.
	Get(ctx context.Context, path string, into any) error
	// Each asks n questions, some at a time. The first error ends the others.
	Each(ctx context.Context, n int, ask func(ctx context.Context, i int) error) error
}

// Remote answers Prices by asking elsewhere. Products are public, inactive ones too, so it gives what catalog itself would, whoever asks.
type Remote struct{ asker Asker }

var _ Prices = (*Remote)(nil)

// NewRemote asks through the asker.
func NewRemote(a Asker) *Remote { return &Remote{a} }

// remoteChunk is how many SKUs GET /v1/products takes at a time.
const remoteChunk = 100

// Prices implements Prices. Errors: those of the Asker.
func (r *Remote) Prices(ctx context.Context, skus []string) (map[string]Price, error) {
	skus = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(skus))), func(sku string) bool { return sku == "" }) // which would count as none
	chunks := slices.Collect(slices.Chunk(skus, remoteChunk))
	answers := make([]struct {
		Data []Price `json:"data"`
	}, len(chunks))
	err := r.asker.Each(ctx, len(chunks), func(ctx context.Context, i int) error {
		query := url.Values{"sku": chunks[i], "limit": {strconv.Itoa(remoteChunk)}}
		return r.asker.Get(ctx, "/v1/products?"+query.Encode(), &answers[i])
	})
	if err != nil {
		return nil, err
	}
	found := make(map[string]Price, len(skus))
	for _, a := range answers {
		for _, p := range a.Data {
			found[p.SKU] = p
		}
	}
	return found, nil
}
