package main

import "math"

const (
	hoursOfMonth  = 730
	secondsOfYear = 365 * 24 * 3600
	gibibyte      = 1 << 30
)

// keptGiB are the disks that each context's databases need together, at a peak rate whose mean is a share of it: orders of so many days, what is kept
// for seven days, and room to spare.
func (l *laboratory) keptGiB(rate float64) (gib [contextCount]float64) {
	s := l.costs.Storage
	day := rate * l.costs.Sizing.Average * 24 * 3600
	for context := range testpsp {
		name := contextNames[context]
		gib[context] = day * (s.Order[name]*s.Days + s.Recent[name]*7) * s.Spare / gibibyte
	}
	return gib
}

// archivedGiB is what a year adds to the archive, one copy, not compressed.
func (l *laboratory) archivedGiB(rate float64) float64 {
	bytes := 0.0
	for _, b := range l.costs.Storage.Order {
		bytes += b
	}
	return rate * l.costs.Sizing.Average * secondsOfYear * bytes / gibibyte
}

// messages are those of orders and parcels, a second.
func (l *laboratory) messages(rate float64) float64 {
	all := 0.0
	for _, part := range l.costs.wayOf(rate) {
		all += part.rate * l.costs.billOf(part.steps, 1, 1).messages
	}
	return all
}

// brokerNodes carry all messages and their copies without exceeding the rule.
func (l *laboratory) brokerNodes(p *plan) int {
	if !p.Bus.Broker {
		return 0
	}
	b := l.costs.Broker
	mib := l.messages(p.rate) * b.Bytes * float64(b.Replicas) / (1 << 20)
	return max(b.Replicas, int(math.Ceil(mib/b.NodeMiB/l.costs.Sizing.Utilisation)))
}

// bus is the budget of messages.
func (l *laboratory) bus() (string, error) {
	t := newTable("orders/s:", "messages/s:", "MiB/s with copies:", "relays of orders:", "messages/s of each:", "partitions of all topics:", "messages/s of each:", "nodes of the broker:")
	for _, rate := range targets {
		p, err := l.plan(rate)
		if err != nil {
			return "", err
		}
		all := l.messages(rate)
		relays := p.of(orders).Shards
		sent := 0.0
		for _, part := range l.costs.wayOf(rate) {
			for _, id := range part.steps {
				if id.byMessage() && steps[id].from == orders {
					sent += part.rate
				}
			}
		}
		mib, partitions, each, nodes := "–", "–", "–", "none"
		if p.Bus.Broker {
			n := 0
			topics := map[[2]int]bool{}
			for id := range stepCount {
				s := steps[id]
				if topic := [2]int{s.from, s.context}; id.byMessage() && !topics[topic] {
					topics[topic] = true
					h := p.of(s.context)
					n += h.Shards * h.Replicas * p.Bus.Partitions
				}
			}
			mib = number(all * l.costs.Broker.Bytes * float64(l.costs.Broker.Replicas) / (1 << 20))
			partitions, each, nodes = count(n), number(all/float64(n)), count(l.brokerNodes(p))
		}
		t.row(number(rate), number(all), mib, count(relays), number(sent/float64(relays)), partitions, each, nodes)
	}
	return t.String(), nil
}

// storage is what is written, and what stays.
func (l *laboratory) storage() (string, error) {
	t := newTable("orders/s at the peak:", "context", "WAL MiB/s of a database:", "flushes/s:", "commits a flush:", "orders a year:", "on disks, GiB:", "of a database:", "connections of a database:")
	for _, rate := range targets {
		p, err := l.plan(rate)
		if err != nil {
			return "", err
		}
		kept := l.keptGiB(rate)
		for context := range testpsp {
			_, databases, h := p.hosts(context)
			if databases == 0 {
				continue
			}
			gib, name, contexts := kept[context], contextNames[context], 1
			if p.Together && !p.Servers {
				gib, name, contexts = total(kept), "all together", int(testpsp)
			}
			w := p.result.WAL[context]
			t.row(number(rate), name, number(w.MiB), number(w.Flushes), number(w.Commits/w.Flushes), number(rate*l.costs.Sizing.Average*secondsOfYear), number(gib),
				number(gib/float64(databases)), count(contexts*h.Replicas*(h.Lanes+readConns)))
		}
	}
	t.say("Orders stay in their database for %s days, inbox rows and Idempotency-Keys for seven; disks are %s times as large as what is on them. A year adds %s, %s and %s GiB to the archive.",
		number(l.costs.Storage.Days), number(l.costs.Storage.Spare), number(l.archivedGiB(targets[0])), number(l.archivedGiB(targets[1])), number(l.archivedGiB(targets[2])))
	return t.String(), nil
}

