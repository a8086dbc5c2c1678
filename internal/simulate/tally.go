package main

import (
	"slices"
	"time"
)

// tally counts orders: every order that was placed ends once.
type tally struct {
	sim *simulation

	all     int // placed so far
	done    int // ended so far
	denied  int // refused with 503
	open    int // placed in the measured time and not ended
	shipped int // parcels that left
	arrived int // parcels of which all is done
	twice   int // orders that ended twice: a defect of the model

	inside   level // orders that were placed and have not ended
	pending  level // orders that were placed and are not confirmed
	finished int   // in the measured time
	sojourn  time.Duration
	oks      int // orders confirmed in the measured time

	toAccept, toReserve, toConfirm, answers latencies
}

func newTally(sim *simulation) *tally {
	return &tally{sim: sim, inside: level{sim: sim}, pending: level{sim: sim}}
}

// reset begins the measured time.
func (t *tally) reset() {
	t.inside.reset()
	t.pending.reset()
	t.finished, t.sojourn, t.oks = 0, 0, 0
}

func (t *tally) placed(o *order) {
	t.all++
	t.inside.add(1)
	t.pending.add(1)
	if o.measured {
		t.open++
	}
}

// refused: the order is none.
func (t *tally) refused(o *order) {
	t.denied++
	t.all--
	t.inside.add(-1)
	t.pending.add(-1)
	if o.measured {
		t.open--
	}
}

func (t *tally) left(*order) { t.shipped++ }

func (t *tally) accepted(o *order) { t.toAccept.note(o.measured, t.sim.now-o.placed) }

func (t *tally) reserved(o *order) { t.toReserve.note(o.measured, t.sim.now-o.sentAt) }

func (t *tally) confirmed(o *order) {
	t.oks++
	t.pending.add(-1)
	t.toConfirm.note(o.measured, t.sim.now-o.placed)
}

func (t *tally) answered(since time.Duration, measured bool) {
	t.answers.note(measured, t.sim.now-since)
}

// ended: nothing of the order is under way any more. A parcel was not placed here.
func (t *tally) ended(o *order) {
	if o.ended > 0 {
		t.twice++
		return
	}
	o.ended = t.sim.now
	if o.accepted == 0 {
		t.arrived++
		return
	}
	t.done++
	t.inside.add(-1)
	t.finished++
	t.sojourn += t.sim.now - o.placed
	if o.measured {
		t.open--
	}
}

// close adds to a result what was seen of the measured orders until they all ended, or the patience with them did.
func (t *tally) close(r *result, now time.Duration) {
	r.Unended = t.open
	r.Placed, r.Ended, r.Refused, r.Twice = t.all, t.done, t.denied, t.twice
	for range len(t.toAccept.all) - len(t.toConfirm.all) { // not confirmed yet: as late as they can be
		t.toConfirm.note(true, now-r.end+r.measured)
	}
	r.Accept, r.Reserve, r.Confirm, r.Answer = t.toAccept.summary(), t.toReserve.summary(), t.toConfirm.summary(), t.answers.summary()
}

// latencies are collected, to be sorted in the end.
type latencies struct{ all []time.Duration }

func (l *latencies) note(measured bool, d time.Duration) {
	if measured {
		l.all = append(l.all, d)
	}
}

// percentiles of latencies.
type percentiles struct {
	N              int
	Mean, P50, P99 time.Duration
}

func (l *latencies) summary() percentiles {
	n := len(l.all)
	if n == 0 {
		return percentiles{}
	}
	slices.Sort(l.all)
	var sum time.Duration
	for _, d := range l.all {
		sum += d
	}
	at := func(q float64) time.Duration { return l.all[min(n-1, int(q*float64(n)))] }
	return percentiles{N: n, Mean: sum / time.Duration(n), P50: at(0.50), P99: at(0.99)}
}
