package main

import (
	"slices"
	"time"
)

// locks are the row locks of a table in one database: each row has one holder, the others wait in line.
type locks struct {
	sim    *simulation
	held   map[row]*lock
	watch  row   // whose time under lock is measured
	used   level // 1 while the watched row is held
	waits  int   // times that somebody had to wait
	waited time.Duration
}

type row int32

type lock struct{ waiting []func() }

func newLocks(sim *simulation, watch row) *locks {
	return &locks{sim: sim, held: map[row]*lock{}, watch: watch, used: level{sim: sim}}
}

// take calls done when it holds all the rows. They are taken one after the other in their order, so that no two wait for each other.
func (l *locks) take(rows []row, done func()) {
	if len(rows) == 0 {
		done()
		return
	}
	next := func() { l.take(rows[1:], done) }
	if k := l.held[rows[0]]; k != nil {
		since := l.sim.now
		l.waits++
		k.waiting = append(k.waiting, func() {
			l.waited += l.sim.now - since
			next()
		})
		return
	}
	l.held[rows[0]] = &lock{}
	if rows[0] == l.watch {
		l.used.add(1)
	}
	next()
}

// release gives the rows to who waits for them.
func (l *locks) release(rows []row) {
	var next []func()
	for _, r := range rows {
		k := l.held[r]
		if len(k.waiting) > 0 {
			next = append(next, k.waiting[0])
			k.waiting = k.waiting[1:]
			continue
		}
		delete(l.held, r)
		if r == l.watch {
			l.used.add(-1)
		}
	}
	for _, run := range next { // when all are free
		run()
	}
}

func (l *locks) reset() {
	l.waits, l.waited = 0, 0
	l.used.reset()
}

// sorted is the set of rows in the order in which they are locked.
func sorted(rows []row) []row {
	slices.Sort(rows)
	return slices.Compact(rows)
}
