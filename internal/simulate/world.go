package main

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// world is a topology that runs.
type world struct {
	sim      *simulation
	costs    *costs
	topology topology
	shards   [contextCount][]*shard
	machines []*station // of processes, or the one that all share
	spent    struct{ program, postgres, clients time.Duration }
	servers  [contextCount][]*server
	broker   *broker
	tally    *tally
	balance  *rand.Rand // of requests over processes
	streams  int        // of random numbers that parts of a kind have
	goods    *goods
}

// shard is one database of a context and the processes that serve it.
type shard struct {
	db      *database
	members []*member
	relay   *relay
}

// member is a context's shard in one process.
type member struct {
	shard      *shard
	process    cores
	turns      *turnstile // of the process
	lanes      []*lane
	consumer   *consumer
	senders    *senders
	reconciler *senders
	neighbours [contextCount]*member // the other contexts in this process
}

// hotRow is the row of stock that everybody wants, or the first of its buckets. Others have positive numbers.
const hotRow row = -1

func newWorld(seed uint64, c *costs, t topology) *world {
	sim := newSimulation(seed)
	w := &world{sim: sim, costs: c, topology: t, tally: newTally(sim), balance: sim.random("balance")}
	w.goods = &goods{world: w, rand: sim.random("goods")}
	var machine *station
	if t.Machine > 0 {
		machine = w.newMachine(t.Machine)
	}
	w.openServers(machine)
	for context := range contextCount {
		if context != testpsp || t.TestPSP {
			w.openShards(context, machine)
		}
	}
	if t.Bus.Broker {
		w.openBroker()
	}
	for context := range w.shards {
		for _, sh := range w.shards[context] {
			w.lead(sh)
		}
	}
	for _, sh := range w.shards[payments] {
		for _, m := range sh.members {
			w.employ(m)
		}
	}
	return w
}

// random is a stream of random numbers for one of several parts of a kind.
func (w *world) random(kind string) *rand.Rand {
	w.streams++
	return w.sim.random(kind + " " + strconv.Itoa(w.streams))
}

func (w *world) newMachine(servers int) *station {
	m := newStation(w.sim, servers, cpuSlice)
	w.machines = append(w.machines, m)
	return m
}

// openServers starts the PostgreSQL servers: one for all, one a context, or one a shard.
func (w *world) openServers(machine *station) {
	t := w.topology
	var shared *server
	for context := range contextCount {
		for range t.of(context).Shards {
			if shared == nil || !t.Together || t.Servers {
				shared = w.newServer(machine, t.of(context).DBCores)
			}
			w.servers[context] = append(w.servers[context], shared)
		}
	}
}

func (w *world) newServer(machine *station, servers int) *server {
	if machine == nil {
		machine = newStation(w.sim, servers, cpuSlice)
	}
	perKiB := time.Duration(float64(time.Second) / (w.costs.Disk * 1024))
	return &server{sim: w.sim, cpu: cores{machine, &w.spent.postgres}, rand: w.random("server"),
		wal: &wal{sim: w.sim, duration: w.costs.Flush.drawn(w.random("flush")), perKiB: perKiB}}
}

// openShards starts the processes of a context, or puts it into those that are there.
func (w *world) openShards(context int, machine *station) {
	t, h := w.topology, w.topology.of(context)
	for s := range h.Shards {
		db := &database{server: w.servers[context][s], stock: newLocks(w.sim, hotRow), trip: w.costs.Trip[t.network()].duration()}
		sh := &shard{db: db}
		w.shards[context] = append(w.shards[context], sh)
		for r := range h.Replicas {
			m := &member{shard: sh}
			switch {
			case context == testpsp:
				host := w.shards[payments][s].members[r]
				m.process, m.turns = host.process, host.turns
			case t.Together && context != orders:
				host := w.shards[orders][0].members[r]
				m.process, m.turns = host.process, host.turns
			case machine != nil:
				m.process, m.turns = cores{machine, &w.spent.program}, newTurnstile(w.sim, t.Machine)
			default:
				m.process, m.turns = cores{w.newMachine(h.Cores), &w.spent.program}, newTurnstile(w.sim, h.Cores)
			}
			for range h.Lanes {
				m.lanes = append(m.lanes, &lane{sim: w.sim, costs: w.costs, cpu: m.process, db: db, turns: m.turns, batch: h.Batch})
			}
			m.consumer = &consumer{world: w, at: m}
			sh.members = append(sh.members, m)
		}
	}
}

