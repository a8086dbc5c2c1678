package main

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// simulation is virtual time. Events run in the order of their times, those of one time in the order in which they were planned. Nothing
// sleeps, and everything random comes from the seed, so that a run can be repeated exactly.
type simulation struct {
	now     time.Duration
	seed    uint64
	events  []event // a binary heap
	planned uint64
}

type event struct {
	at    time.Duration
	order uint64
	run   func()
}

func newSimulation(seed uint64) *simulation { return &simulation{seed: seed} }

// random is a stream of random numbers of its own, so that what one part draws does not change what another gets.
func (s *simulation) random(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// after plans an event.
func (s *simulation) after(d time.Duration, run func()) {
	s.planned++
	s.events = append(s.events, event{s.now + d, s.planned, run})
	for i := len(s.events) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.events[i].before(s.events[parent]) {
			return
		}
		s.events[i], s.events[parent] = s.events[parent], s.events[i]
		i = parent
	}
}

func (e event) before(other event) bool {
	return e.at < other.at || e.at == other.at && e.order < other.order
}

// next takes the earliest event out of the heap.
func (s *simulation) next() event {
	first, last := s.events[0], len(s.events)-1
	s.events[0] = s.events[last]
	s.events[last] = event{} // so that its closure can be collected
	s.events = s.events[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && s.events[child+1].before(s.events[child]) {
			child++
		}
		if !s.events[child].before(s.events[i]) {
			return first
		}
		s.events[i], s.events[child] = s.events[child], s.events[i]
		i = child
	}
}

// run lets time pass until then.
func (s *simulation) run(until time.Duration) {
	for len(s.events) > 0 && s.events[0].at <= until {
		e := s.next()
		s.now = e.at
		e.run()
	}
	s.now = max(s.now, until)
}

// runWhile lets time pass as long as there are events, going says so, and until has not come.
func (s *simulation) runWhile(going func() bool, until time.Duration) {
	for len(s.events) > 0 && s.events[0].at <= until && going() {
		e := s.next()
		s.now = e.at
		e.run()
	}
}

// level is a number that changes with time, such as how many servers are busy. Its mean weighs each value with how long it lasted.
type level struct {
	sim   *simulation
	value float64
	since time.Duration // of the value
	area  float64       // value × seconds, since the mean begins
	begun time.Duration
}

func (l *level) add(delta float64) {
	l.settle()
	l.value += delta
}

func (l *level) settle() {
	l.area += l.value * (l.sim.now - l.since).Seconds()
	l.since = l.sim.now
}

// reset begins the mean anew.
func (l *level) reset() {
	l.settle()
	l.area, l.begun = 0, l.sim.now
}

func (l *level) mean() float64 {
	l.settle()
	if l.sim.now == l.begun {
		return l.value
	}
	return l.area / (l.sim.now - l.begun).Seconds()
}

// queue is first in, first out.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

func (q *queue[T]) push(v T) { q.items = append(q.items, v) }

// pop takes the oldest. The queue must not be empty.
func (q *queue[T]) pop() T {
	var zero T
	v := q.items[q.head]
	q.items[q.head] = zero
	if q.head++; q.head > 64 && q.head*2 > len(q.items) {
		q.items = append(q.items[:0], q.items[q.head:]...)
		q.head = 0
	}
	return v
}
