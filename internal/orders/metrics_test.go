package orders

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/sqldb"
)

// measured is what the metrics of orders say now: of counters and gauges the value, of histograms how many were observed. The key is the name and the values of the labels:
// "shop_orders_cancelled_total out_of_stock".
func (s *shop) measured() map[string]float64 {
	s.t.Helper()
	families, err := s.metrics.Gather()
	require.NoError(s.t, err)
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := []string{f.GetName()}
			for _, l := range m.GetLabel() {
				key = append(key, l.GetValue())
			}
			all[strings.Join(key, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

// says requires these metrics, and that all others about orders and sagas are 0.
func (s *shop) says(want map[string]float64) {
	s.t.Helper()
	got := s.measured()
	for name, value := range got {
		if value == 0 {
			delete(got, name)
		}
	}
	require.Equal(s.t, want, got)
}

func TestEachOrderIsCountedOnceWithWhatBecameOfIt(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.says(map[string]float64{})
		s.untilStep(s.place(), createShipment, completed) // 20.00 EUR
		s.rest()
		s.says(map[string]float64{
			"shop_orders_placed_total": 1, "shop_orders_confirmed_total": 1, "shop_orders_revenue_total EUR": 2000,
			"shop_saga_step_duration_seconds reserve_stock": 1, "shop_saga_step_duration_seconds take_payment": 1,
			"shop_saga_step_duration_seconds create_shipment": 1,
		})
		instead(s.inventory.neighbour, s.inventory.refuse)
		s.untilStatus(s.place(), Cancelled)
		s.behave()
		instead(s.payments.neighbour, s.payments.decline)
		s.untilStatus(s.place(), Cancelled)
		s.behave()
		s.rest()
		s.says(map[string]float64{
			"shop_orders_placed_total": 3, "shop_orders_confirmed_total": 1, "shop_orders_revenue_total EUR": 2000,
			"shop_orders_cancelled_total out_of_stock": 1, "shop_orders_cancelled_total payment_declined": 1, "shop_saga_compensated_total reserve_stock": 1,
			"shop_saga_step_duration_seconds reserve_stock": 3, "shop_saga_step_duration_seconds take_payment": 2,
			"shop_saga_step_duration_seconds create_shipment": 1,
		})
	})
}

func TestMoneyThatGoesBackIsCountedOnceWhoeverGivesIt(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := s.place()
		s.untilStep(id, createShipment, completed)
		s.payments.refund(id, 500)
		s.until(id, func(o orderBody) bool { return o.Payment == "partially_refunded" })
		s.rest()
		require.InDelta(t, 500, s.measured()["shop_orders_refunded_total EUR"], 0)
		s.cancel(id).is(http.StatusAccepted)
		s.untilStatus(id, Cancelled)
		s.rest()
		got := s.measured()
		require.InDelta(t, 2000, got["shop_orders_refunded_total EUR"], 0, "the rest went back with the order")
		require.InDelta(t, 1, got["shop_orders_cancelled_total customer_request"], 0)
		for _, step := range []string{"create_shipment", "take_payment", "reserve_stock"} {
			require.InDelta(t, 1, got["shop_saga_compensated_total "+step], 0, step)
		}
	})
}

func TestOrdersThatWaitAreToldByTheirStepAndTheirAge(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		s.place()
		s.place()
		s.rest()
		s.inventory.behaves()
		ignores[paymentsapi.TakePayment](s.payments.neighbour)
		s.clock.Advance(30 * time.Second)
		s.untilStep(s.place(), takePayment, started)
		s.clock.Advance(30 * time.Second)
		got := s.measured()
		require.InDelta(t, 2, got["shop_saga_running reserve_stock"], 0)
		require.InDelta(t, 60, got["shop_saga_oldest_age_seconds reserve_stock"], 0)
		require.InDelta(t, 1, got["shop_saga_running take_payment"], 0)
		require.InDelta(t, 30, got["shop_saga_oldest_age_seconds take_payment"], 0)
		require.Zero(t, got["shop_saga_running create_shipment"])
		require.Zero(t, got["shop_saga_stuck deadline"])

		stopped, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, s.m.Stop(stopped)) // nobody looks at deadlines any more
		s.clock.Advance(2*time.Minute + time.Second)
		require.InDelta(t, 2, s.measured()["shop_saga_stuck deadline"], 0, "those that wait for stock should have been cancelled")
	})
}

func TestAnOrderThatWaitsForAnOperatorIsStuck(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := stuck(s)
		require.InDelta(t, 1, s.measured()["shop_saga_stuck compensation_failed"], 0)
		s.behave()
		s.intervene(id, actRetry, "the dispute is over").is(http.StatusAccepted)
		s.untilStatus(id, Cancelled)
		s.rest()
		got := s.measured()
		require.Zero(t, got["shop_saga_stuck compensation_failed"])
		require.InDelta(t, 1, got["shop_saga_retries_total operator take_payment"], 0)
	})
}

// A scrape must cost the same however many orders there are.
func TestAScrapeReadsOnlyOrdersThatWait(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.untilStep(s.place(), createShipment, completed)
		s.rest()
		numbers, explain := "generate_series(1, 20000) AS n(n)", "EXPLAIN "
		if s.db.Dialect() == sqldb.SQLite { // whose plans do not depend on how many there are
			numbers, explain = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100) SELECT n FROM c) AS n", "EXPLAIN QUERY PLAN "
		}
		columns := strings.Join(rowColumns[1:], ", ")
		require.NoError(t, s.db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO order_summaries (order_id, `+columns+`) SELECT 'ord_old' || n.n, `+columns+` FROM order_summaries, `+numbers)
			return err
		}))
		for _, q := range []struct{ query, index string }{
			{`SELECT status, count(*), min(placed_at) FROM order_summaries WHERE open GROUP BY 1`, "order_summaries_open"},
			{`SELECT count(*) FROM order_summaries WHERE open AND saga_state = 'compensation_failed'`, "order_summaries_open"},
		} {
			plan := s.plan(explain + q.query)
			require.True(t, slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, q.index) }), "%s\n%s", q.query, strings.Join(plan, "\n"))
		}
	})
}

// plan is what the database says of how it would execute a query.
func (s *shop) plan(explain string) (lines []string) {
	s.t.Helper()
	if s.db.Dialect() == sqldb.Postgres {
		require.NoError(s.t, s.db.Select(s.t.Context(), &lines, explain))
		return lines
	}
	var rows []struct {
		ID, Parent, NotUsed int64
		Detail              string
	}
	require.NoError(s.t, s.db.Select(s.t.Context(), &rows, explain))
	for _, r := range rows {
		lines = append(lines, fmt.Sprint(r.Detail))
	}
	return lines
}
