package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testCosts are of the order of real ones. Those of the repository may change without an effect on the tests.
func testCosts(t *testing.T) *costs {
	t.Helper()
	c, err := readCosts("testdata/costs.json")
	require.NoError(t, err)
	return c
}

// steadyCosts have no chance in them but that of the orders.
func steadyCosts(t *testing.T) *costs {
	c := testCosts(t)
	for _, s := range []*spread{&c.Flush, &c.Provider, &c.Broker.Ack} {
		s.P99 = s.Median
	}
	return c
}

func (e experiment) must(t *testing.T, c *costs) *result {
	t.Helper()
	r, err := e.run(c)
	require.NoError(t, err)
	return r
}

// apart is a small topology of processes with one context each.
func apart(shards, replicas, lanes int) topology {
	t := topology{Senders: 1024, Bus: busTopology{Broker: true, Async: true}}
	for context := range testpsp {
		t = t.with(context, func(h *hosting) { *h = hosting{Shards: shards, Replicas: replicas, Lanes: lanes} })
	}
	return t
}

var someTopologies = map[string]topology{
	"one machine":                 {Machine: 2, Together: true, TestPSP: true},
	"one process":                 {Together: true},
	"processes on one database":   {Together: true, Process: hosting{Replicas: 3}},
	"a database for each context": {Together: true, Servers: true},
	"a broker":                    apart(1, 2, 2),
	"shards":                      apart(3, 2, 2),
	"a hot product in buckets":    func() topology { t := apart(3, 2, 2); t.Hot, t.Buckets = 0.5, 8; return t }(),
	"one job a transaction":       apart(2, 2, 16).with(orders, func(h *hosting) { h.Batch = 1 }),
	"relays that wait":            {Senders: 1024, Bus: busTopology{Broker: true}},
}

func TestEveryOrderEndsOnceWhenMessagesAreHandedOver(t *testing.T) {
	c := testCosts(t)
	c.Relay.HandsOver = true
	for _, name := range []string{"one machine", "processes on one database", "shards"} {
		r := experiment{topology: someTopologies[name], seed: 3, rate: 300, warm: time.Second, measure: 3 * time.Second, drain: time.Hour}.must(t, c)
		require.Zero(t, r.Unended)
		require.Zero(t, r.Twice)
		require.InEpsilon(t, 300, r.Rate, 0.1)
	}
}

func TestEveryOrderEndsOnce(t *testing.T) {
	c := testCosts(t)
	for name, topology := range someTopologies {
		t.Run(name, func(t *testing.T) {
			rate := 200.0
			if name == "relays that wait" {
				rate = 50
			}
			var seen *world
			r := experiment{topology: topology, seed: 11, rate: rate, parcels: 50, warm: time.Second, measure: 3 * time.Second, drain: time.Hour,
				fault: func(w *world) { seen = w }}.must(t, c)
			require.Positive(t, r.Placed)
			require.Zero(t, r.Unended)
			seen.sim.runWhile(func() bool { return seen.tally.done < seen.tally.all || seen.tally.arrived < seen.tally.shipped }, 2*time.Hour)
			require.Equal(t, seen.tally.all, seen.tally.done)
			require.Equal(t, seen.tally.shipped, seen.tally.arrived)
			require.Zero(t, seen.tally.twice)
			require.Zero(t, seen.tally.inside.value)
			require.Zero(t, seen.tally.pending.value)
			seen.sim.run(seen.sim.now + time.Minute)
			for context := range seen.shards {
				for _, sh := range seen.shards[context] {
					require.Zero(t, sh.relay.backlog.value, "the outbox of %s is empty", contextNames[context])
					require.Empty(t, sh.db.stock.held, "nothing is locked")
				}
			}
		})
	}
}

func TestOrdersInsideAreTheirRateTimesTheirTime(t *testing.T) {
	c := testCosts(t)
	for name, topology := range someTopologies {
		if name == "relays that wait" {
			continue // it is too slow for so many
		}
		t.Run(name, func(t *testing.T) {
			r := experiment{topology: topology, seed: 5, rate: 250, warm: 2 * time.Second, measure: 6 * time.Second, drain: time.Minute}.must(t, c)
			require.InEpsilon(t, r.Inside, r.Ending*r.Sojourn.Seconds(), 0.03, "Little's law")
		})
	}
}

func TestASeedGivesTheSameRunAndAnotherSeedAnother(t *testing.T) {
	c := testCosts(t)
	run := func(seed uint64) *result {
		return experiment{topology: someTopologies["a hot product in buckets"], seed: seed, rate: 300, parcels: 30, warm: time.Second, measure: 2 * time.Second, drain: time.Minute}.must(t, c)
	}
	first, again, other := run(1), run(1), run(2)
	require.Equal(t, first, again)
	require.NotEqual(t, first.Confirm, other.Confirm)
}

