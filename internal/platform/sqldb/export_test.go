package sqldb

import "time"

// Patient makes turns that last until they are passed on.
func (t *Turns) Patient() *Turns {
	t.embedded.limit, t.server.limit = time.Hour, time.Hour
	return t
}

// Waiting is how many transactions wait for a turn.
func (t *Turns) Waiting(d Dialect) int {
	s := t.of(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}
