package sqldb

import (
	"context"
	"sync"
	"time"
)

// Loader lets reads that come at the same time share a statement: what group commit is for writes. A read is answered by a statement that begins
// after the read was asked for, so whoever reads what he has just written finds it. Alone, it waits for nobody.
type Loader[K comparable, V any] struct {
	load func(ctx context.Context, keys []K) (map[K]V, error)

	mu      sync.Mutex
	running int
	next    *round[K, V]
}

// Of one loader so many statements run at a time, for so many keys each at most; longer than loadPatience none does.
const (
	loadsAtOnce  = 2
	loadKeys     = 128
	loadPatience = 5 * time.Second
)

// round is the reads that share a statement.
type round[K comparable, V any] struct {
	ctx   context.Context // of the first who asked; only its values are used
	keys  map[K]struct{}
	ready chan struct{}
	found map[K]V
	err   error
}

// NewLoader makes a loader of what reads the values of keys; a key that is not in the answer has none.
func NewLoader[K comparable, V any](load func(ctx context.Context, keys []K) (map[K]V, error)) *Loader[K, V] {
	return &Loader[K, V]{load: load}
}

// Get reads the value of a key. The value is shared with others and must not be changed. Errors: those of load, and ErrUnavailable when ctx ends first.
func (l *Loader[K, V]) Get(ctx context.Context, key K) (v V, found bool, err error) {
	l.mu.Lock()
	r := l.next
	if r == nil || len(r.keys) >= loadKeys {
		r = &round[K, V]{ctx: ctx, keys: map[K]struct{}{}, ready: make(chan struct{})}
		if l.next != nil { // full: whoever comes too late for it does not wait for the next
			l.running++
			r.keys[key] = struct{}{}
			l.mu.Unlock()
			l.run(r)
			return r.value(key)
		}
		l.next = r
	}
	r.keys[key] = struct{}{}
	if l.running < loadsAtOnce {
		l.running++
		l.next = nil
		l.mu.Unlock()
		l.run(r)
		return r.value(key)
	}
	l.mu.Unlock()
	select {
	case <-r.ready:
		return r.value(key)
	case <-ctx.Done():
		return v, false, &dbError{ErrUnavailable, ctx.Err()}
	}
}

// run reads a round, and starts the one that gathered meanwhile.
func (l *Loader[K, V]) run(r *round[K, V]) {
	keys := make([]K, 0, len(r.keys))
	for k := range r.keys {
		keys = append(keys, k)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), loadPatience)
	r.found, r.err = l.load(ctx, keys)
	cancel()
	close(r.ready)
	l.mu.Lock()
	following := l.next
	if l.next = nil; following == nil {
		l.running--
	}
	l.mu.Unlock()
	if following != nil {
		go l.run(following)
	}
}

func (r *round[K, V]) value(key K) (v V, found bool, err error) {
	v, found = r.found[key]
	return v, found, r.err
}