// alone is how long a transaction with one job of the step takes when nobody else wants anything.
func alone(c *costs, id step, lines int, network string) time.Duration {
	s := c.of(id)
	statements := micros(len(s.Asks) + len(s.Writes))
	trips := micros(len(s.Asks) + 1)
	work := c.Transaction.Go + c.Transaction.PG + s.Go + s.PG + statements*(c.Statement.Go+c.Statement.PG) + trips*c.Trip[network]
	if id == reserve {
		work += micros(lines) * s.LinePG
	}
	return (work + c.Flush.Median).duration()
}

func TestAnOrderAloneTakesAsLongAsItsParts(t *testing.T) {
	c := steadyCosts(t)
	c.Disk = 1e12
	e := experiment{topology: topology{Together: true}, seed: 1, clients: 1, lines: 2, measure: 20 * time.Millisecond, drain: time.Minute}
	r := e.must(t, c)
	accepted := c.HTTP.Place.duration() + alone(c, place, 2, zone)
	require.InDelta(t, accepted, r.Accept.P50, float64(time.Microsecond))

	message := (c.Statement.Go + c.Statement.PG + c.Trip[zone] + c.Relay.PG + c.Relay.Go + c.Consume.Go).duration()
	deleted := c.of(sent) // ReserveStock, in the transaction of the answer to it
	tidy := (c.Statement.Go + c.Statement.PG + c.Trip[zone] + deleted.Go + deleted.PG).duration()
	confirmed := accepted + c.Provider.Median.duration() + tidy
	for _, id := range []step{reserve, reserved, take, record, captured} {
		confirmed += alone(c, id, 2, zone)
		if id.byMessage() {
			confirmed += message
		}
	}
	require.InDelta(t, confirmed, r.Confirm.P50, float64(20*time.Microsecond))
}

func TestAMessageThatIsHandedOverIsNotRead(t *testing.T) {
	c := steadyCosts(t)
	e := experiment{topology: topology{Together: true}, seed: 1, clients: 1, lines: 2, measure: 20 * time.Millisecond, drain: time.Minute}
	read := e.must(t, c)
	c.Relay.HandsOver = true
	handed := e.must(t, c)
	reading := (c.Statement.Go + c.Statement.PG + c.Trip[zone] + c.Relay.PG).duration()
	require.InDelta(t, 4*reading, read.Confirm.P50-handed.Confirm.P50, float64(20*time.Microsecond), "ReserveStock and its answer, TakePayment and its answer")
}

func TestWhatTheCPUDidIsOnTheAccountOfSomebody(t *testing.T) {
	c := testCosts(t)
	var seen *world
	e := experiment{topology: topology{Machine: 2, Together: true, TestPSP: true}, seed: 1, clients: 16, warm: time.Second, measure: 5 * time.Second}
	e.fault = func(w *world) {
		seen = w
		w.sim.after(6*time.Second-1, func() {
			w.machines[0].used.settle()
			spent := w.spent.program + w.spent.postgres + w.spent.clients
			require.InDelta(t, w.machines[0].used.area, spent.Seconds(), 0.05)
		})
	}
	e.must(t, c)
	require.Positive(t, seen.spent.clients)
}

func TestAnOrderOfManyInABatchCostsWhatTheBillSays(t *testing.T) {
	c := testCosts(t)
	r := experiment{topology: topology{Together: true, Senders: 4096, Process: hosting{Cores: 64, DBCores: 64}}, seed: 1, rate: 900, lines: 2,
		warm: 2 * time.Second, measure: 10 * time.Second}.must(t, c)
	full, single := c.billOf(toConfirmed, 2, batchLimit), c.billOf(toConfirmed, 2, 1)
	for _, is := range []struct{ least, got, most float64 }{
		{float64(full.program), float64(r.Each.program.Microseconds()), float64(single.program)},
		{float64(full.postgres), float64(r.Each.postgres.Microseconds()), float64(single.postgres)},
		{full.trips, r.Each.trips, single.trips},
		{full.wal, r.Each.wal, single.wal},
	} {
		require.Greater(t, is.got, is.least)
		require.Less(t, is.got, is.most)
	}
}

