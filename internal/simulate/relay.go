package main

import "time"

// relay hands the committed messages of one shard's outbox to the transport and deletes those that arrived. It runs in one process, the leader
// (bus/relay.go, bus/flight.go).
type relay struct {
	sim   *simulation
	costs *costs
	at    *member // the leader
	send  func(msg message, ack func())
	async bool // it does not wait for one message's acknowledgement before it sends the next
	lost  bool // the leader is frozen and nobody has succeeded it

	stockShards int // of inventory

	outbox   [contextCount]queue[message] // by the context that they are for; committed and not read
	unread   int                          // of these
	underWay [contextCount]int            // from reading to deleting
	arrived  [contextCount]int
	limit    int // of those under way to one context
	running  bool
	deleting bool
	did      batchMeter
	backlog  level
}

// committed is the signal after a commit; here says that the leader's process has made it.
func (r *relay) committed(msg message, here bool) {
	r.backlog.add(1)
	context := steps[msg.step].context
	if here && r.costs.Relay.HandsOver && r.async && !r.running && !r.lost && r.unread == 0 && r.underWay[context] < r.limit {
		r.underWay[context]++
		r.at.process.serve(r.costs.Relay.Go.duration(), func() { r.send(msg, func() { r.acknowledged(msg) }) })
		return
	}
	r.outbox[context].push(msg)
	r.unread++
	r.wake()
}

func (r *relay) wake() {
	if !r.running && !r.lost {
		r.running = true
		r.at.shard.db.server.whenUp(r.round)
	}
}

// succeed lets a new leader take over.
func (r *relay) succeed() {
	r.lost = false
	r.wake()
}

// round reads what there is to be read, at most so many rows, of topics that are not full, and hands them on.
func (r *relay) round() {
	var batch []message
	for context := range r.outbox {
		for r.outbox[context].len() > 0 && len(batch) < relayRows && r.underWay[context] < r.limit {
			batch = append(batch, r.outbox[context].pop())
			r.unread--
			r.underWay[context]++
		}
	}
	if len(batch) == 0 || r.lost {
		r.giveBack(batch)
		r.running = false
		return
	}
	began, db := r.sim.now, r.at.shard.db
	each := (r.costs.Relay.PG + r.costs.Relay.Go).duration()
	if !r.async {
		each += r.costs.Broker.Ack.mean()
	}
	r.at.process.serve(r.costs.Statement.Go.duration(), func() {
		r.sim.after(db.trip, func() {
			db.server.cpu.serve((r.costs.Statement.PG + micros(len(batch))*r.costs.Relay.PG).duration(), func() {
				r.hand(batch, func() {
					r.did.add(len(batch), r.sim.now-began, time.Duration(len(batch))*each)
					db.server.whenUp(r.round)
				})
			})
		})
	})
}

// giveBack is for rows that were read by a leader that is none any more: the next one reads them again.
func (r *relay) giveBack(batch []message) {
	for _, msg := range batch {
		context := steps[msg.step].context
		r.underWay[context]--
		r.outbox[context].push(msg)
		r.unread++
	}
}

// hand gives the rows to the transport: at once, or each when the one before was acknowledged.
func (r *relay) hand(batch []message, done func()) {
	if r.async {
		r.at.process.serve((micros(len(batch)) * r.costs.Relay.Go).duration(), func() {
			for _, msg := range batch {
				r.send(msg, func() { r.acknowledged(msg) })
			}
			done()
		})
		return
	}
	if len(batch) == 0 {
		done()
		return
	}
	r.at.process.serve(r.costs.Relay.Go.duration(), func() {
		r.send(batch[0], func() {
			r.acknowledged(batch[0])
			r.hand(batch[1:], done)
		})
	})
}

func (r *relay) acknowledged(msg message) {
	r.arrived[steps[msg.step].context]++
	r.deleteArrived()
}

// deleteArrived deletes the acknowledged rows, sharing a commit with whatever the context writes at the moment. What arrives until the job's turn
// comes goes with it.
func (r *relay) deleteArrived() {
	if r.deleting || r.arrived == [contextCount]int{} || r.lost {
		return
	}
	r.deleting = true
	var going [contextCount]int
	r.at.lanes[0].submit(&job{cost: r.costs.of(sent), patience: relayTidy, count: func() int {
		going, r.arrived = r.arrived, [contextCount]int{}
		return sum(going)
	}, done: func() {
		r.deleting = false
		r.backlog.add(-float64(sum(going)))
		for context, n := range going {
			r.underWay[context] -= n
		}
		r.wake()
		r.deleteArrived()
	}})
}

func sum(counts [contextCount]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// utilisation is the rate of the messages read in so much time, as a share of the rate that full reads would reach.
func (r *relay) utilisation(during time.Duration) float64 {
	return r.did.utilisation(relayRows, during)
}
