package main

// turnstile bounds how many transactions of a process are worked on at the same time (sqldb/turns.go). nil does not.
type turnstile struct {
	sim     *simulation
	free    int
	aside   int // besides, for crowds
	waiting queue[func(*turn)]
}

func newTurnstile(sim *simulation, cores int) *turnstile {
	n := max(2, cores)
	return &turnstile{sim: sim, free: n, aside: n}
}

// take calls begin when a transaction of so many jobs has its turn.
func (s *turnstile) take(jobs int, begin func(*turn)) {
	switch {
	case s == nil:
		begin(nil)
	case s.free > 0:
		s.free--
		s.give(&turn{at: s}, begin)
	case s.aside > 0 && jobs >= crowd:
		s.aside--
		s.give(&turn{at: s, aside: true}, begin)
	default:
		s.waiting.push(begin)
	}
}

func (s *turnstile) give(t *turn, begin func(*turn)) {
	s.sim.after(turnLimit, t.end)
	begin(t)
}

// turn is a transaction's right to be worked on.
type turn struct {
	at           *turnstile
	aside, ended bool
}

// wanted reports whether others wait for it.
func (t *turn) wanted() bool { return t != nil && !t.ended && !t.aside && t.at.waiting.len() > 0 }

// end passes the turn on. It may be called again.
func (t *turn) end() {
	if t == nil || t.ended {
		return
	}
	t.ended = true
	switch s := t.at; {
	case t.aside:
		s.aside++
	case s.waiting.len() > 0:
		s.give(&turn{at: s}, s.waiting.pop())
	default:
		s.free++
	}
}
