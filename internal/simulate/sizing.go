package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// targets are the rates, in orders a second at the peak, for which there are plans.
var targets = []float64{10, 1_000, 100_000}

// plan is a topology that carries a rate by the rule for sizes.
type plan struct {
	rate float64
	topology
	result  *result
	byDisk  [contextCount]bool // the number of shards is that which the disks need; the work alone would need fewer
	runs    int
	refused string // why the simpler form was not enough
}

// plan finds the simplest topology for a rate: all contexts together on one database, or else each on its own, with a broker.
func (l *laboratory) plan(rate float64) (*plan, error) {
	if p := l.plans[rate]; p != nil {
		return p, nil
	}
	p, why, err := l.together(rate)
	if err == nil && p == nil {
		p, err = l.apart(rate)
	}
	if err != nil {
		return nil, err
	}
	p.refused = why
	if l.plans == nil {
		l.plans = map[float64]*plan{}
	}
	l.plans[rate] = p
	return p, nil
}

const (
	mostCores   = 16 // of a process: more than one node has for it are no process
	mostDBCores = 64
	mostLanes   = 8
	mostRuns    = 16
)

// together makes two processes that host everything, of which one leads and the other serves requests and stands by, larger until they carry the rate.
// None when they cannot: then why says what they lack.
func (l *laboratory) together(rate float64) (p *plan, why string, err error) {
	t := topology{Name: fmt.Sprintf("%s orders/s", number(rate)), Together: true, Process: hosting{Replicas: 2, Cores: 2, DBCores: 2}}
	if t, err = t.complete(l.costs); err != nil {
		return nil, "", err
	}
	gib := l.keptGiB(rate)
	if gib[orders] > l.costs.Storage.Disk {
		return nil, "the orders of " + number(l.costs.Storage.Days) + " days do not fit on one disk", nil
	}
	t.Servers = total(gib) > l.costs.Storage.Disk
	t.Process.DBCores = l.coresForDisk(total(gib))
	for context := range testpsp {
		t = t.with(context, func(h *hosting) { h.DBCores = l.coresForDisk(gib[context]) })
	}
	for n := 1; n <= mostRuns; n++ {
		r, err := l.steady(t, rate)
		if err != nil {
			return nil, "", err
		}
		if l.fits(r) {
			return &plan{rate: rate, topology: t, result: r, runs: n}, "", nil
		}
		u := r.busiest()
		if u.Peak <= l.costs.Sizing.Utilisation {
			u = slowest(r)
		}
		if !t.grow(u) {
			return nil, u.name() + " cannot grow any further", nil
		}
	}
	return nil, "it still did not after " + count(mostRuns) + " repairs", nil
}

// slowest is the lane that is busiest: when nothing is too busy and orders are late, they wait in lanes.
func slowest(r *result) usage {
	for _, u := range r.Resources {
		if u.Kind == "lanes" {
			return u
		}
	}
	return r.busiest()
}

// grow gives a topology whose processes host everything more of what it lacks, or reports that there is no more of it.
func (t *topology) grow(u usage) bool {
	switch u.Kind {
	case "process":
		t.Process.Cores *= 2
		return t.Process.Cores <= mostCores
	case "database":
		if u.Context != contextCount {
			*t = t.with(u.Context, func(h *hosting) { h.DBCores *= 2 })
			return t.of(u.Context).DBCores <= mostDBCores
		}
		t.Process.DBCores *= 2
		return t.Process.DBCores <= mostDBCores
	case "disk":
		more := !t.Servers
		t.Servers = true
		return more
	case "senders":
		t.Senders *= 2
		return true
	case "lanes":
		*t = t.with(u.Context, func(h *hosting) { h.Lanes++ })
		return t.of(u.Context).Lanes <= mostLanes
	}
	return false // a relay is one
}

// apart gives each context processes and databases of its own, and more of them until they carry the rate.
func (l *laboratory) apart(rate float64) (*plan, error) {
	c := l.costs
	t := topology{Name: fmt.Sprintf("%s orders/s", number(rate)), Senders: 1024, Bus: busTopology{Broker: true, Async: true}}
	p := &plan{rate: rate}
	kept := l.keptGiB(rate)
	for context := range testpsp {
		program, postgres := l.demand(context, rate)
		work := int(math.Ceil(postgres / float64(c.Sizing.DBCores) / c.Sizing.Utilisation))
		disks := int(math.Ceil(kept[context] / c.Storage.Disk))
		p.byDisk[context] = disks > work
		shards := max(1, work, disks)
		t = t.with(context, func(h *hosting) {
			h.Shards = shards
			h.DBCores = min(c.Sizing.DBCores, max(l.coresForDisk(kept[context]/float64(shards)), powerOfTwo(postgres/float64(shards)/c.Sizing.Utilisation)))
			h.Cores = c.Sizing.PodCores
			h.Replicas = max(2, int(math.Ceil(program/float64(shards*h.Cores)/c.Sizing.Utilisation)))
		})
	}
	var err error
	if t, err = t.complete(c); err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		r, err := l.brief(t, rate)
		if err != nil {
			return nil, err
		}
		if l.fits(r) || n == mostRuns {
			p.topology, p.result, p.runs = t, r, n
			return p, nil
		}
		t = t.spread(r, c)
	}
}

// brief is steady for high rates: there a second shows enough.
func (l *laboratory) brief(t topology, rate float64) (*result, error) {
	if rate < 10_000 {
		return l.steady(t, rate)
	}
	return experiment{topology: t, seed: l.seed, rate: rate, parcels: rate * l.costs.Sizing.Average,
		warm: 700 * time.Millisecond, measure: time.Second, drain: 3 * time.Second}.run(l.costs)
}