func TestWithoutABrokerTheLeaderDoesTheWorkOfAllMessages(t *testing.T) {
	c := testCosts(t)
	jobsOf := func(topology topology) (jobs []float64) {
		experiment{topology: topology, seed: 1, rate: 200, warm: time.Second, measure: time.Second, drain: 0, fault: func(w *world) {
			w.sim.after(2*time.Second-1, func() {
				for _, m := range w.shards[inventory][0].members {
					jobs = append(jobs, m.lanes[0].did.jobs)
				}
			})
		}}.must(t, c)
		return jobs
	}
	together := jobsOf(topology{Together: true, Process: hosting{Replicas: 2}})
	require.Positive(t, together[0])
	require.Zero(t, together[1])
	brokered := jobsOf(apart(1, 2, 1))
	require.Greater(t, brokered[1], brokered[0]/2, "the leader also deletes what its relay sent")
}

func TestARelayThatWaitsForEachAcknowledgementSendsOneAtATime(t *testing.T) {
	c := steadyCosts(t)
	topology := topology{Senders: 1024, Bus: busTopology{Broker: true}}
	r := experiment{topology: topology, seed: 1, rate: 300, warm: 2 * time.Second, measure: 4 * time.Second, drain: 0}.must(t, c)
	toEnd := 4.0 // ReserveStock, TakePayment, CommitReservation, CreateShipment
	one := c.Broker.Ack.Median + c.Broker.Message + c.Relay.Go
	require.Less(t, r.Rate*toEnd, 1.35*1e6/float64(one), "confirmed orders have sent two of the four")
	require.Greater(t, r.find(orders, "relay").Peak, 0.9)
	topology.Bus.Async = true
	r = experiment{topology: topology, seed: 1, rate: 300, warm: 2 * time.Second, measure: 4 * time.Second, drain: 0}.must(t, c)
	require.InEpsilon(t, 300, r.Rate, 0.1)
}

func TestAHotRowLetsOneTransactionThroughAtATime(t *testing.T) {
	c := steadyCosts(t)
	c.Disk, c.Orders.Lines = 1e12, 1
	rateOf := func(batch, buckets int) float64 {
		topology := apart(1, 2, 4).with(inventory, func(h *hosting) { h.Lanes, h.Batch, h.DBCores, h.Cores = 16, batch, 256, 64 })
		topology.Hot, topology.Buckets = 1, buckets
		r := experiment{topology: topology, seed: 1, rate: 2000, warm: time.Second, measure: time.Second, drain: 0}.must(t, c)
		return r.Rate
	}
	hold := c.Statement.PG + c.of(reserve).LinePG + c.Flush.Median // every flush serves this one commit, or it shares the next
	one := rateOf(1, 1)
	require.LessOrEqual(t, one, 1.05*1e6/float64(hold))
	require.Greater(t, one, 0.4*1e6/float64(hold))
	require.Greater(t, rateOf(1, 8), 1.8*one, "buckets let others pass")
	require.Greater(t, rateOf(batchLimit, 1), 1.8*one, "and so does sharing the transaction")
}

func TestAnOrderAsksEachShardOfInventoryThatHasItsGoods(t *testing.T) {
	c := testCosts(t)
	var w *world
	experiment{topology: apart(4, 1, 1), seed: 1, rate: 1, measure: time.Second, fault: func(seen *world) { w = seen }}.must(t, c)
	for range 1000 {
		o := w.goods.newOrder()
		shards, rows := map[int]bool{}, 0
		for _, p := range o.parts {
			require.False(t, shards[p.shard], "a shard is asked once")
			shards[p.shard] = true
			for _, r := range p.stock {
				require.Equal(t, p.shard, int(r)%4)
				rows++
			}
		}
		require.Positive(t, rows)
	}
}

func TestThePaymentsThatNoSenderTakesAreTakenByTheReconciler(t *testing.T) {
	c := steadyCosts(t)
	topology := topology{Together: true, Senders: 16} // 16 calls of 120 ms: 133 a second
	r := experiment{topology: topology, seed: 1, rate: 300, measure: 8 * time.Second, drain: time.Hour}.must(t, c)
	require.Zero(t, r.Unended)
	require.Positive(t, r.Late)
	require.InDelta(t, 1, r.find(payments, "senders").Peak, 0.05)
	require.Greater(t, r.Confirm.P99, senderLease)
}

func TestSendersAreAsBusyAsTheProviderIsSlow(t *testing.T) {
	c := steadyCosts(t)
	r := experiment{topology: topology{Together: true}, seed: 1, rate: 200, warm: time.Second, measure: 10 * time.Second}.must(t, c)
	require.InEpsilon(t, r.Rate*c.Provider.Median.duration().Seconds()/64, r.find(payments, "senders").Mean, 0.01)
}
