package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// result is what an experiment showed.
type result struct {
	measured, end time.Duration

	Rate    float64     // orders confirmed a second
	Answer  percentiles // of clients who wait for the outcome
	Accept  percentiles // from the POST to 201
	Reserve percentiles // from the commit of ReserveStock to that of its answer
	Confirm percentiles // from the POST to confirmed

	Placed, Ended, Refused, Unended, Twice int

	Inside  float64       // mean number of orders on their way in the measured time
	Ending  float64       // orders that ended in it, a second
	Sojourn time.Duration // mean time on the way, of these

	Each eachOrder // what an order that was confirmed cost

	Resources []usage // the busiest first
	WAL       [contextCount]walUsage
	Lanes     [contextCount]laneUsage
	Hot       hotUsage
	Late      int // payments left to the reconciler
}

// usage is how busy the resources of one kind are.
type usage struct {
	Context int    // whose; contextCount: of all
	Kind    string // process, database, lanes, relay, senders, partitions, disk
	Count   int
	Mean    float64 // share of what they can do
	Peak    float64 // of the busiest of them
}

func (u usage) name() string {
	if u.Context == contextCount {
		return u.Kind
	}
	return u.Kind + " of " + contextNames[u.Context]
}

// eachOrder is what was spent in the measured time, by the orders confirmed in it.
type eachOrder struct {
	program, postgres            time.Duration
	commits, flushes, trips, wal float64
}

// walUsage is of the servers of a context, or of the one server of all.
type walUsage struct{ Flushes, Commits, MiB float64 } // a second, each server

type laneUsage struct{ Commits, Jobs float64 } // a second, all lanes; jobs a commit

type hotUsage struct {
	Held   float64       // share of the time that the hot row is locked
	Waits  float64       // times a second that a transaction waits for a row of stock
	Waited time.Duration // mean of these
}

// reset begins the measured time.
func (w *world) reset() {
	w.tally.reset()
	w.spent.program, w.spent.postgres, w.spent.clients = 0, 0, 0
	for _, m := range w.machines {
		m.used.reset()
	}
	w.eachShard(func(_ int, sh *shard) {
		sh.relay.did.reset()
		sh.relay.backlog.reset()
		sh.db.server.cpu.used.reset()
		sh.db.server.wal.reset()
		sh.db.stock.reset()
		for _, m := range sh.members {
			for _, l := range m.lanes {
				l.did.reset()
			}
			if m.senders != nil {
				m.senders.slots.used.reset()
			}
		}
	})
	w.eachPartition(func(_ int, p *station) { p.used.reset() })
}

func (w *world) eachShard(do func(context int, sh *shard)) {
	for context := range w.shards {
		for _, sh := range w.shards[context] {
			do(context, sh)
		}
	}
}

func (w *world) eachPartition(do func(context int, p *station)) {
	if w.broker == nil {
		return
	}
	for from := range w.broker.partitions {
		for to := range w.broker.partitions[from] {
			for _, p := range w.broker.partitions[from][to] {
				do(to, p)
			}
		}
	}
}

