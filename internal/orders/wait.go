package orders

import (
	"context"
	"sync"
	"time"

	"shop/internal/platform/web"
)

// watchers are the requests that wait for the outcome of an order.
type watchers struct {
	mu   sync.Mutex
	byID map[string][]chan Order
}

func newWatchers() *watchers { return &watchers{byID: map[string][]chan Order{}} }

// watch returns a channel that gets the order once its outcome is known, and what ends the watching.
func (w *watchers) watch(id string) (<-chan Order, func()) {
	c := make(chan Order, 1)
	w.mu.Lock()
	w.byID[id] = append(w.byID[id], c)
	w.mu.Unlock()
	return c, func() { w.leave(id, c) }
}

func (w *watchers) leave(id string, c chan Order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.byID[id]
	for i := range list {
		if list[i] == c {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(w.byID, id)
	} else {
		w.byID[id] = list
	}
}

// changed tells those who wait for it that an order has its outcome.
func (w *watchers) changed(o *Order) {
	if o.Status == Pending {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.byID[o.ID] {
		select {
		case c <- *o:
		default: // it has one already
		}
	}
}

// How often a waiting request looks for itself. The process that leads carries the orders on and hears of each outcome; looking is for one whose leadership goes
// while it waits. Elsewhere nobody tells.
const (
	lookElsewhere = 50 * time.Millisecond
	lookLeading   = time.Second
)

// await waits until the order is no longer pending, at most until ctx ends, and returns what it then is. outcome comes from watch, begun before the order was placed.
func (m *Module) await(ctx context.Context, id string, outcome <-chan Order) (summary, error) {
	web.OnlyWaits(ctx)
	interval := lookElsewhere
	if m.ep.Leading() {
		interval = lookLeading
	}
	look := time.NewTicker(interval)
	defer look.Stop()
	for {
		select {
		case o := <-outcome:
			return wholeSummaryOf(o), nil
		case <-ctx.Done():
			return m.store.find(context.WithoutCancel(ctx), id)
		case <-look.C:
			if sum, err := m.store.find(ctx, id); err == nil && sum.Status != string(Pending) {
				return sum, nil
			}
		}
	}
}
