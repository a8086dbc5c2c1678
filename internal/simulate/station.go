package main

import "time"

// station is a number of equal servers behind one queue, first come, first served: the cores of a machine, the partition of a broker.
type station struct {
	sim     *simulation
	servers int
	slice   time.Duration // who needs longer goes to the end of the queue after each such time, as a kernel has it; 0: nobody does

	busy    int
	waiting queue[demand]
	used    level // servers that are busy
}

type demand struct {
	left time.Duration
	done func()
}

// cpuSlice is in the order of the slices of Linux' scheduler.
const cpuSlice = time.Millisecond

func newStation(sim *simulation, servers int, slice time.Duration) *station {
	return &station{sim: sim, servers: servers, slice: slice, used: level{sim: sim}}
}

// serve calls done when a server has spent so much time on it.
func (s *station) serve(d time.Duration, done func()) {
	if s.busy == s.servers {
		s.waiting.push(demand{d, done})
		return
	}
	s.busy++
	s.used.add(1)
	s.begin(demand{d, done})
}

func (s *station) begin(d demand) {
	turn := d.left
	if s.slice > 0 {
		turn = min(turn, s.slice)
	}
	s.sim.after(turn, func() { s.end(d, turn) })
}

func (s *station) end(d demand, turn time.Duration) {
	if d.left -= turn; d.left > 0 {
		s.waiting.push(d)
		s.begin(s.waiting.pop())
		return
	}
	if s.waiting.len() > 0 {
		s.begin(s.waiting.pop())
	} else {
		s.busy--
		s.used.add(-1)
	}
	d.done()
}

// cores are the CPU of a machine as one of its users sees it: what that one spends is put on an account.
type cores struct {
	*station
	account *time.Duration
}

func (c cores) serve(d time.Duration, done func()) {
	*c.account += d
	c.station.serve(d, done)
}

// utilisation is the mean share of the servers that are busy.
func (s *station) utilisation() float64 { return s.used.mean() / float64(s.servers) }
