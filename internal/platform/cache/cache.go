package cache

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// Config of a cache. A zero takes its default.
type Config struct {
	Name     string        // in keys and metrics; a change of what the values mean is a new name
	TTL      time.Duration // longest that a value is used after it was fetched (1 min); it is shortened at random by up to a fifth, so that values fetched together do not end together
	Negative time.Duration // the same for the answer that there is nothing; 0: that is not kept
	Local    time.Duration // with Redis, longest that a value is used without asking Redis (1 s); negative: it is always asked
	Size     int           // values in this process at most (10,000); beyond it those that are asked for least go
	Fetch    time.Duration // longest that a fetch may take (10 s)
}

// Cache keeps values by key. They are shared by all who ask: do not change them. With Redis they travel as JSON.
type Cache[V any] struct {
	cfg     Config
	local   *otter.Cache[string, entry[V]]
	remote  *remote // nil without Redis
	flights singleflight.Group
	count   counters

	guards     [64]guard
	generation atomic.Uint64 // counts InvalidateAll
}

// entry is a value in this process.
type entry[V any] struct {
	value V
	found bool
	ttl   time.Duration
}

// guard keeps what was fetched before an invalidation from being kept after it, for some of the keys.
type guard struct {
	mu    sync.Mutex
	epoch uint64 // counts invalidations
}

// New makes a cache of a store.
func New[V any](s *Store, cfg Config) *Cache[V] {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&cfg.TTL, time.Minute}, {&cfg.Local, time.Second}, {&cfg.Fetch, 10 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if cfg.Size == 0 {
		cfg.Size = 10_000
	}
	c := &Cache[V]{
		cfg:   cfg,
		count: s.metrics.of(cfg.Name),
		local: otter.Must(&otter.Options[string, entry[V]]{
			MaximumSize:      cfg.Size,
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, entry[V]]) time.Duration { return e.Value.ttl }),
		}),
	}
	if s.shared != nil {
		c.remote = newRemote(s.shared, cfg, c.count.redisFailed, s.log)
	}
	s.add(c)
	return c
}

// Get gives the value of a key: the one that is kept, or the one that fetch finds. fetch says with false that there is none. It may run after the caller has left, with a
// context that keeps the caller's values and has a deadline of its own. Errors: those of fetch; what ended ctx;
// with Redis, a value that has no JSON.
func (c *Cache[V]) Get(ctx context.Context, key string, fetch func(context.Context) (V, bool, error)) (V, bool, error) {
	if e, ok := c.local.GetIfPresent(key); ok {
		c.count.local.Inc()
		return e.value, e.found, nil
	}
	flight := strconv.FormatUint(c.generation.Load(), 10) + " " + key
	done := c.flights.DoChan(flight, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Fetch)
		defer cancel()
		return c.load(ctx, key, fetch)
	})
	select {
	case r := <-done:
		e, _ := r.Val.(entry[V])
		return e.value, e.found, r.Err
	case <-ctx.Done():
		var none V
		return none, false, ctx.Err()
	}
}

// load asks Redis, then fetch, and keeps what it gets where that is not too late.
func (c *Cache[V]) load(ctx context.Context, key string, fetch func(context.Context) (V, bool, error)) (entry[V], error) {
	epoch := c.epochOf(key)
	var seen sighting
	if c.remote != nil {
		if seen = c.remote.read(ctx, key); seen.hit {
			if e, err := decode[V](seen); err == nil {
				c.count.shared.Inc()
				c.keep(key, e, seen.left, epoch)
				return e, nil
			}
			c.count.redisFailed.Inc()
		}
	}
	c.count.miss.Inc()
	var e entry[V]
	var err error
	if e.value, e.found, err = fetch(ctx); err != nil {
		c.count.fetchFailed.Inc()
		return e, err
	}
	ttl := c.cfg.TTL
	if !e.found {
		if ttl = c.cfg.Negative; ttl <= 0 {
			return e, nil
		}
	}
	ttl -= time.Duration(rand.Int64N(int64(ttl)/5 + 1))
	if c.keep(key, e, ttl, epoch) && seen.writable {
		value, err := encode(e)
		if err != nil {
			return e, err
		}
		c.remote.write(ctx, key, seen, value, ttl)
	}
	return e, nil
}

// keep remembers the value in this process, unless the key was invalidated since the epoch.
func (c *Cache[V]) keep(key string, e entry[V], left time.Duration, epoch uint64) bool {
	if e.ttl = left; c.remote != nil {
		e.ttl = min(left, c.cfg.Local)
	}
	g := c.guardOf(key)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.epoch != epoch {
		return false
	}
	if e.ttl > 0 {
		c.local.Set(key, e)
	}
	return true
}

func (c *Cache[V]) epochOf(key string) uint64 {
	g := c.guardOf(key)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.epoch
}

// guardOf hashes by FNV-1a: the keys are not chosen by strangers, and a collision costs only a fetch.
func (c *Cache[V]) guardOf(key string) *guard {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return &c.guards[h%uint32(len(c.guards))]
}

// Invalidate makes the values of the keys be fetched anew, here and, as far as Redis can be reached, everywhere; see the guarantees of the package. It takes at most the
// 100 ms that Redis is given.
func (c *Cache[V]) Invalidate(ctx context.Context, keys ...string) {
	if c.remote != nil {
		c.remote.distrust(keys) // before what is here is dropped: nobody may fetch it back from there
	}
	for _, key := range keys {
		g := c.guardOf(key)
		g.mu.Lock()
		g.epoch++
		c.local.Invalidate(key)
		g.mu.Unlock()
		c.flights.Forget(strconv.FormatUint(c.generation.Load(), 10) + " " + key)
	}
	if c.remote != nil {
		c.remote.tell(ctx)
	}
}

// InvalidateAll is Invalidate of all keys.
func (c *Cache[V]) InvalidateAll(ctx context.Context) {
	if c.remote != nil {
		c.remote.distrustAll()
	}
	for i := range c.guards {
		g := &c.guards[i]
		g.mu.Lock()
		g.epoch++
		g.mu.Unlock()
	}
	c.generation.Add(1) // new flights; those under way are nobody's
	c.local.InvalidateAll()
	if c.remote != nil {
		c.remote.tell(ctx)
	}
}

func (c *Cache[V]) close() {
	if c.remote != nil {
		c.remote.close()
	}
	c.local.StopAllGoroutines()
}
