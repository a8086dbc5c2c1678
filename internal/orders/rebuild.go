package orders

import (
	"context"
	"slices"
)

const (
	rebuildPage = 500 // orders derived in one transaction
	fewChanged  = 500 // orders that may be left to be derived while nobody can write
	catchUps    = 5   // tries to get there before
)

// RebuildProgress is told how far a rebuild is.
type RebuildProgress interface {
	Begin(what string, total int)
	Add(n int)
	End()
}

// Rebuilt is what a rebuild did.
type Rebuilt struct {
	Orders   int `json:"orders"`    // derived from their events
	CaughtUp int `json:"caught_up"` // of which so many once more, since they changed meanwhile
}

// Rebuild makes the summaries of all orders anew from their events, beside the live ones, and then puts them in their place. The shop may run meanwhile: nobody sees a half of it, and what
// happens meanwhile is in it. A rebuild that ends too early changes nothing; the next one begins anew. There is to be one at a time. Errors: a stream that cannot be replayed; those of the
// database; ctx ended.
func (m *Module) Rebuild(ctx context.Context, told RebuildProgress) (Rebuilt, error) {
	var r Rebuilt
	total, err := m.store.countStreams(ctx)
	if err != nil {
		return r, err
	}
	if err := m.store.beginNext(ctx); err != nil {
		return r, err
	}
	if r.Orders, err = m.deriveAll(ctx, told, total); err != nil {
		return r, err
	}
	if r.CaughtUp, err = m.catchUp(ctx); err != nil {
		return r, err
	}
	last, err := m.store.swapNext(ctx)
	r.CaughtUp += last
	return r, err
}

// deriveAll derives one order after the other.
func (m *Module) deriveAll(ctx context.Context, told RebuildProgress, total int) (n int, err error) {
	told.Begin("orders", total)
	defer told.End()
	for after := ""; ; {
		ids, err := m.store.streamsAfter(ctx, after, rebuildPage)
		if err != nil || len(ids) == 0 {
			return n, err
		}
		if err := m.store.deriveNext(ctx, ids); err != nil {
			return n, err
		}
		n, after = n+len(ids), ids[len(ids)-1]
		told.Add(len(ids))
	}
}

// catchUp derives orders that changed, until only a few are left: the less there is to do while nobody can write, the better.
func (m *Module) catchUp(ctx context.Context) (n int, err error) {
	for range catchUps {
		ids, err := m.store.changedMeanwhile(ctx)
		if err != nil || len(ids) <= fewChanged {
			return n, err
		}
		for part := range slices.Chunk(ids, rebuildPage) {
			if err := m.store.deriveNext(ctx, part); err != nil {
				return n, err
			}
			n += len(part)
		}
	}
	return n, nil
}
