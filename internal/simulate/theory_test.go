package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// queueing lets so many customers, who come as a Poisson process, through serve, and returns their mean time in it.
func queueing(sim *simulation, rate float64, customers int, serve func(done func())) time.Duration {
	pause := exponential(rate, sim.random("arrivals"))
	var inside time.Duration
	left := customers
	var arrive func()
	arrive = func() {
		began := sim.now
		serve(func() { inside += sim.now - began })
		if left--; left > 0 {
			sim.after(pause(), arrive)
		}
	}
	sim.after(pause(), arrive)
	sim.runWhile(func() bool { return true }, math.MaxInt64)
	return inside / time.Duration(customers)
}

const (
	service   = 10 * time.Millisecond
	customers = 100_000
)

func TestAQueueWithRandomServiceTakesAsLongAsTheorySays(t *testing.T) {
	for _, load := range []float64{0.3, 0.6, 0.8} {
		sim := newSimulation(7)
		st := newStation(sim, 1, 0)
		takes := exponential(1/service.Seconds(), sim.random("service"))
		rate := load / service.Seconds()
		w := queueing(sim, rate, customers, func(done func()) { st.serve(takes(), done) })
		require.InEpsilon(t, service.Seconds()/(1-load), w.Seconds(), 0.03, "M/M/1 at %v: 1/(μ−λ)", load)
		require.InEpsilon(t, load, st.utilisation(), 0.02)
	}
}

func TestAQueueWithConstantServiceTakesAsLongAsTheorySays(t *testing.T) {
	for _, load := range []float64{0.3, 0.6, 0.8} {
		sim := newSimulation(7)
		st := newStation(sim, 1, 0)
		w := queueing(sim, load/service.Seconds(), customers, func(done func()) { st.serve(service, done) })
		require.InEpsilon(t, service.Seconds()*(1+load/(2*(1-load))), w.Seconds(), 0.03, "M/D/1 at %v: Pollaczek and Khinchine", load)
	}
}

func TestSeveralServersShareAQueueAsTheorySays(t *testing.T) {
	const servers, load = 4, 0.8
	sim := newSimulation(7)
	st := newStation(sim, servers, 0)
	takes := exponential(1/service.Seconds(), sim.random("service"))
	w := queueing(sim, servers*load/service.Seconds(), customers, func(done func()) { st.serve(takes(), done) })
	offered, term, sum := servers*load, 1.0, 0.0
	for k := range servers {
		sum += term
		term *= offered / float64(k+1)
	}
	waits := term / (1 - load) / (sum + term/(1-load)) // Erlang's C: the probability of having to wait
	require.InEpsilon(t, service.Seconds()*(1+waits/(servers*(1-load))), w.Seconds(), 0.03)
}

func TestTimeSlicesLetAShortDemandPassALongOne(t *testing.T) {
	sim := newSimulation(1)
	st := newStation(sim, 1, time.Millisecond)
	var short, long time.Duration
	st.serve(100*time.Millisecond, func() { long = sim.now })
	st.serve(time.Millisecond, func() { short = sim.now })
	sim.run(time.Second)
	require.Equal(t, 2*time.Millisecond, short)
	require.Equal(t, 101*time.Millisecond, long)
}

// testLane is a lane whose transactions cost nothing but a flush that always takes as long as service, and what else the step costs.
func testLane(sim *simulation, batch int, s stepCost) *lane {
	var account time.Duration
	cpu := cores{newStation(sim, 1000, 0), &account}
	w := &wal{sim: sim, duration: func() time.Duration { return service }}
	db := &database{server: &server{sim: sim, cpu: cpu, wal: w}, stock: newLocks(sim, hotRow)}
	return &lane{sim: sim, costs: &costs{Steps: map[string]*stepCost{"place": &s}}, cpu: cpu, db: db, batch: batch}
}

func TestALaneWithOneJobATransactionIsAQueueWithConstantService(t *testing.T) {
	const load = 0.7
	sim := newSimulation(3)
	s := stepCost{}
	l := testLane(sim, 1, s)
	w := queueing(sim, load/service.Seconds(), customers, func(done func()) { l.submit(&job{cost: &s, done: done}) })
	require.InEpsilon(t, service.Seconds()*(1+load/(2*(1-load))), w.Seconds(), 0.03)
}

