package orders

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shop/internal/platform/bus"
)

// Any interleaving of answers, old answers, cancellations, deadlines and operators, spread over two replicas that know nothing of each other's memory, leads every
// order to one end, with everything that was done either kept or taken back.
func TestEveryOrderComesToOneEndWhateverHappensInWhichOrder(t *testing.T) {
	eachHouse(t, 2, func(t *testing.T, h *house) {
		ends := map[string]int{}
		rapid.Check(t, func(rt *rapid.T) {
			life := &life{rt: rt, h: h}
			life.begin()
			for range rapid.IntRange(0, 50).Draw(rt, "length of the life") {
				life.next()
			}
			life.finish()
			life.requireSense()
			o, _, _ := h.order(rt, life.id)
			ends[string(o.Status)+" "+string(o.Cancelling)]++
		})
		found, err := h.replicas[0].Audit(t.Context())
		require.NoError(t, err)
		require.Empty(t, found)
		t.Log(ends)
		require.GreaterOrEqual(t, len(ends), 5, "the lives were too much alike: %v", ends)
	})
}

// life is an order's, as chance has it.
type life struct {
	rt   *rapid.T
	h    *house
	id   string
	part *part
	sent []bus.Body // by orders
	old  []bus.Body // what was said to orders
}

func (l *life) begin() {
	l.id = l.h.place(l.rt, l.replica())
	l.part = &part{id: l.id}
	l.h.world.parts[l.id] = l.part
	l.carry()
}

func (l *life) replica() int { return rapid.IntRange(0, 1).Draw(l.rt, "replica") }

// happens lets something unusual happen now and then.
func (l *life) happens(what string) bool { return rapid.IntRange(0, 4).Draw(l.rt, what) == 0 }

// carry takes what orders sent to where it belongs.
func (l *life) carry() {
	for _, b := range l.h.sent(l.rt) {
		if b.MessageKey() == l.id { // a life that failed before may have left something
			l.sent = append(l.sent, b)
			l.part.give(b)
		}
	}
}

// thing is something that can happen, and how likely it is beside others.
type thing struct {
	name   string
	weight int
	happen func()
}

// next lets one thing happen out of those that can.
func (l *life) next() {
	things := append(l.messages(), l.doings()...)
	var lots []string
	happen := map[string]func(){}
	for _, x := range things {
		happen[x.name] = x.happen
		for range x.weight {
			lots = append(lots, x.name)
		}
	}
	happen[rapid.SampledFrom(lots).Draw(l.rt, "next")]()
	l.carry()
}

// messages can be worked on and heard.
func (l *life) messages() (can []thing) {
	p := l.part
	for at, name := range []string{"inventory", "payments", "shipping"} {
		if len(p.in[at]) > 0 {
			can = append(can, thing{name + " works", 12, func() { p.work(at, l.happens) }})
		}
		if len(p.out[at]) > 0 {
			can = append(can, thing{name + " is heard", 12, func() { l.hear(at) }})
		}
	}
	if len(l.old) > 0 {
		can = append(can, thing{"an old message comes again", 2, func() { l.h.tell(l.rt, l.replica(), rapid.SampledFrom(l.old).Draw(l.rt, "old message")) }})
	}
	return can
}

// doings are what people, providers and clocks can do.
func (l *life) doings() []thing {
	p := l.part
	can := []thing{
		{"the customer cancels", 1, l.cancel},
		{"time passes", 1, func() { l.pass(time.Duration(rapid.IntRange(1, 1200).Draw(l.rt, "seconds")) * time.Second) }},
	}
	if p.payment == "pending" {
		can = append(can, thing{"the provider answers", 8, func() { p.settle(l.happens) }})
	}
	if p.reservation == "held" {
		can = append(can, thing{"the reservation expires", 2, p.expire})
	}
	if p.payment == "captured" && p.refunded < p.taken && !p.cancelling {
		can = append(can, thing{"an operator refunds", 1, func() { p.refund(rapid.Int64Range(1, p.taken-p.refunded).Draw(l.rt, "amount")) }})
	}
	if p.shipment == "created" {
		can = append(can, thing{"the parcel is dispatched", 3, p.dispatch})
	}
	if p.shipment == "dispatched" {
		can = append(can, thing{"the parcel is delivered", 3, p.deliver})
	}
	if o, _, _ := l.h.order(l.rt, l.id); o.SagaState() == string(compensationFailed) {
		can = append(can, thing{"an operator intervenes", 6, func() { l.intervene(rapid.SampledFrom([]string{actRetry, actSkip, actForce}).Draw(l.rt, "action")) }})
	}
	return can
}

func (l *life) hear(at int) {
	e := l.part.out[at][0]
	l.part.out[at] = l.part.out[at][1:]
	l.old = append(l.old, e)
	l.h.tell(l.rt, l.replica(), e)
}

func (l *life) cancel() {
	if err := l.h.replicas[l.replica()].requestCancel(context.Background(), buyer, l.id, "no more"); err != nil {
		require.ErrorIs(l.rt, err, ErrNotCancellable)
		o, _, _ := l.h.order(l.rt, l.id)
		require.Contains(l.rt, []Status{Shipped, Delivered}, o.Status)
	}
}

// pass lets time pass and whoever leads look at the deadlines.
func (l *life) pass(d time.Duration) {
	l.h.clock.Advance(d)
	m := l.h.replicas[l.replica()]
	due, err := m.store.due(context.Background(), l.h.clock.Now())
	require.NoError(l.rt, err)
	if slices.Contains(due, l.id) {
		require.NoError(l.rt, m.store.change(context.Background(), l.id, m.process.overdue))
	}
}

