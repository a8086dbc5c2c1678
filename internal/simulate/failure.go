package main

import (
	"fmt"
	"strings"
	"time"
)

// failureRate is the load under which something fails.
const failureRate = 1000

// outage is something that is away for some time.
type outage struct {
	what string
	away time.Duration
	fail func(w *world, away time.Duration)
}

const (
	calm     = 5 * time.Second // before the outage, to know what is usual
	lasting  = 30 * time.Second
	recovery = 60 * time.Second // after it
)

func outages() []outage {
	server := func(context int) func(w *world, away time.Duration) {
		return func(w *world, away time.Duration) { w.shards[context][0].db.server.fail(away) }
	}
	leader := func(w *world, away time.Duration) {
		r := w.shards[orders][0].relay
		r.lost = true
		w.sim.after(away, r.succeed)
	}
	return []outage{
		{"one of two databases of inventory", lasting, server(inventory)},
		{"the database of payments", lasting, server(payments)},
		{"one of two databases of orders", lasting, server(orders)},
		{"the relay of one of two shards of orders: its process froze, and the lease ran out", leaseFrozen, leader},
		{"the same relay, if nobody succeeded it", lasting, leader},
	}
}

// failureTopology has room to spare by the rule, and two shards where one is to fail.
func (l *laboratory) failureTopology() (topology, error) {
	p, err := l.apart(failureRate)
	if err != nil {
		return topology{}, err
	}
	t := p.topology
	for _, context := range []int{orders, inventory} {
		t = t.with(context, func(h *hosting) { h.Shards = max(2, h.Shards) })
	}
	return t, nil
}

// aftermath is what an outage does.
type aftermath struct {
	usual  float64 // orders placed and not confirmed, before
	worst  float64
	after  time.Duration // from the end of the outage until no more than usual wait again; 0 when they never did
	result *result
}

// suffer lets a topology go through an outage.
func (l *laboratory) suffer(t topology, o outage, rate float64) (aftermath, error) {
	var a aftermath
	begins := time.Second + calm
	ends := begins + o.away
	var samples float64
	e := experiment{topology: t, seed: l.seed, rate: rate, warm: time.Second, measure: calm + o.away + recovery, drain: 30 * time.Second, tick: 50 * time.Millisecond}
	e.fault = func(w *world) { w.sim.after(begins, func() { o.fail(w, o.away) }) }
	e.watch = func(w *world) {
		waiting := w.tally.pending.value
		switch now := w.sim.now; {
		case now < time.Second:
		case now < begins:
			a.usual += waiting
			samples++
		default:
			a.worst = max(a.worst, waiting)
			if now > ends && a.after == 0 && waiting <= 1.2*a.usual/samples {
				a.after = now - ends
			}
		}
	}
	r, err := e.run(l.costs)
	a.result = r
	a.usual /= max(1, samples)
	return a, err
}

// failure shows backlogs, and how long they take to go.
func (l *laboratory) failure() (string, error) {
	topology, err := l.failureTopology()
	if err != nil {
		return "", err
	}
	t := newTable("what is away", "s:", "orders refused:", "usually wait:", "wait at worst:", "usual again after, s:", "confirmed at p99, s:", "orders lost:", "twice:")
	for _, o := range outages() {
		a, err := l.suffer(topology, o, failureRate)
		if err != nil {
			return "", err
		}
		after := "not within " + number(recovery.Seconds())
		if a.after > 0 {
			after = number(a.after.Seconds())
		}
		r := a.result
		t.row(o.what, number(o.away.Seconds()), count(r.Refused), number(a.usual), number(a.worst), after, number(r.Confirm.P99.Seconds()), count(r.Placed-r.Ended), count(r.Twice))
	}
	t.say("%s orders/s throughout, on %s. An order waits from its POST until it is confirmed. Refused are those that were answered 503: whoever placed them has to try again.",
		number(failureRate), describe(topology))
	return t.String(), nil
}

// describe says in a line how contexts are hosted that have processes of their own.
func describe(t topology) string {
	parts := make([]string, 0, testpsp)
	for context := range testpsp {
		h := t.of(context)
		parts = append(parts, fmt.Sprintf("%s (databases: %d, of %d cores; processes: %d, lanes of each: %d)", contextNames[context], h.Shards, h.DBCores, h.Shards*h.Replicas, h.Lanes))
	}
	return strings.Join(parts, ", ")
}
