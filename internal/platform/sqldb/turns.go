package sqldb

import (
	"runtime"
	"sync"
	"time"
)

// turnLimit is how long a transaction counts as work. One that takes longer waits for something, a lock or a server that does not answer, and those of other contexts do not wait
// for it.
const turnLimit = 20 * time.Millisecond

// crowd is how many jobs need no more company: what a transaction costs whatever is in it is, shared by so many, a small part of what they cost themselves.
const crowd = 16

// Turns bounds how many transactions of a process are worked on at the same time, over all its databases. More than there are processors only take them from each other, while
// in those that wait for their turn jobs gather: under load there are fewer and larger transactions. Waiting for the disk is no work. What waits longest is next; but where a crowd
// waits, as many again go on besides, so that the processors have something to do while a transaction waits for its answers.
type Turns struct {
	embedded, server turnstile
}

// NewTurns allows n transactions at a time on servers, and half as many on embedded databases, where a transaction is all this process's work. 0 is the number of processors
// that Go uses, and at least two.
func NewTurns(n int) *Turns {
	if n <= 0 {
		n = max(2, runtime.GOMAXPROCS(0))
	}
	return &Turns{embedded: turnstile{free: max(1, n/2), aside: n / 2, limit: turnLimit}, server: turnstile{free: n, aside: n, limit: turnLimit}}
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
	aside   int // turns besides, for crowds
	waiting []chan struct{}
}

// take waits for a turn, for a transaction of so many jobs or more.
func (s *turnstile) take(jobs int) *turn {
	if s == nil {
		return nil
	}
	t := &turn{at: s}
	s.mu.Lock()
	switch {
	case s.free > 0:
		s.free--
	case s.aside > 0 && jobs >= crowd:
		s.aside--
		t.aside = true
	default:
		mine := make(chan struct{})
		s.waiting = append(s.waiting, mine)
		s.mu.Unlock()
		<-mine
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	t.limit = time.AfterFunc(s.limit, t.end)
	return t
}

// turn is a transaction's right to be worked on. A nil turn has no bound.
type turn struct {
	at    *turnstile
	limit *time.Timer
	aside bool
	ended bool
}

// wanted reports whether others wait for it, unless it has ended already. One aside is nobody's to wait for.
func (t *turn) wanted() bool {
	if t == nil {
		return false
	}
	t.at.mu.Lock()
	defer t.at.mu.Unlock()
	return !t.ended && !t.aside && len(t.at.waiting) > 0
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
	switch {
	case t.aside:
		s.aside++
	case len(s.waiting) == 0:
		s.free++
	default:
		close(s.waiting[0])
		s.waiting = s.waiting[1:]
	}
}