// intervene is an operator who does by hand what the provider refuses.
func (l *life) intervene(action string) {
	if action != actRetry {
		l.part.refunded = l.part.taken
	}
	require.NoError(l.rt, l.h.replicas[l.replica()].intervene(context.Background(), l.id, action, "by hand"))
}

// finish lets everybody do what is left, until nothing is.
func (l *life) finish() {
	never := func(string) bool { return false }
	for range 200 {
		p := l.part
		for at := range p.in {
			for len(p.in[at]) > 0 {
				p.work(at, never)
			}
			for len(p.out[at]) > 0 {
				l.hear(at)
				l.carry()
			}
		}
		if p.payment == "pending" {
			p.settle(never)
		}
		o, _, _ := l.h.order(l.rt, l.id)
		switch state := o.SagaState(); {
		case p.busy():
		case state == string(compensationFailed):
			l.intervene(actRetry)
		case state == "completed", state == "compensated":
			return
		default:
			require.FailNow(l.rt, "nobody does anything about it any more", "%s, %+v", state, o.Steps)
		}
		l.carry()
	}
	require.FailNow(l.rt, "it never ends")
}

// requireSense requires what must be true of an order at its end.
func (l *life) requireSense() {
	o, sum, rows := l.h.order(l.rt, l.id)
	l.requireOneEnd(o, rows)
	l.requireWayBack(o, rows)
	l.requireAgreement(o)

	want := l.h.replicas[0].store.project(o)
	require.Equal(l.rt, want.row(), sum.row())
	for i, m := range l.h.replicas { // what a replica remembers is what happened, or the start of it
		if kept, ok := m.store.cache.get(l.id); ok {
			past, err := replay(rows[:kept.Version])
			require.NoError(l.rt, err)
			require.Equal(l.rt, &past[0], kept, "replica %d", i)
		}
	}
}

// requireOneEnd: each thing that happens once happened once, and nothing came after the end.
func (l *life) requireOneEnd(o Order, rows []record) {
	times := map[string]int{}
	for _, r := range rows {
		if times["order.cancelled"] > 0 {
			require.Equal(l.rt, "payment.refunded", r.Type, "after the end")
		}
		times[r.Type]++
	}
	told := map[string]int{}
	for _, b := range l.sent {
		told[wordFor(b)]++
	}
	for event, word := range map[string]string{"order.placed": "OrderPlaced", "order.confirmed": "OrderConfirmed", "order.shipped": "OrderShipped",
		"order.delivered": "OrderDelivered", "order.cancelled": "OrderCancelled"} {
		require.LessOrEqual(l.rt, times[event], 1, event)
		require.Equal(l.rt, times[event], told[word], word)
	}
	require.Equal(l.rt, o.Status == Cancelled, times["order.cancelled"] == 1)
	require.Equal(l.rt, o.Status == Delivered, times["order.delivered"] == 1)
	require.Equal(l.rt, 1, told["ReserveStock"])
	require.LessOrEqual(l.rt, told["TakePayment"], 1)
	require.Equal(l.rt, times["order.shipped"], told["ShipStock"])
	asked := map[string]int{}
	for _, r := range rows {
		e, err := decodeEvent(r.Type, r.Data)
		require.NoError(l.rt, err)
		switch e := e.(type) {
		case *confirmed:
			asked["CreateShipment"]++
		case *compensationStarted:
			asked[undoing[e.Step]]++
		case *stepRetried:
			o, err := replay(rows[:r.Version])
			require.NoError(l.rt, err)
			if o[0].forward() {
				asked["CreateShipment"]++
			} else {
				asked[undoing[e.Step]]++
			}
		}
	}
	for _, command := range []string{"CreateShipment", "CancelShipment", "CancelPayment", "ReleaseStock"} {
		require.Equal(l.rt, asked[command], told[command], command)
	}
}

// undoing is the command that takes a step back.
var undoing = map[stepName]string{reserveStock: "ReleaseStock", takePayment: "CancelPayment", createShipment: "CancelShipment"}

// requireWayBack: what was begun and did not fail was taken back, once, the last first.
func (l *life) requireWayBack(o Order, rows []record) {
	var back []stepName
	for _, r := range rows {
		e, err := decodeEvent(r.Type, r.Data)
		require.NoError(l.rt, err)
		if e, ok := e.(*compensationCompleted); ok {
			back = append(back, e.Step)
		}
	}
	var want []stepName
	if o.Status == Cancelled {
		for s := createShipment; s >= reserveStock; s-- {
			if state := o.Steps[s].State; s != confirmOrder && state != notStarted && state != failed {
				want = append(want, s)
			}
		}
	}
	require.Equal(l.rt, want, back)
}

// requireAgreement: the neighbours have done what the order says.
func (l *life) requireAgreement(o Order) {
	p, about := l.part, fmt.Sprintf("%s: %+v", o.Status, *l.part)
	if o.Status == Cancelled {
		require.NotContains(l.rt, []string{"held", "committed", "shipped"}, p.reservation, about)
		require.Equal(l.rt, p.taken, p.refunded, about)
		require.NotContains(l.rt, []string{"created", "dispatched", "delivered"}, p.shipment, about)
		return
	}
	require.EqualValues(l.rt, 2000, p.taken, about)
	require.Equal(l.rt, p.taken, o.Captured, about)
	require.Equal(l.rt, p.refunded, o.Refunded, about)
	parcel, goods := map[Status]string{Confirmed: "created", Shipped: "dispatched", Delivered: "delivered"}, map[Status]string{Confirmed: "committed", Shipped: "shipped", Delivered: "shipped"}
	require.Equal(l.rt, parcel[o.Status], p.shipment, about)
	require.Equal(l.rt, goods[o.Status], p.reservation, about)
}
