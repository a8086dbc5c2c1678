package main

import (
	"fmt"
	"time"
)

// experiment is a topology under a load, for some time.
type experiment struct {
	topology
	seed    uint64
	rate    float64 // orders a second, placed by clients who know nothing of each other (Poisson); or
	clients int     // who each place the next order when they know the outcome of the last
	parcels float64 // parcels a second that leave and arrive
	lines   int     // of each order; 0: as many as the costs say, on average

	warm    time.Duration // before what is measured
	measure time.Duration
	drain   time.Duration // after which nothing is placed any more; then the orders that were measured and have not ended count as they are

	fault func(w *world) // what goes wrong, planned beforehand
	watch func(w *world) // looks at the world every tick
	tick  time.Duration
}

// run lets the experiment run and says what was seen.
func (e experiment) run(c *costs) (*result, error) {
	t, err := e.complete(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	w := newWorld(e.seed, c, t)
	w.goods.lines = e.lines
	if e.fault != nil {
		e.fault(w)
	}
	e.offer(w)
	w.observe(e)
	end := e.warm + e.measure
	w.sim.run(e.warm)
	w.reset()
	w.sim.run(end)
	r := w.report(e)
	w.sim.runWhile(func() bool { return w.tally.open > 0 }, end+e.drain)
	w.tally.close(r, w.sim.now)
	return r, nil
}

// offer plans the load, until the end of the measured time.
func (e experiment) offer(w *world) {
	end := e.warm + e.measure
	measured := func() bool { return w.sim.now >= e.warm && w.sim.now < end }
	if e.rate > 0 {
		w.stream("arrivals", e.rate, end, func() { w.buy(measured(), nil) })
	}
	if e.parcels > 0 {
		w.stream("parcels", e.parcels, end, func() { w.parcel() })
	}
	for range e.clients {
		w.client(measured, end)
	}
}

// stream plans a Poisson process.
func (w *world) stream(name string, rate float64, end time.Duration, arrive func()) {
	pause := exponential(rate, w.sim.random(name))
	var next func()
	next = func() {
		if w.sim.now >= end {
			return
		}
		w.sim.after(pause(), next)
		arrive()
	}
	w.sim.after(pause(), next)
}

// client is one of a closed loop. Where it shares the machine it costs CPU.
func (w *world) client(measured func() bool, end time.Duration) {
	var next func()
	next = func() {
		if w.sim.now >= end {
			return
		}
		since := w.sim.now
		counts := measured()
		w.spend(w.costs.HTTP.Client, func() {
			w.buy(counts, func() {
				w.tally.answered(since, measured())
				next()
			})
		})
	}
	w.sim.after(0, next)
}

func (w *world) spend(cpu micros, done func()) {
	if w.topology.Machine == 0 {
		done()
		return
	}
	cores{w.machines[0], &w.spent.clients}.serve(cpu.duration(), done)
}

// buy places an order. outcome is called when the client has its answer; nil when it does not wait.
func (w *world) buy(measured bool, outcome func()) {
	o := w.goods.newOrder()
	o.measured, o.outcome = measured, outcome
	w.tally.placed(o)
	w.post(place, o)
}

// parcel sends one off.
func (w *world) parcel() {
	o := w.goods.newOrder()
	w.tally.left(o)
	w.post(dispatch, o)
}

func (w *world) observe(e experiment) {
	if e.watch == nil {
		return
	}
	var look func()
	look = func() {
		e.watch(w)
		w.sim.after(e.tick, look)
	}
	w.sim.after(e.tick, look)
}
