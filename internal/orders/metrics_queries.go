package orders

import (
	"context"
	"time"

	"shop/internal/platform/clock"
	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
)

// openStep is what is known of the orders that wait at one step.
type openStep struct {
	Step   string `db:"step"`
	N      int64  `db:"n"`
	Oldest int64  `db:"oldest"` // microseconds; when the one that was placed first was
	Late   int64  `db:"late"`   // whose deadline had passed at the time asked for
}

// openSteps counts the orders whose process waits, by step: those that are open, and those that no round has come by yet. Errors: sqldb.ErrUnavailable.
func (s *store) openSteps(ctx context.Context, deadline time.Time) (steps []openStep, err error) {
	err = s.db.Select(ctx, &steps, `SELECT CASE WHEN saga_state <> 'running' THEN 'compensation' WHEN status = 'confirmed' THEN 'create_shipment'
			WHEN fulfillment_status = 'reserved' THEN 'take_payment' ELSE 'reserve_stock' END AS step,
			count(*) AS n, min(placed_at) AS oldest, sum(CASE WHEN deadline_at < $1 THEN 1 ELSE 0 END) AS late
		FROM (SELECT * FROM order_summaries WHERE open UNION ALL SELECT * FROM order_summaries WHERE order_id >= $2 AND NOT open) s
		WHERE deadline_at IS NOT NULL GROUP BY 1`, sqldb.Micros(deadline), id.At("ord", clock.System.Now().Add(-2*s.deadlines.unexpected())))
	return steps, err
}

// failedCompensations counts the orders that wait for an operator. Errors: sqldb.ErrUnavailable.
func (s *store) failedCompensations(ctx context.Context) (n int64, err error) {
	err = s.db.Get(ctx, &n, `SELECT count(*) FROM order_summaries WHERE open AND saga_state = 'compensation_failed'`)
	return n, err
}
