package main

import (
	"math/bits"
	"time"
)

// job is a piece of work that shares a transaction with whatever else waits in its lane (sqldb.Job).
type job struct {
	cost  *stepCost
	also  *stepCost  // what it costs beside, once; may be nil
	count func() int // how many times the step's rows are written, asked when the job's turn has come; nil: once
	lines int        // of the order, for steps that cost more for each
	stock []row      // rows of stock that it changes
	done  func()     // after the commit

	patience time.Duration // how long it may wait for a transaction that another job wants (sqldb.Job.Patience)
}

// database is a shard of a context's data, as its lanes reach it.
type database struct {
	server *server
	stock  *locks
	trip   time.Duration // of the network, there and back
}

// lane is one writer of a process: it takes whatever waits, up to a batch, into one transaction (sqldb/group.go).
type lane struct {
	sim   *simulation
	costs *costs
	cpu   cores // of the process
	db    *database
	turns *turnstile // of the process
	batch int        // jobs that share a transaction at most

	waiting queue[*job]
	patient []*job
	enough  bool // the patience of the first of these has ended
	begun   int
	busy    bool
	did     batchMeter
}

func (l *lane) submit(j *job) {
	if j.patience == 0 {
		l.waiting.push(j)
		l.kick()
		return
	}
	if l.patient = append(l.patient, j); len(l.patient) == 1 {
		begun := l.begun
		l.sim.after(j.patience, func() {
			l.enough = l.enough || l.begun == begun
			l.kick()
		})
	}
}

// kick begins a transaction if somebody wants one and none is under way.
func (l *lane) kick() {
	if !l.busy && (l.waiting.len() > 0 || l.enough) {
		l.busy = true
		l.db.server.whenUp(func() { l.turns.take(l.waiting.len()+len(l.patient), l.begin) })
	}
}

// transaction is one batch on its way to the disk.
type transaction struct {
	*lane
	turn   *turn
	jobs   []*job
	began  time.Duration
	trips  int           // round trips to come: one for each answer, and the one that writes and commits
	goTrip time.Duration // CPU of the process in each
	pgTrip time.Duration // CPU of the server in each
	wal    float64       // bytes
	stock  []row
	locked time.Duration // CPU of the server while it has the rows of stock
	rows   micros        // CPU of both that is its jobs' own
}

func (l *lane) begin(t *turn) {
	tx := &transaction{lane: l, turn: t, began: l.sim.now}
	for l.waiting.len() > 0 && len(tx.jobs) < l.batch {
		tx.jobs = append(tx.jobs, l.waiting.pop())
	}
	tx.jobs = append(tx.jobs, l.patient...)
	l.patient, l.enough = nil, false
	l.begun++
	tx.price()
	tx.trip()
}

// price adds up what the batch costs: the transaction once, each statement once however many jobs need it, the rows of every job.
func (tx *transaction) price() {
	c := tx.costs
	var asks, statements uint64
	goCPU, pgCPU, locked := c.Transaction.Go, c.Transaction.PG, c.Statement.PG
	for _, j := range tx.jobs {
		n := micros(1)
		if j.count != nil {
			n = micros(j.count())
		}
		asks |= j.cost.asks
		statements |= j.cost.statements
		if j.also != nil {
			asks |= j.also.asks
			statements |= j.also.statements
			goCPU += j.also.Go
			pgCPU += j.also.PG
			tx.rows += j.also.Go + j.also.PG
		}
		locked += micros(j.lines) * j.cost.LinePG
		program, postgres := n*j.cost.Go, n*(j.cost.PG+micros(j.lines)*j.cost.LinePG)
		goCPU += program
		pgCPU += postgres
		tx.rows += program + postgres
		tx.wal += float64(n) * j.cost.WAL
		tx.stock = append(tx.stock, j.stock...)
	}
	tx.stock = sorted(tx.stock)
	tx.wal += c.Transaction.WAL
	count := bits.OnesCount64(statements)
	tx.trips = bits.OnesCount64(asks) + 1
	tx.goTrip = ((goCPU + micros(count)*c.Statement.Go) / micros(tx.trips)).duration()
	tx.pgTrip = ((pgCPU + micros(count)*c.Statement.PG) / micros(tx.trips)).duration()
	if len(tx.stock) > 0 {
		tx.locked = min(locked.duration(), tx.pgTrip)
	}
	tx.did.statements += count
	tx.did.trips += tx.trips
}

// trip is a round trip: the process prepares it, the network carries it, the server does it.
func (tx *transaction) trip() {
	tx.cpu.serve(tx.goTrip, func() {
		tx.sim.after(tx.db.trip, func() {
			if tx.trips--; tx.trips > 0 {
				tx.db.server.cpu.serve(tx.pgTrip, tx.trip)
				return
			}
			tx.commit()
		})
	})
}

// commit is what the server does in the last round trip. The stock is changed by the last statement before the COMMIT, so that its rows are
// locked as briefly as can be (sqldb/last.go).
func (tx *transaction) commit() {
	s := tx.db.server
	s.cpu.serve(tx.pgTrip-tx.locked, func() {
		tx.db.stock.take(tx.stock, func() {
			s.cpu.serve(tx.locked, tx.durable)
		})
	})
}

// durable passes the turn on and waits for the disk. If somebody wants the turn, the COMMIT is a round trip of its own.
func (tx *transaction) durable() {
	flush := func() { tx.db.server.wal.flush(tx.wal, tx.committed) }
	if !tx.turn.wanted() {
		flush()
	} else {
		tx.did.trips++
		tx.sim.after(tx.db.trip, flush)
	}
	tx.turn.end()
}

func (tx *transaction) committed() {
	tx.db.stock.release(tx.stock)
	l := tx.lane
	l.did.add(len(tx.jobs), l.sim.now-tx.began, tx.rows.duration())
	for _, j := range tx.jobs {
		j.done()
	}
	l.busy = false
	l.kick()
}

// batchMeter knows how long batches take, and so how many jobs a writer could do if they were always full.
type batchMeter struct {
	batches, jobs     float64
	took, own         float64 // seconds: of the batches, and of what is in them for each of their jobs
	statements, trips int
}

// add notes a batch: how long it took, and how much of that was work for its jobs alone, which a larger batch has more of.
func (m *batchMeter) add(jobs int, took, own time.Duration) {
	m.batches++
	m.jobs += float64(jobs)
	m.took += took.Seconds()
	m.own += own.Seconds()
}

func (m *batchMeter) reset() { *m = batchMeter{} }

// full is how many seconds a batch of so many jobs would take.
func (m *batchMeter) full(limit int) float64 {
	if m.batches == 0 {
		return 0
	}
	return m.took/m.batches + (float64(limit)-m.mean())*m.own/m.jobs
}

// utilisation is the rate of the jobs done in so much time, as a share of the rate that full batches would reach.
func (m *batchMeter) utilisation(limit int, during time.Duration) float64 {
	return m.jobs / during.Seconds() * m.full(limit) / float64(limit)
}

// mean is the mean size of a batch.
func (m *batchMeter) mean() float64 {
	if m.batches == 0 {
		return 0
	}
	return m.jobs / m.batches
}
