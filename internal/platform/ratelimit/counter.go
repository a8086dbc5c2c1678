package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/go-chi/httprate"
	"github.com/redis/go-redis/v9"

	"shop/internal/platform/cache"
)

const (
	telling   = 100 * time.Millisecond // how long what was counted here is unknown to the others
	batchSize = 1000                   // keys in one pipeline
)

// sharedCounter counts here, and adds what the other processes counted as Redis last told. It implements httprate.LimitCounter without ever waiting or failing.
type sharedCounter struct {
	own    httprate.LimitCounter
	shared *cache.Shared
	prefix string
	length time.Duration

	mu             sync.Mutex
	window         time.Time
	others, before map[string]int // what the others counted in this window, and in the one before
	untold         map[count]int
	timer          *time.Timer
	closed         bool
}

// count names what is counted in Redis.
type count struct {
	window time.Time
	key    string
}

func newSharedCounter(s *cache.Shared, prefix string, length time.Duration) *sharedCounter {
	return &sharedCounter{own: httprate.NewLocalLimitCounter(length), shared: s, prefix: prefix, length: length,
		others: map[string]int{}, before: map[string]int{}, untold: map[count]int{}}
}

// Config implements httprate.LimitCounter.
func (c *sharedCounter) Config(limit int, length time.Duration) { c.own.Config(limit, length) }

// Increment implements httprate.LimitCounter.
func (c *sharedCounter) Increment(key string, window time.Time) error {
	return c.IncrementBy(key, window, 1)
}

// IncrementBy implements httprate.LimitCounter.
func (c *sharedCounter) IncrementBy(key string, window time.Time, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(window)
	c.untold[count{window, key}] += n
	c.tellSoon()
	return c.own.IncrementBy(key, window, n)
}

// Get implements httprate.LimitCounter.
func (c *sharedCounter) Get(key string, window, previous time.Time) (seen, before int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(window)
	seen, before, err = c.own.Get(key, window, previous)
	return seen + c.others[key], before + c.before[key], err
}

// turn begins another window.
func (c *sharedCounter) turn(window time.Time) {
	if c.window.Equal(window) {
		return
	}
	c.before = map[string]int{}
	if c.window.Add(c.length).Equal(window) {
		c.before = c.others
	}
	c.window, c.others = window, map[string]int{}
}

func (c *sharedCounter) tellSoon() {
	if c.timer == nil && !c.closed {
		c.timer = time.AfterFunc(telling, c.tell)
	}
}

// tell gives Redis what was counted, and takes what the others counted of the same keys. While Redis is not asked it is kept, as long as it matters. When an answer does
// not come it is given up: Redis may have counted it, and to count it twice would refuse what is allowed.
func (c *sharedCounter) tell() {
	c.mu.Lock()
	batch := make(map[count]int, min(len(c.untold), batchSize))
	for k, n := range c.untold {
		if delete(c.untold, k); k.window.Before(c.window.Add(-c.length)) {
			continue
		}
		if batch[k] = n; len(batch) == batchSize {
			break
		}
	}
	c.mu.Unlock()
	totals := make(map[count]*redis.IntCmd, len(batch))
	err := c.shared.Do(context.Background(), func(ctx context.Context, r *redis.Client) error {
		_, err := r.Pipelined(ctx, func(p redis.Pipeliner) error {
			for k, n := range batch {
				totals[k] = p.IncrBy(ctx, c.name(k), int64(n))
				p.PExpire(ctx, c.name(k), 2*c.length+time.Second)
			}
			return nil
		})
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range batch {
		switch {
		case err == nil:
			c.learn(k, int(totals[k].Val()))
		case errors.Is(err, cache.ErrSkipped):
			c.untold[k] += n
		}
	}
	if c.timer = nil; len(c.untold) > 0 {
		c.tellSoon()
	}
}

// learn takes the sum of all processes.
func (c *sharedCounter) learn(k count, total int) {
	seen, before, _ := c.own.Get(k.key, c.window, c.window.Add(-c.length))
	switch {
	case k.window.Equal(c.window):
		c.others[k.key] = max(0, total-(seen-c.untold[k]))
	case k.window.Add(c.length).Equal(c.window):
		c.before[k.key] = max(0, total-(before-c.untold[k]))
	}
}

// name is the key in Redis. A subject may be of any length, and is nobody's business there.
func (c *sharedCounter) name(k count) string {
	sum := sha256.Sum256([]byte(k.key))
	return c.prefix + strconv.FormatInt(k.window.Unix(), 10) + ":" + hex.EncodeToString(sum[:16])
}

// close stops telling.
func (c *sharedCounter) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed = true; c.timer != nil {
		c.timer.Stop()
	}
}