// report says what happened in the measured time that ends now.
func (w *world) report(e experiment) *result {
	t := w.tally
	r := &result{measured: e.measure, end: w.sim.now, Rate: float64(t.oks) / e.measure.Seconds(), Inside: t.inside.mean(), Ending: float64(t.finished) / e.measure.Seconds()}
	if t.finished > 0 {
		r.Sojourn = t.sojourn / time.Duration(t.finished)
	}
	all := map[usage]*usage{}
	note := func(context int, kind string, share float64) {
		k := usage{Context: context, Kind: kind}
		u := all[k]
		if u == nil {
			u = &k
			all[k] = u
		}
		u.Mean = (u.Mean*float64(u.Count) + share) / float64(u.Count+1)
		u.Peak = math.Max(u.Peak, share)
		u.Count++
	}
	w.noteMachines(note)
	w.eachShard(func(context int, sh *shard) {
		note(context, "relay", sh.relay.utilisation(e.measure))
		for _, m := range sh.members {
			for _, l := range m.lanes {
				note(context, "lanes", l.did.utilisation(l.batch, e.measure))
				r.Lanes[context].Commits += l.did.batches / e.measure.Seconds()
				r.Lanes[context].Jobs += l.did.jobs / e.measure.Seconds()
			}
			if m.senders != nil {
				note(context, "senders", m.senders.slots.utilisation())
				r.Late += m.senders.late
			}
		}
		r.Hot.add(sh.db.stock, e.measure)
	})
	w.eachPartition(func(context int, p *station) { note(context, "partitions", p.utilisation()) })
	for context := range w.shards {
		if n := float64(len(w.shards[context])); n > 0 && r.Lanes[context].Commits > 0 {
			r.Lanes[context].Jobs /= r.Lanes[context].Commits
			r.WAL[context] = w.walOf(context, e.measure)
		}
	}
	r.Each = w.each()
	for _, u := range all {
		r.Resources = append(r.Resources, *u)
	}
	slices.SortFunc(r.Resources, func(a, b usage) int {
		return cmp.Or(cmp.Compare(b.Peak, a.Peak), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Context, b.Context))
	})
	return r
}

// noteMachines notes processes and servers: of each context, unless contexts share them.
func (w *world) noteMachines(note func(context int, kind string, share float64)) {
	t := w.topology
	if t.Machine > 0 {
		note(contextCount, "machine", w.machines[0].utilisation())
		return
	}
	seen := map[*station]bool{}
	for context := range w.shards {
		whose := context
		if t.Together {
			whose = contextCount
		}
		for _, sh := range w.shards[context] {
			for _, m := range sh.members {
				if !seen[m.process.station] {
					seen[m.process.station] = true
					note(whose, "process", m.process.utilisation())
				}
			}
			if cpu := sh.db.server.cpu.station; !seen[cpu] {
				seen[cpu] = true
				owner := context
				if t.Together && !t.Servers {
					owner = contextCount
				}
				note(owner, "database", cpu.utilisation())
				note(owner, "disk", sh.db.server.wal.bytes/1024/1024/w.costs.Disk/(w.sim.now-cpu.used.begun).Seconds())
			}
		}
	}
}

// each divides what was spent by the orders confirmed.
func (w *world) each() (a eachOrder) {
	n := float64(w.tally.oks)
	if n == 0 {
		return a
	}
	a.program, a.postgres = time.Duration(float64(w.spent.program)/n), time.Duration(float64(w.spent.postgres)/n)
	seen := map[*server]bool{}
	w.eachShard(func(_ int, sh *shard) {
		for _, m := range sh.members {
			for _, l := range m.lanes {
				a.commits += l.did.batches / n
				a.trips += float64(l.did.trips) / n
			}
		}
		if s := sh.db.server; !seen[s] {
			seen[s] = true
			a.flushes += float64(s.wal.flushes) / n
			a.wal += s.wal.bytes / n
		}
	})
	return a
}

func (w *world) walOf(context int, during time.Duration) walUsage {
	var u walUsage
	for _, sh := range w.shards[context] {
		n := float64(len(w.shards[context])) * during.Seconds()
		u.Flushes += float64(sh.db.server.wal.flushes) / n
		u.Commits += float64(sh.db.server.wal.commits) / n
		u.MiB += sh.db.server.wal.bytes / 1024 / 1024 / n
	}
	return u
}

func (h *hotUsage) add(l *locks, during time.Duration) {
	h.Held = math.Max(h.Held, l.used.mean())
	before := h.Waits * during.Seconds()
	h.Waits += float64(l.waits) / during.Seconds()
	if after := h.Waits * during.Seconds(); after > 0 {
		h.Waited = time.Duration((float64(h.Waited)*before + float64(l.waited)) / after)
	}
}

// busiest is the resource that saturates first.
func (r *result) busiest() usage {
	if len(r.Resources) == 0 {
		return usage{Context: contextCount}
	}
	return r.Resources[0]
}

// find is the usage of a kind, and zero when there is none of it.
func (r *result) find(context int, kind string) usage {
	for _, u := range r.Resources {
		if u.Context == context && u.Kind == kind {
			return u
		}
	}
	return usage{}
}
