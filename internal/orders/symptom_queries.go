package orders

import (
	"context"
	"time"

	"shop/internal/platform/audit"
	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
)

// overdueAfter is how long after a deadline somebody should have done something about it: the process that leads looks every second.
const overdueAfter = time.Minute

// Symptoms are orders that wait for a person (compensation_failed), and those whose deadline passed without anybody doing something about it (overdue). Errors: sqldb.ErrUnavailable.
func (m *Module) Symptoms(ctx context.Context) ([]audit.Symptom, error) {
	seen, err := sqldb.RoundsSeen(ctx, m.needs.DB, "orders") // what came since may not be open, though it should be
	if err != nil {
		return nil, err
	}
	return audit.Find(ctx, m.needs.DB,
		audit.Look{Name: "compensation_failed", Query: `SELECT count(*) AS n, coalesce(min(updated_at), 0) AS since, coalesce(min(order_id), '') AS sample
			FROM order_summaries WHERE open AND saga_state = $1`, Args: []any{"compensation_failed"}},
		audit.Look{Name: "overdue", Query: `SELECT count(*) AS n, coalesce(min(deadline_at), 0) AS since, coalesce(min(order_id), '') AS sample
			FROM order_summaries WHERE deadline_at < $1 AND (open OR order_id >= $2)`, Args: []any{sqldb.Micros(m.needs.Clock.Now().Add(-overdueAfter)), id.At("ord", seen)}},
	)
}

var _ audit.Patient = (*Module)(nil)
