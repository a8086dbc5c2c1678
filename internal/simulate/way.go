package main

import "time"

// step is one transaction on the way of an order, named by what it is about.
type step int

// The way of an order, as docs/explanation/the-way-of-an-order.md tells it.
const (
	place      step = iota // POST /v1/orders
	reserve                // inventory hears ReserveStock
	reserved               // orders hears StockReserved
	take                   // payments hears TakePayment
	charge                 // the test provider books the charge
	record                 // payments records the provider's answer
	captured               // orders hears PaymentCaptured, and confirms
	commit                 // inventory hears CommitReservation
	create                 // shipping hears CreateShipment
	created                // orders hears ShipmentCreated: until a parcel leaves, that is all
	dispatch               // POST …/dispatch: the parcel leaves
	dispatched             // orders hears ShipmentDispatched
	issue                  // inventory hears ShipStock
	deliver                // POST …/deliver: the parcel has arrived
	delivered              // orders hears ShipmentDelivered
	sent                   // a relay deletes what arrived; counted a message
	recall                 // no transaction of its own: orders reads an order that another process placed, in that of reserved or dispatched
	stepCount
)

// steps says where each is applied, and who sends the message that asks for it; of those that no message asks for it is the context itself.
var steps = [stepCount]struct {
	name          string
	context, from int
}{
	place: {"place", orders, orders}, reserve: {"reserve", inventory, orders}, reserved: {"reserved", orders, inventory},
	take: {"take", payments, orders}, charge: {"charge", testpsp, testpsp}, record: {"record", payments, payments},
	captured: {"captured", orders, payments}, commit: {"commit", inventory, orders}, create: {"create", shipping, orders},
	created: {"created", orders, shipping}, dispatch: {"dispatch", shipping, shipping}, dispatched: {"dispatched", orders, shipping},
	issue: {"issue", inventory, orders}, deliver: {"deliver", shipping, shipping}, delivered: {"delivered", orders, shipping},
	sent: {"sent", orders, orders}, recall: {"recall", orders, orders},
}

// byMessage reports whether a message asks for the step.
func (s step) byMessage() bool { return steps[s].context != steps[s].from }

// order is one on its way, or its parcel.
type order struct {
	key   uint64 // stands for the hash of its id
	parts []part

	placed    time.Duration
	accepted  time.Duration // 201
	confirmed time.Duration
	ended     time.Duration
	measured  bool // it was placed in the measured time

	waits   int           // for answers of inventory's shards, or for the ends of branches
	at      *member       // where it was placed
	outcome func()        // tells a client who waits there
	sentAt  time.Duration // when ReserveStock was committed
}

// part is what of an order lies in one shard of inventory.
type part struct {
	shard int
	stock []row
}

// message asks for a step.
type message struct {
	step  step
	order *order
	part  int
	key   uint64 // decides the partition, and with it the shard
}

// applied is what follows from a step when its transaction is durable.
func (w *world) applied(s step, o *order, p int, at *member) {
	switch s {
	case place:
		o.at, o.accepted, o.sentAt, o.waits = at, w.sim.now, w.sim.now, len(o.parts)
		w.tally.accepted(o)
		for i := range o.parts {
			at.send(o, reserve, i)
		}
	case reserve:
		w.tally.reserved(o)
		at.send(o, reserved, p)
	case reserved: // of several shards the last answer takes the order on
		if o.waits--; o.waits == 0 {
			at.send(o, take, 0)
		}
	case take:
		at.senders.offer(o)
	case record:
		at.send(o, captured, 0)
	case captured:
		o.confirmed, o.waits = w.sim.now, len(o.parts)+1
		w.tally.confirmed(o)
		if o.outcome != nil {
			w.tell(o, at)
		}
		for i := range o.parts {
			at.send(o, commit, i)
		}
		at.send(o, create, 0)
	case create:
		at.send(o, created, 0)
	case commit, created:
		w.endOf(o)
	case dispatch:
		at.send(o, dispatched, 0)
	case dispatched:
		o.waits = len(o.parts) + 1
		for i := range o.parts {
			at.send(o, issue, i)
		}
		w.post(deliver, o)
	case deliver:
		at.send(o, delivered, 0)
	case issue, delivered:
		w.endOf(o)
	case charge, sent, recall, stepCount: // their callers go on by themselves
	}
}

// endOf ends one of an order's branches; the last one ends it.
func (w *world) endOf(o *order) {
	if o.waits--; o.waits == 0 {
		w.tally.ended(o)
	}
}

// tell answers a client who waited for the outcome: at once if its process has carried the order on, otherwise when that looks for itself.
func (w *world) tell(o *order, at *member) {
	if o.at == at {
		o.outcome()
		return
	}
	w.sim.after(outcomeLook-(w.sim.now-o.accepted)%outcomeLook, o.outcome)
}

// jobOf is the work of a step in a process.
func (w *world) jobOf(s step, o *order, p int, at *member, done func()) *job {
	j := &job{cost: w.costs.of(s), done: done}
	if (s == reserved || s == dispatched) && o.at != at { // a parcel leaves days after its order was in anybody's memory
		j.also = w.costs.of(recall)
	}
	if s == commit || s == create || s == created { // nobody waits for what follows the payment
		j.patience = company
	}
	if s == reserve || s == issue {
		j.stock, j.lines = o.parts[p].stock, len(o.parts[p].stock)
	}
	return j
}

// post brings a request to a process of the context, any of those that serve the order's shard.
func (w *world) post(s step, o *order) {
	shards := w.shards[steps[s].context]
	sh := shards[o.key%uint64(len(shards))]
	if sh.db.server.down {
		w.refuse(s, o)
		return
	}
	m := sh.members[w.balance.IntN(len(sh.members))]
	m.process.serve(w.costs.HTTP.Place.duration(), func() {
		m.laneOf(o.key).submit(w.jobOf(s, o, 0, m, func() { w.applied(s, o, 0, m) }))
	})
}

// refuse answers 503. An order is then not placed; who handles a parcel tries again.
func (w *world) refuse(s step, o *order) {
	if s == place {
		w.tally.refused(o)
		return
	}
	w.sim.after(time.Second, func() { w.post(s, o) })
}
