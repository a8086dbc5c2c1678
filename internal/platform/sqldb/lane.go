package sqldb

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// lane is one writer: it takes whatever waits, up to a batch, into one transaction.
type lane struct {
	db   *DB
	conn conn

	room   chan struct{} // bounds the jobs of those who can wait
	wake   chan struct{} // something was pushed, or the lane was closed
	enough *time.Timer   // ends the patience of the least patient

	mu      sync.Mutex
	waiting []*job
	hurried int // of these, without patience
	closed  bool

	cautious int  // for how many batches
	spoiler  *job // whose error ended the last attempt; nil when it was none of a single job
}

func newLane(db *DB) *lane {
	l := &lane{db: db, room: make(chan struct{}, 2*db.cfg.Batch), wake: make(chan struct{}, 1), enough: time.NewTimer(time.Hour)}
	l.enough.Stop()
	return l
}

func (l *lane) push(j *job) error {
	if j.Patience > 0 {
		j.until = time.Now().Add(j.Patience)
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return &dbError{ErrUnavailable, fmt.Errorf("database of %s is closed", l.db.cfg.Context)}
	}
	l.waiting = append(l.waiting, j)
	if j.Patience == 0 {
		l.hurried++
	}
	l.mu.Unlock()
	l.signal()
	return nil
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// close lets the lane finish what waits, and take no more.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.signal()
}

func (l *lane) run() {
	for l.wait() {
		l.gather()
		turn := l.db.turns.take(l.length())
		batch := l.take()
		l.db.stats.Jobs.Add(int64(len(batch)))
		_ = l.commit(batch, turn) // every job has its own
		turn.end()
		for _, j := range batch {
			j.done(j.err)
		}
	}
	l.hangUp()
}

// wait returns when there is a job that is in a hurry, when the patience of another has ended, or when so many wait that they fill a batch. It reports whether there will ever be one.
func (l *lane) wait() bool {
	for {
		ready, until := l.ready()
		switch {
		case ready:
			return true
		case until.IsZero():
		case time.Until(until) <= 0:
			return true
		default:
			l.enough.Reset(time.Until(until))
		}
		if l.ended() {
			return false
		}
		select {
		case <-l.wake:
		case <-l.enough.C:
		}
		l.enough.Stop()
	}
}

// gather lets everybody run who can, until nobody pushes a job any more: what ends at one time (a transaction, with all that follows from it) comes along together. Without, an idle lane would
// take the first of them alone. Where nobody can run it takes no time.
func (l *lane) gather() {
	for n, idle := l.length(), 0; idle < 2 && n < l.db.cfg.Batch; {
		runtime.Gosched()
		if now := l.length(); now != n {
			n, idle = now, 0
		} else {
			idle++
		}
	}
}

// ready reports whether a batch should be taken at once, or else, if anybody waits, until when it can wait.
func (l *lane) ready() (ready bool, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.waiting)
	if l.hurried > 0 || n >= l.db.cfg.Batch || n > 0 && l.closed {
		return true, until
	}
	for _, j := range l.waiting {
		if until.IsZero() || j.until.Before(until) {
			until = j.until
		}
	}
	return false, until
}

// length is how many jobs wait.
func (l *lane) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

func (l *lane) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed && len(l.waiting) == 0
}

// take makes a batch of what waits, without those for whom nobody waits any more.
func (l *lane) take() []*job {
	l.mu.Lock()
	n := min(len(l.waiting), l.db.cfg.Batch)
	batch := slices.Clone(l.waiting[:n])
	clear(l.waiting[:n])
	if l.waiting = l.waiting[n:]; len(l.waiting) == 0 {
		l.waiting = nil
	}
	for _, j := range batch {
		if j.Patience == 0 {
			l.hurried--
		}
	}
	l.mu.Unlock()
	live := batch[:0]
	for _, j := range batch {
		if j.counted {
			<-l.room
		}
		if err := j.ctx.Err(); err != nil {
			j.done(&dbError{ErrUnavailable, err})
			continue
		}
		live = append(live, j)
	}
	return live
}
