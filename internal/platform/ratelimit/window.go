package ratelimit

import (
	"sync"
	"time"

	"github.com/go-chi/httprate"
)

const (
	shortWindow = 10 * time.Second
	longWindow  = time.Minute
)

// window is a limit on how often something may happen, for each key: limit times in any length of time. The counting is httprate's; its RateLimiter decides under one
// lock with whatever the counter takes, and tells the caller less than the headers need.
type window struct {
	limit   int
	length  time.Duration
	counter httprate.LimitCounter

	mu sync.Mutex // the counter must see the time go forward, and asking and counting must be one
}

// lengthOf is the window of a limit per minute, and how much of the limit falls into it.
func lengthOf(perMinute int) (time.Duration, int) {
	if perMinute < int(longWindow/time.Second) {
		return longWindow, perMinute
	}
	return shortWindow, perMinute * int(shortWindow/time.Second) / int(longWindow/time.Second)
}

func newWindow(perMinute int, counter func(length time.Duration) httprate.LimitCounter) *window {
	w := &window{}
	w.length, w.limit = lengthOf(perMinute)
	w.counter = counter(w.length)
	w.counter.Config(w.limit, w.length)
	return w
}

// verdict says whether something may happen.
type verdict struct {
	allowed   bool
	remaining int           // how often more, now
	reset     time.Duration // until the window ends
	retry     time.Duration // until it may happen again, when it may not
}

// take counts one, if it is allowed.
func (w *window) take(key string) verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	current := now.UTC().Truncate(w.length)
	seen, before, _ := w.counter.Get(key, current, current.Add(-w.length)) // our counters do not fail
	v := w.judge(seen, before, now.Sub(current))
	if v.allowed {
		_ = w.counter.IncrementBy(key, current, 1)
	}
	return v
}

// judge decides by the counts of the present window, which began a while ago, and the one before.
func (w *window) judge(seen, before int, ago time.Duration) verdict {
	left := w.length - ago
	rate := float64(before)*float64(left)/float64(w.length) + float64(seen)
	v := verdict{allowed: rate+1 <= float64(w.limit), reset: left}
	if v.allowed {
		v.remaining = int(float64(w.limit) - rate - 1)
		return v
	}
	if room := w.limit - 1 - seen; room >= 0 && before > 0 { // enough of the window before has to go out of sight
		v.retry = left - time.Duration(float64(w.length)*float64(room)/float64(before))
		return v
	}
	v.retry = left + w.length - time.Duration(float64(w.length)*float64(w.limit-1)/float64(max(seen, 1)))
	return v
}
