package main

import (
	"fmt"
	"time"
)

// fits reports whether a run keeps the rule for sizes: confirmed in time, and no resource too busy.
func (l *laboratory) fits(r *result) bool {
	return r.Confirm.P99.Seconds()*1000 <= l.costs.Sizing.P99 && r.busiest().Peak <= l.costs.Sizing.Utilisation
}

// steady runs a topology under a rate for long enough to see some thousands of orders.
func (l *laboratory) steady(t topology, rate float64) (*result, error) {
	measure := max(2*time.Second, time.Duration(2000/rate*float64(time.Second)))
	return experiment{topology: t, seed: l.seed, rate: rate, parcels: rate * l.costs.Sizing.Average,
		warm: time.Second, measure: measure, drain: 5 * time.Second}.run(l.costs)
}

// bound is how much a topology carries by the rule, and what stops it there.
type bound struct {
	rate  float64
	at    *result // at this rate; nil when it does not carry the least that was tried
	above *result // at a little more
}

const (
	leastRate = 5
	mostRate  = 500_000
	precision = 1.05 // of the rates between which the bound lies
)

// carries looks for the greatest rate at which ok holds.
func (l *laboratory) carries(t topology, ok func(*result) bool) (bound, error) {
	var b bound
	low, high := 0.0, 0.0
	for rate := float64(leastRate); high == 0 && rate < mostRate; rate *= 2 {
		r, err := l.steady(t, rate)
		if err != nil {
			return b, err
		}
		if !ok(r) {
			high, b.above = rate, r
			break
		}
		low, b.at = rate, r
	}
	for low > 0 && high/low > precision {
		middle := (low + high) / 2
		r, err := l.steady(t, middle)
		if err != nil {
			return b, err
		}
		if ok(r) {
			low, b.at = middle, r
		} else {
			high, b.above = middle, r
		}
	}
	b.rate = low
	return b, nil
}

// stops says what a topology lacks to carry more.
func (l *laboratory) stops(b bound) string {
	if b.above == nil {
		return "nothing that was tried"
	}
	if u := b.above.busiest(); u.Peak > l.costs.Sizing.Utilisation {
		return fmt.Sprintf("**%s** (%d of them)", u.name(), u.Count)
	}
	return fmt.Sprintf("p99, at %s of %s", percent(b.above.busiest().Peak), b.above.busiest().name())
}

// rung is a topology that repairs what stopped the one before.
type rung struct {
	change string
	topology
}

// rungs begin with shop as it is configured by default.
func (l *laboratory) rungs() []rung {
	c := l.costs.Sizing
	lanes := func(t topology, n int) topology {
		for context := range contextCount {
			t = t.with(context, func(h *hosting) { h.Lanes = n })
		}
		return t
	}
	now := topology{Name: "now", Together: true, Process: hosting{Replicas: 1, Cores: c.PodCores, DBCores: c.DBCores}}
	senders := now
	senders.Senders = 1024
	replicas := senders
	replicas.Process.Replicas = 4
	several := lanes(senders, 4)
	large := several
	large.Process.Cores = 4 * c.PodCores
	servers := large
	servers.Servers = true
	apart := topology{Name: "apart", Senders: 1024, Bus: busTopology{Broker: true}}
	for context := range testpsp {
		apart = apart.with(context, func(h *hosting) { *h = hosting{Replicas: 2, Cores: c.PodCores, DBCores: c.DBCores, Lanes: 4} })
	}
	async := apart
	async.Bus.Async = true
	more := async.with(orders, func(h *hosting) { h.Replicas = 6 })
	sharded := more.with(orders, func(h *hosting) { h.Shards, h.Replicas = 4, 3 })
	return []rung{
		{fmt.Sprintf("1. One process of %d cores, one PostgreSQL of %d: shop as it starts by itself", c.PodCores, c.DBCores), now},
		{"2. The process may make 1,024 calls to the provider at a time instead of 64", senders},
		{"3. Four such processes on that PostgreSQL", replicas},
		{"4. One process again, with four lanes for each context instead of one", several},
		{fmt.Sprintf("5. And %d cores", 4*c.PodCores), large},
		{"6. And a PostgreSQL for each context", servers},
		{fmt.Sprintf("7. Each context in two processes of its own of %d cores, with a broker; a relay publishes one message after the other", c.PodCores), apart},
		{"8. And relays that publish without waiting for each acknowledgement", async},
		{"9. And six processes of orders", more},
		{"10. And four shards of orders, each with three processes", sharded},
	}
}

// ladder shows what breaks first, and what breaks when that is repaired.
func (l *laboratory) ladder() (string, error) {
	t := newTable("topology", "orders/s:", "p50, ms:", "p99, ms:", "jobs a commit of orders:", "what stops it")
	for _, r := range l.rungs() {
		b, err := l.carries(r.topology, l.fits)
		if err != nil {
			return "", err
		}
		if b.at == nil {
			t.row(r.change, "fewer than "+count(leastRate), "", "", "", l.stops(b))
			continue
		}
		t.row(r.change, number(b.rate), ms(b.at.Confirm.P50), ms(b.at.Confirm.P99), number(b.at.Lanes[orders].Jobs), l.stops(b))
	}
	return t.String(), nil
}