// machines are what a plan runs on.
type machines struct {
	processCores, databaseCores, brokerCores int
	nodes, databases, brokers                int
	diskGiB                                  float64
}

func (l *laboratory) machinesOf(p *plan) machines {
	var m machines
	for context := range testpsp {
		processes, databases, h := p.hosts(context)
		m.processCores += processes * h.Cores
		m.databaseCores += databases * h.DBCores * (1 + l.costs.Sizing.Standbys)
		m.databases += databases * (1 + l.costs.Sizing.Standbys)
	}
	m.brokers = l.brokerNodes(p)
	m.brokerCores = m.brokers * l.costs.Broker.NodeCores
	m.nodes = max(2, int(math.Ceil(float64(m.processCores)/(float64(l.costs.Sizing.NodeCores)*l.costs.Sizing.NodeUsable)))) // one may fail
	m.diskGiB = total(l.keptGiB(p.rate)) * float64(1+l.costs.Sizing.Standbys)
	return m
}

// money is what the machines cost, at the prices that the inputs state.
func (l *laboratory) money() (string, error) {
	c, unit := l.costs, l.costs.Prices.Unit
	t := newTable("orders/s at the peak:", "nodes for processes:", "database servers:", "broker nodes:", "cores:", "disk, GiB:", "cores, "+unit+"/month:", "disks:", "traffic:",
		"archive after a year:", "together:", unit+" for 1,000 orders:")
	for _, rate := range targets {
		p, err := l.plan(rate)
		if err != nil {
			return "", err
		}
		m := l.machinesOf(p)
		cores := float64(m.processCores)/c.Sizing.NodeUsable + float64(m.databaseCores+m.brokerCores)
		mean := rate * c.Sizing.Average * 3600 * hoursOfMonth // orders a month
		computing := cores * hoursOfMonth * c.Prices.CoreHour
		disks := m.diskGiB * c.Prices.GiBMonth
		traffic := l.movedGiB(p) * mean * c.Prices.GiBMoved
		archive := l.archivedGiB(rate) * c.Prices.Archive
		all := computing + disks + traffic + archive
		t.row(number(rate), count(m.nodes), count(m.databases), count(m.brokers), number(cores), number(m.diskGiB), number(computing), number(disks), number(traffic),
			number(archive), number(all), number(all/mean*1000))
	}
	t.say("Prices are parameters, no vendor's: %s %s a core-hour with its %s GiB of memory, %s a GiB-month of disk, %s a GiB between zones, %s a GiB-month in the archive. "+
		"Machines are sized for the peak and run all the time, nodes are paid for as far as processes fill them, each database has %d standby of the same size. Not in it: the provider's fees, backups, logs and traces, spare machines for deployments, and people.",
		unit, number(c.Prices.CoreHour), number(c.Sizing.GiBPerCore), number(c.Prices.GiBMonth), number(c.Prices.GiBMoved), number(c.Prices.Archive), c.Sizing.Standbys)
	return t.String(), nil
}

// movedGiB is what an order moves between zones: its WAL to each standby, its messages to the broker's other replicas.
func (l *laboratory) movedGiB(p *plan) float64 {
	bytes := p.result.Each.wal * float64(l.costs.Sizing.Standbys)
	if p.Bus.Broker {
		bytes += l.messages(1) * l.costs.Broker.Bytes * float64(l.costs.Broker.Replicas-1)
	}
	return bytes / gibibyte
}
