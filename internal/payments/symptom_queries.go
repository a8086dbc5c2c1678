package payments

import (
	"context"
	"time"

	"shop/internal/platform/audit"
	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
)

// neglectedAfter is how long after its time a row should have been looked at: the process that leads does five times a second.
const neglectedAfter = time.Minute

// Symptoms are payments whose outcome the provider has not told yet (payment_unknown), refunds of which the same is true (refund_unknown), and what should have been asked about and was
// not (neglected). Errors: sqldb.ErrUnavailable.
func (m *Module) Symptoms(ctx context.Context) ([]audit.Symptom, error) {
	late := sqldb.Micros(m.clock.Now().Add(-neglectedAfter))
	seen, err := sqldb.RoundsSeen(ctx, m.db, "payments") // what came since may have been left behind
	if err != nil {
		return nil, err
	}
	return audit.Find(ctx, m.db,
		audit.Look{Name: "payment_unknown", Query: `SELECT count(*) AS n, coalesce(min(created_at), 0) AS since, coalesce(min(id), '') AS sample
			FROM payments WHERE next_attempt_at > 0 AND status = $1`, Args: []any{"unknown"}},
		audit.Look{Name: "refund_unknown", Query: `SELECT count(*) AS n, coalesce(min(created_at), 0) AS since, coalesce(min(id), '') AS sample
			FROM refunds WHERE next_attempt_at > 0 AND attempts > 0 AND status = $1`, Args: []any{"pending"}},
		audit.Look{Name: "neglected", Query: `SELECT count(*) AS n, coalesce(min(due), 0) AS since, coalesce(min(id), '') AS sample FROM (
				SELECT id, next_attempt_at AS due FROM payments WHERE next_attempt_at > 0 AND next_attempt_at < $1
				UNION ALL SELECT id, created_at AS due FROM payments WHERE id >= $2 AND ` + leftBehind + ` AND created_at < $1) AS p`,
			Args: []any{late, id.At("pay", seen)}},
	)
}

var _ audit.Patient = (*Module)(nil)
