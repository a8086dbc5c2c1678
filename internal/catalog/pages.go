package catalog

import (
	"context"
	"sync"

	"shop/internal/platform/web"
)

// The list of products is read far more often than it changes. A page is read and encoded once for each change of the catalog; after that a reader costs the look at the
// counter of changes, shared with whoever reads at the same time. That look begins after the request came, so nobody gets a page that is older than what he
// has seen, in whichever replica.

// pageKey names a page of the list.
type pageKey struct {
	after string
	limit int
}

// pagesBytes bounds the memory of the pages.
const pagesBytes = 8 << 20

// pages are those that were read since a change, encoded.
type pages struct {
	mu     sync.Mutex
	change int64 // all were read when at least this change was visible, and are worthless when a later one is
	known  map[pageKey]web.Page[productBody]
	bytes  int
}

func (c *pages) get(change int64, k pageKey) (web.Page[productBody], bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.change != change {
		return web.Page[productBody]{}, false
	}
	p, ok := c.known[k]
	return p, ok
}

// keep remembers a page that was read after the change had become visible.
func (c *pages) keep(change int64, k pageKey, p web.Page[productBody]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if change < c.change {
		return
	}
	if change > c.change || c.known == nil || c.bytes+p.Size() > pagesBytes {
		c.change, c.known, c.bytes = change, map[pageKey]web.Page[productBody]{}, 0
	}
	if _, known := c.known[k]; !known && p.Size() <= pagesBytes {
		c.bytes += p.Size()
		p.Data = nil // its JSON says it all
		c.known[k] = p
	}
}

// readPages reads pages, and encodes each once for all who wait for it. Errors: fault Unavailable.
func (m *Module) readPages(ctx context.Context, keys []pageKey) (map[pageKey]web.Page[productBody], error) {
	change, err := priceRows{m.db}.lastChange(ctx)
	if err != nil {
		return nil, err
	}
	found := make(map[pageKey]web.Page[productBody], len(keys))
	for _, k := range keys {
		if p, known := m.known.get(change, k); known {
			found[k] = p
			continue
		}
		rows, err := m.list(ctx, k.after, k.limit+1)
		if err != nil {
			return nil, err
		}
		p, err := pageOf(rows, k.limit).Encoded()
		if err != nil {
			return nil, err
		}
		m.known.keep(change, k, p)
		found[k] = p
	}
	return found, nil
}
