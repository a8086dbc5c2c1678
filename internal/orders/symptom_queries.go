package orders

import (
	"context"
	"time"

	"shop/internal/platform/audit"
	"shop/internal/platform/sqldb"
)

// overdueAfter is how long after a deadline somebody should have done something about it: the process that leads looks every second.
const overdueAfter = time.Minute

// Symptoms are orders that wait for a person (compensation_failed), and those whose deadline passed without anybody doing something about it (overdue). Errors: sqldb.ErrUnavailable.
func (m *Module) Symptoms(ctx context.Context) ([]audit.Symptom, error) {
	var found []audit.Symptom
	for _, s := range []struct {
		name, query string
		args        []any
	}{
		{"compensation_failed", `SELECT count(*) AS n, coalesce(min(updated_at), 0) AS since, coalesce(min(order_id), '') AS sample
			FROM order_summaries WHERE saga_state = $1`, []any{"compensation_failed"}},
		{"overdue", `SELECT count(*) AS n, coalesce(min(deadline_at), 0) AS since, coalesce(min(order_id), '') AS sample
			FROM order_summaries WHERE open AND deadline_at < $1`, []any{sqldb.Micros(m.needs.Clock.Now().Add(-overdueAfter))}},
	} {
		var row struct {
			audit.Symptom
			At int64 `db:"since"`
		}
		if err := m.needs.DB.Get(ctx, &row, s.query, s.args...); err != nil {
			return nil, err
		}
		if row.Count > 0 {
			row.Name, row.Since = s.name, sqldb.Time(row.At)
			found = append(found, row.Symptom)
		}
	}
	return found, nil
}

var _ audit.Patient = (*Module)(nil)
