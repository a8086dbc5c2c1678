package main

import "time"

// senders ask the payment provider, some at a time, for one process. What does not fit into their queue, and what waits in it for too long, is
// left to the reconciler (payments/sender.go, take.go, reconcile.go).
type senders struct {
	sim     *simulation
	at      *member
	ask     func(o *order, answered func())
	slots   *station // its use, for the account; demands are not known beforehand
	free    int
	waiting queue[call]
	late    int // payments left to the reconciler

	reconciler *senders // in the process that leads; nil: this is the reconciler
	record     func(o *order)
}

type call struct {
	order *order
	since time.Duration
}

func (s *senders) offer(o *order) {
	if s.reconciler != nil && s.waiting.len() >= senderQueue {
		s.leave(call{o, s.sim.now})
		return
	}
	s.waiting.push(call{o, s.sim.now})
	s.pump()
}

func (s *senders) pump() {
	for s.free > 0 && s.waiting.len() > 0 {
		c := s.waiting.pop()
		if s.reconciler != nil && s.sim.now-c.since > senderPatience {
			s.leave(c)
			continue
		}
		s.free--
		s.slots.used.add(1)
		s.ask(c.order, func() {
			s.free++
			s.slots.used.add(-1)
			s.record(c.order)
			s.pump()
		})
	}
}

// leave lets the reconciler find the payment when its lease has passed.
func (s *senders) leave(c call) {
	s.late++
	s.sim.after(max(0, c.since+senderLease-s.sim.now), func() { s.reconciler.offer(c.order) })
}