func TestALaneThatIsNeverIdleServesWhatCameDuringTheLastTransaction(t *testing.T) {
	sim := newSimulation(3)
	s := stepCost{}
	l := testLane(sim, 1_000_000, s)
	w := queueing(sim, 20/service.Seconds(), customers, func(done func()) { l.submit(&job{cost: &s, done: done}) })
	require.InEpsilon(t, 1.5*service.Seconds(), w.Seconds(), 0.02, "half a transaction of somebody else, and one's own")
	require.InEpsilon(t, 20, l.did.mean(), 0.02)
}

func TestALaneWithTooMuchToDoFillsItsBatches(t *testing.T) {
	const batch = 8
	sim := newSimulation(3)
	s := stepCost{}
	l := testLane(sim, batch, s)
	done := 0
	for range 10_000 {
		l.submit(&job{cost: &s, done: func() { done++ }})
	}
	sim.run(100 * service)
	require.Equal(t, 1+99*batch, done, "the first transaction began when there was only one job")
}

func TestALaneKnowsWhatFullBatchesWouldReach(t *testing.T) {
	const batch, rate = 32, 400.0
	sim := newSimulation(3)
	s := stepCost{PG: 1000} // of each job, in microseconds, beside 10 ms of each transaction
	l := testLane(sim, batch, s)
	queueing(sim, rate, 20_000, func(done func()) { l.submit(&job{cost: &s, done: done}) })
	most := batch / (service.Seconds() + batch*0.001)
	require.InEpsilon(t, rate/most, l.did.utilisation(batch, sim.now), 0.02)
}

func TestCommittersShareAFlush(t *testing.T) {
	sim := newSimulation(5)
	w := &wal{sim: sim, duration: func() time.Duration { return service }}
	mean := queueing(sim, 20/service.Seconds(), customers, func(done func()) { w.flush(100, done) })
	require.InEpsilon(t, 1.5*service.Seconds(), mean.Seconds(), 0.02)
	require.InEpsilon(t, customers/20, w.flushes, 0.02)
	require.InDelta(t, 100*customers, w.bytes, 0)
}

func TestAFlushTakesLongerTheMoreItWrites(t *testing.T) {
	sim := newSimulation(5)
	w := &wal{sim: sim, duration: func() time.Duration { return service }, perKiB: time.Microsecond}
	var at time.Duration
	w.flush(4<<20, func() { at = sim.now })
	sim.run(time.Minute)
	require.Equal(t, service+4096*time.Microsecond, at)
}

func TestARowHasOneHolderAndTheOthersWaitInLine(t *testing.T) {
	sim := newSimulation(1)
	l := newLocks(sim, hotRow)
	var order []int
	for i := range 3 {
		rows := sorted([]row{7, hotRow, 7})
		l.take(rows, func() {
			order = append(order, i)
			sim.after(service, func() { l.release(rows) })
		})
	}
	sim.run(10 * service)
	require.Equal(t, []int{0, 1, 2}, order)
	require.Empty(t, l.held)
	require.Equal(t, 2, l.waits)
	require.Equal(t, service+2*service, l.waited)
	require.InDelta(t, 0.3, l.used.mean(), 1e-9, "held for 30 of 100 ms")
}

func TestASpreadHasTheMedianThePercentileAndTheMeanItPromises(t *testing.T) {
	s := spread{Median: 900, P99: 3000}
	draw := s.drawn(newSimulation(2).random("spread"))
	var l latencies
	for range customers {
		l.note(true, draw())
	}
	got := l.summary()
	require.InEpsilon(t, 900, got.P50.Microseconds(), 0.02)
	require.InEpsilon(t, 3000, got.P99.Microseconds(), 0.03)
	require.InEpsilon(t, s.mean(), got.Mean, 0.01)
	require.Equal(t, 5*time.Microsecond, spread{Median: 5, P99: 5}.drawn(nil)(), "a spread without width is constant")
}

func TestEventsOfOneTimeRunInTheOrderInWhichTheyWerePlanned(t *testing.T) {
	sim := newSimulation(1)
	var ran []int
	for i := range 100 {
		sim.after(time.Duration(i%3), func() { ran = append(ran, i%3*100+i) })
	}
	sim.run(1)
	require.Len(t, ran, 67, "those of the third nanosecond have not come")
	sim.run(2)
	require.IsIncreasing(t, ran)
}
