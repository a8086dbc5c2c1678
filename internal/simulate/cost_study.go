package main

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// toConfirmed are the steps of an order until nothing is left to do before its parcel leaves; the rest are those of the parcel.
var (
	toConfirmed = []step{place, reserve, reserved, take, record, captured, commit, create, created}
	ofParcel    = []step{dispatch, dispatched, issue, deliver, delivered}
)

// partOfWay is steps that are taken so often a second.
type partOfWay struct {
	rate  float64
	steps []step
}

// wayOf is the whole way: parcels leave at the mean rate of the orders, whatever the peak.
func (c *costs) wayOf(rate float64) []partOfWay {
	return []partOfWay{{rate, toConfirmed}, {rate * c.Sizing.Average, ofParcel}}
}

// bill is what steps cost together.
type bill struct {
	jobs, messages, statements, trips float64
	program, postgres                 micros
	wal                               float64
}

// billOf adds up steps of an order with so many lines whose transactions hold so many jobs, all of one kind.
func (c *costs) billOf(list []step, lines, batch float64) bill {
	var b bill
	for _, id := range list {
		s := c.of(id)
		statements := float64(bits.OnesCount64(s.statements))
		trips := float64(bits.OnesCount64(s.asks) + 1)
		b.jobs++
		b.statements += statements / batch
		b.trips += trips / batch
		b.program += s.Go + (c.Transaction.Go+micros(statements)*c.Statement.Go)/micros(batch)
		b.postgres += s.PG + (c.Transaction.PG+micros(statements)*c.Statement.PG)/micros(batch)
		b.wal += s.WAL + c.Transaction.WAL/batch
		if id == reserve || id == issue {
			b.postgres += micros(lines) * s.LinePG
		}
		if id == place || id == dispatch || id == deliver {
			b.program += c.HTTP.Place
		}
		if id.byMessage() {
			b.messages++
			b.program += c.Relay.Go + c.Consume.Go + c.of(sent).Go
			b.postgres += c.Relay.PG + c.of(sent).PG
			b.wal += c.of(sent).WAL
		}
	}
	return b
}

// costsOfAnOrder is the table of steps, and their sum for orders that are alone and for orders in full batches.
func (l *laboratory) costsOfAnOrder() (string, error) {
	c := l.costs
	t := newTable("step", "context", "asked for by", "statements", "of these with an answer", "program, µs:", "PostgreSQL, µs:", "WAL, bytes:")
	row := func(list []step) {
		for _, id := range list {
			s, by := c.of(id), "a message of "+contextNames[steps[id].from]
			switch id { //nolint:exhaustive // all others are asked for by messages
			case place, dispatch, deliver:
				by = "a request"
			case record:
				by = "the provider's answer"
			case recall:
				by = "reserved, if another process placed the order, and dispatched"
			}
			postgres := number(float64(s.PG))
			if s.LinePG > 0 {
				postgres += " + " + number(float64(s.LinePG)) + " a line"
			}
			t.row(steps[id].name, contextNames[steps[id].context], by, strconv.Itoa(len(s.Asks)+len(s.Writes)), strings.Join(s.Asks, ", "),
				number(float64(s.Go)), postgres, number(s.WAL))
		}
	}
	row(toConfirmed)
	row(ofParcel)
	row([]step{recall})
	t.row("a transaction", "", "", "", "", number(float64(c.Transaction.Go)), number(float64(c.Transaction.PG)), number(c.Transaction.WAL))
	t.row("a statement", "", "", "", "", number(float64(c.Statement.Go)), number(float64(c.Statement.PG)), "")
	t.row("a message, sent, taken and deleted", "", "", "", "", number(float64(c.Relay.Go+c.Consume.Go+c.of(sent).Go)), number(float64(c.Relay.PG+c.of(sent).PG)), number(c.of(sent).WAL))
	t.row("a request", "", "", "", "", number(float64(c.HTTP.Place)), "", "")

	sum := newTable("together", "jobs:", "messages:", "statements:", "round trips:", "program, ms:", "PostgreSQL, ms:", "orders/s a core:", "WAL, bytes:")
	for _, of := range []struct {
		what  string
		list  []step
		batch float64
	}{
		{"to confirmed, every job alone", toConfirmed, 1},
		{fmt.Sprintf("to confirmed, %d jobs a transaction", batchLimit), toConfirmed, batchLimit},
		{"the parcel, every job alone", ofParcel, 1},
		{fmt.Sprintf("the parcel, %d jobs a transaction", batchLimit), ofParcel, batchLimit},
	} {
		b := c.billOf(of.list, c.Orders.Lines, of.batch)
		sum.row(of.what, number(b.jobs), number(b.messages), number(b.statements), number(b.trips), number(float64(b.program)/1000), number(float64(b.postgres)/1000),
			number(1e6/float64(b.program+b.postgres)), number(b.wal))
	}
	return t.String() + "\n" + sum.String(), nil
}
