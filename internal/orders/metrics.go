package orders

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shop/internal/platform/metrics"
	"shop/internal/platform/sqldb"
)

// counters tell of the business and of the process: once for each event, when it is durable, in the process that wrote it. An event of which the database did not say
// whether it is durable, and that turned out to be, is not counted.
type counters struct {
	placed, confirmed prometheus.Counter
	cancelled         map[Reason]prometheus.Counter
	revenue, refunded *metrics.ByCurrency
	compensated       [stepCount]prometheus.Counter
	retries           [stepCount]map[string]prometheus.Counter // by who wanted it
	took              [stepCount]prometheus.Observer
}

// newCounters registers them; nil counts nothing.
func newCounters(r prometheus.Registerer) *counters {
	if r == nil {
		return nil
	}
	cancelled, compensated, retries := metrics.OrdersCancelled.CounterVec(nil), metrics.SagaCompensated.CounterVec(nil), metrics.SagaRetries.CounterVec(nil)
	took, revenue, refunded := metrics.SagaStepDuration.HistogramVec(nil), metrics.OrdersRevenue.CounterVec(nil), metrics.OrdersRefunded.CounterVec(nil)
	c := &counters{
		placed: metrics.OrdersPlaced.Counter(nil), confirmed: metrics.OrdersConfirmed.Counter(nil), cancelled: map[Reason]prometheus.Counter{},
		revenue: metrics.NewByCurrency(revenue), refunded: metrics.NewByCurrency(refunded),
	}
	for _, why := range []Reason{OutOfStock, PaymentDeclined, CustomerRequest, TimedOut, Failed} {
		c.cancelled[why] = cancelled.WithLabelValues(string(why))
	}
	for _, s := range []stepName{reserveStock, takePayment, createShipment} { // those that others answer
		c.took[s] = took.WithLabelValues(s.String())
		c.compensated[s] = compensated.WithLabelValues(s.String())
		c.retries[s] = map[string]prometheus.Counter{byDeadline: retries.WithLabelValues(s.String(), byDeadline), byOperator: retries.WithLabelValues(s.String(), byOperator)}
	}
	r.MustRegister(c.placed, c.confirmed, cancelled, compensated, retries, took, revenue, refunded)
	return c
}

// tally is what the events of one change have to count.
type tally struct {
	events   []event
	refunded int64
	took     [stepCount]time.Duration // of the steps that were answered; 0: it was not
}

// see notes what an event made of the order.
func (t *tally) see(before, after *Order) {
	t.refunded += after.Refunded - before.Refunded
	for s := range after.Steps {
		if was, is := &before.Steps[s], &after.Steps[s]; was.State == started && (is.State == completed || is.State == failed) {
			t.took[s] = max(1, is.FinishedAt.Sub(was.StartedAt))
		}
	}
}

// count counts a change that is durable. o is the order after it.
func (c *counters) count(o *Order, t *tally) {
	if c == nil {
		return
	}
	for _, e := range t.events {
		switch e := e.(type) {
		case *placed:
			c.placed.Inc()
		case *confirmed:
			c.confirmed.Inc()
			c.revenue.Add(o.Placed.Total.Currency, o.Captured)
		case *cancelled:
			if n := c.cancelled[e.Reason]; n != nil {
				n.Inc()
			}
		case *compensationCompleted:
			if n := c.compensated[e.Step]; n != nil {
				n.Inc()
			}
		case *stepRetried:
			if n := c.retries[e.Step][e.By]; n != nil {
				n.Inc()
			}
		}
	}
	if t.refunded > 0 {
		c.refunded.Add(o.Placed.Total.Currency, t.refunded)
	}
	for s, took := range t.took {
		if took > 0 {
			c.took[s].Observe(took.Seconds())
		}
	}
}

// overlooked is how long after its deadline an order is stuck: whoever leads looks every second.
const overlooked = time.Minute

// readSagas tells of the orders whose process has not ended. It reads only these, so that a scrape costs the same however many orders there are.
func (s *store) readSagas(ctx context.Context, tell func(d *metrics.Definition, value float64, labels ...string)) error {
	now := s.clock.Now()
	steps, err := s.openSteps(ctx, now.Add(-overlooked))
	if err != nil {
		return err
	}
	at, late := map[string]openStep{}, int64(0)
	for _, st := range steps {
		at[st.Step] = st
		late += st.Late
	}
	for _, step := range metrics.SagaRunning.Labels[0].Values {
		tell(metrics.SagaRunning, float64(at[step].N), step)
		age := time.Duration(0)
		if at[step].N > 0 {
			age = max(0, now.Sub(sqldb.Time(at[step].Oldest)))
		}
		tell(metrics.SagaOldest, age.Seconds(), step)
	}
	tell(metrics.SagaStuck, float64(late), metrics.StuckDeadline)
	failed, err := s.failedCompensations(ctx)
	if err != nil {
		return err
	}
	tell(metrics.SagaStuck, float64(failed), metrics.StuckCompensation)
	return nil
}