func (w *world) openBroker() {
	b := &broker{sim: w.sim, world: w, costs: w.costs, ack: w.costs.Broker.Ack.drawn(w.sim.random("ack"))}
	for id := range stepCount {
		s := steps[id]
		if !id.byMessage() || b.partitions[s.from][s.context] != nil {
			continue
		}
		h := w.topology.of(s.context)
		for range w.topology.Bus.Partitions * h.Shards * h.Replicas {
			b.partitions[s.from][s.context] = append(b.partitions[s.from][s.context], newStation(w.sim, 1, 0))
		}
	}
	w.broker = b
}

// lead starts the shard's relay in its first process: one process usually wins the leadership of every context.
func (w *world) lead(sh *shard) {
	leader := sh.members[0]
	r := &relay{sim: w.sim, costs: w.costs, at: leader, limit: relayUnderWay, async: true, stockShards: len(w.shards[inventory]), backlog: level{sim: w.sim}}
	if w.broker != nil {
		r.send, r.async = w.broker.send, w.topology.Bus.Async
	} else {
		for context := range w.shards {
			if len(w.shards[context]) > 0 {
				leader.neighbours[context] = w.shards[context][0].members[0]
			}
		}
		r.send = within(leader)
	}
	sh.relay = r
}

// employ gives a process of payments its senders, and the one that leads a reconciler too.
func (w *world) employ(m *member) {
	leader := m.shard.members[0]
	record := func(at *member) func(o *order) {
		return func(o *order) {
			at.laneOf(o.key).submit(w.jobOf(record, o, 0, at, func() { w.applied(record, o, 0, at) }))
		}
	}
	latency := w.costs.Provider.drawn(w.random("provider"))
	ask := func(_ *order, answered func()) { w.sim.after(latency(), answered) }
	if w.topology.TestPSP {
		books := w.shards[testpsp][0].members[0]
		ask = func(o *order, answered func()) { books.laneOf(o.key).submit(w.jobOf(charge, o, 0, books, answered)) }
	}
	if leader.reconciler == nil {
		leader.reconciler = &senders{sim: w.sim, at: leader, ask: ask, slots: newStation(w.sim, reconcilers, 0), free: reconcilers, record: record(leader)}
	}
	n := w.topology.Senders
	m.senders = &senders{sim: w.sim, at: m, ask: ask, slots: newStation(w.sim, n, 0), free: n, record: record(m), reconciler: leader.reconciler}
}

// laneOf is the lane of a key.
func (m *member) laneOf(key uint64) *lane { return m.lanes[key>>32%uint64(len(m.lanes))] }

// send writes a message into the outbox: the commit that calls it wakes the relay, in another process through the database.
func (m *member) send(o *order, s step, p int) {
	msg := message{step: s, order: o, part: p, key: o.key}
	r := m.shard.relay
	if n := uint64(r.stockShards); steps[s].context == inventory { // the shard that has the stock, not that of the order
		msg.key = o.key/n*n + uint64(o.parts[p].shard)
	}
	if m == r.at {
		r.committed(msg, true)
		return
	}
	r.sim.after(m.shard.db.trip, func() { r.committed(msg, false) })
}

// goods is what orders ask for.
type goods struct {
	world *world
	rand  *rand.Rand
	lines int // of each order; 0: of some more, of some less
}

// newOrder draws an order: its id, and how many lines of which SKUs, each in the shard of inventory that has it.
func (g *goods) newOrder() *order {
	w := g.world
	o := &order{key: g.rand.Uint64(), placed: w.sim.now}
	shards := len(w.shards[inventory])
	add := func(home int, r row) {
		for i := range o.parts {
			if o.parts[i].shard == home {
				o.parts[i].stock = append(o.parts[i].stock, r)
				return
			}
		}
		o.parts = append(o.parts, part{shard: home, stock: []row{r}})
	}
	if w.topology.Hot > 0 && g.rand.Float64() < w.topology.Hot {
		bucket := g.rand.IntN(w.topology.Buckets)
		add(bucket%shards, hotRow-row(bucket))
	} else {
		g.addCold(add, shards)
	}
	more := 1 - 1/w.costs.Orders.Lines
	for n := 1; n < g.lines || g.lines == 0 && g.rand.Float64() < more; n++ {
		g.addCold(add, shards)
	}
	return o
}

func (g *goods) addCold(add func(home int, r row), shards int) {
	sku := g.rand.IntN(g.world.costs.Orders.SKUs)
	add(sku%shards, row(sku))
}
