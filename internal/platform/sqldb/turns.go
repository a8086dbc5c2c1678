package sqldb

import (
	"runtime"
	"sync"
	"time"
)

// turnLimit is how long a transaction counts as work. One that takes longer waits for something, a lock or a server that does not answer, and those of other contexts do not wait
// for it.
const turnLimit = 20 * time.Millisecond

// Turns bounds how many transactions of a process are worked on at the same time, over all its databases. More than there are processors only take them from each other, while
// in those that wait for their turn jobs gather: under load there are fewer and larger transactions. Waiting for the disk is no work. What waits longest is next.
type Turns struct {
	embedded, server turnstile
}

// NewTurns allows n transactions at a time on servers, and half as many on embedded databases, where a transaction is all this process's work. 0 is the number of processors
// that Go uses, and at least two.
func NewTurns(n int) *Turns {
	if n <= 0 {
		n = max(2, runtime.GOMAXPROCS(0))
	}
	return &Turns{embedded: turnstile{free: max(1, n/2), limit: turnLimit}, server: turnstile{free: n, limit: turnLimit}}
}

// of returns those that transactions of a dialect share; nil when there is no bound.
func (t *Turns) of(d Dialect) *turnstile {
	switch {
	case t == nil:
		return nil
	case d == SQLite:
		return &t.embedded
	}
	return &t.server
}

type turnstile struct {
	limit time.Duration

	mu      sync.Mutex // guards its turns too
	free    int
	waiting []chan struct{}
}

// take waits for a turn.
func (s *turnstile) take() *turn {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	if s.free > 0 {
		s.free--
	} else {
		mine := make(chan struct{})
		s.waiting = append(s.waiting, mine)
		s.mu.Unlock()
		<-mine
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	t := &turn{at: s}
	t.limit = time.AfterFunc(s.limit, t.end)
	return t
}

// turn is a transaction's right to be worked on. A nil turn has no bound.
type turn struct {
	at    *turnstile
	limit *time.Timer
	ended bool
}

// wanted reports whether others wait for it, unless it has ended already.
func (t *turn) wanted() bool {
	if t == nil {
		return false
	}
	t.at.mu.Lock()
	defer t.at.mu.Unlock()
	return !t.ended && len(t.at.waiting) > 0
}

// end passes the turn on. It may be called again.
func (t *turn) end() {
	if t == nil {
		return
	}
	s := t.at
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	t.limit.Stop()
	if len(s.waiting) == 0 {
		s.free++
		return
	}
	close(s.waiting[0])
	s.waiting = s.waiting[1:]
}