// spread gives each context more of what it lacks. Shards are added for what only one process can do, or one server.
func (t topology) spread(r *result, c *costs) topology {
	all, changed := r.Resources, false
	for _, u := range all {
		if u.Peak > c.Sizing.Utilisation {
			t, changed = t.add(u, u.Peak/c.Sizing.Utilisation, c), true
		}
	}
	if !changed {
		t = t.add(slowest(r), 1.5, c)
	}
	return t
}

// add gives more of one resource, so many times as much.
func (t topology) add(u usage, times float64, c *costs) topology {
	more := func(n int) int { return int(math.Ceil(float64(n)*times - 0.01)) }
	switch u.Kind {
	case "senders":
		t.Senders = more(t.Senders)
	case "partitions":
		t.Bus.Partitions = more(t.Bus.Partitions)
	case "process":
		return t.with(u.Context, func(h *hosting) { h.Replicas = more(h.Replicas) })
	case "lanes":
		return t.with(u.Context, func(h *hosting) {
			if h.Lanes < mostLanes {
				h.Lanes = min(mostLanes, max(h.Lanes+1, more(h.Lanes)))
			} else {
				h.Replicas++
			}
		})
	case "database":
		return t.with(u.Context, func(h *hosting) {
			if h.DBCores < c.Sizing.DBCores {
				h.DBCores = min(c.Sizing.DBCores, 2*h.DBCores)
			} else {
				h.Shards = max(h.Shards+1, more(h.Shards))
			}
		})
	default: // a relay, a disk: there is one for each shard
		return t.with(u.Context, func(h *hosting) { h.Shards = max(h.Shards+1, more(h.Shards)) })
	}
	return t
}

// demand is how many cores a context keeps busy, in its processes and in its databases, when some jobs share each transaction.
func (l *laboratory) demand(context int, rate float64) (program, postgres float64) {
	const shared = 8
	for _, part := range l.costs.wayOf(rate) {
		for _, id := range part.steps {
			if b := l.costs.billOf([]step{id}, l.costs.Orders.Lines, shared); steps[id].context == context {
				program += part.rate * float64(b.program) / 1e6
				postgres += part.rate * float64(b.postgres) / 1e6
			}
		}
	}
	return program, postgres
}

// coresForDisk are as many as a database with so large a disk should have.
func (l *laboratory) coresForDisk(gib float64) int {
	return powerOfTwo(gib / l.costs.Sizing.DiskPerCore)
}

func powerOfTwo(atLeast float64) int {
	n := 2
	for float64(n) < atLeast {
		n *= 2
	}
	return n
}

func total(gib [contextCount]float64) (all float64) {
	for _, g := range gib {
		all += g
	}
	return all
}

// hosts are how many processes, databases and cores of both a context has; of all contexts together for orders, when they are hosted so.
func (p *plan) hosts(context int) (processes, databases int, h hosting) {
	h = p.of(context)
	if p.Together && context != orders {
		if p.Servers {
			databases = 1
		}
		return 0, databases, h
	}
	return h.Shards * h.Replicas, h.Shards, h
}

// sizes are the tables of machines for each target.
func (l *laboratory) sizes() (string, error) {
	t := newTable("orders/s:", "context", "databases:", "cores of each:", "processes:", "cores of each:", "lanes of each:", "partitions of a topic to it:", "calls to the provider at a time, each:")
	var why []string
	for _, rate := range targets {
		p, err := l.plan(rate)
		if err != nil {
			return "", err
		}
		if p.refused != "" {
			why = append(why, fmt.Sprintf("For %s orders/s one process that leads is not enough: %s.", number(rate), p.refused))
		}
		for context := range testpsp {
			processes, databases, h := p.hosts(context)
			name, partitions, calls := contextNames[context], "", ""
			if p.Together && context == orders {
				name = "all together"
				if p.Servers {
					name = "all together, the database of orders"
				}
			}
			if p.Bus.Broker {
				partitions = count(h.Shards * h.Replicas * p.Bus.Partitions)
			}
			if context == payments || p.Together && context == orders {
				calls = count(p.Senders)
			}
			shards := count(databases)
			if p.byDisk[context] {
				shards += " (by disk)"
			}
			switch {
			case databases == 0:
				continue
			case processes == 0:
				t.row(number(rate), name, shards, count(h.DBCores), "–", "–", count(h.Lanes), partitions, calls)
			default:
				t.row(number(rate), name, shards, count(h.DBCores), count(processes), count(h.Cores), count(h.Lanes), partitions, calls)
			}
		}
	}
	if len(why) > 0 {
		t.say("%s", strings.Join(why, " "))
	}
	return t.String(), nil
}

// busiest says how the plans fare when they run.
func (l *laboratory) busiest() (string, error) {
	t := newTable("orders/s:", "201 at p99, ms:", "confirmed at p50, ms:", "p99, ms:", "orders on their way:", "jobs a commit of orders:", "database of orders:", "the busiest")
	for _, rate := range targets {
		p, err := l.plan(rate)
		if err != nil {
			return "", err
		}
		r := p.result
		var names []string
		for _, u := range r.Resources[:min(6, len(r.Resources))] {
			names = append(names, u.name()+" "+percent(u.Peak))
		}
		database := r.find(orders, "database")
		if database.Count == 0 {
			database = r.find(contextCount, "database")
		}
		t.row(number(rate), ms(r.Accept.P99), ms(r.Confirm.P50), ms(r.Confirm.P99), number(r.Inside), number(r.Lanes[orders].Jobs), percent(database.Peak), strings.Join(names, ", "))
	}
	return t.String(), nil
}
