package payments

import (
	"context"
	"time"

	"shop/internal/platform/audit"
	"shop/internal/platform/sqldb"
)

// neglectedAfter is how long after its time a row should have been looked at: the process that leads does five times a second.
const neglectedAfter = time.Minute

// Symptoms are payments whose outcome the provider has not told yet (payment_unknown), refunds of which the same is true (refund_unknown), and what should have been asked about and was
// not (neglected). Errors: sqldb.ErrUnavailable.
func (m *Module) Symptoms(ctx context.Context) ([]audit.Symptom, error) {
	late := sqldb.Micros(m.clock.Now().Add(-neglectedAfter))
	return audit.Find(ctx, m.db,
		audit.Look{Name: "payment_unknown", Query: `SELECT count(*) AS n, coalesce(min(created_at), 0) AS since, coalesce(min(id), '') AS sample
			FROM payments WHERE next_attempt_at > 0 AND status = $1`, Arg: "unknown"},
		audit.Look{Name: "refund_unknown", Query: `SELECT count(*) AS n, coalesce(min(created_at), 0) AS since, coalesce(min(id), '') AS sample
			FROM refunds WHERE next_attempt_at > 0 AND attempts > 0 AND status = $1`, Arg: "pending"},
		audit.Look{Name: "neglected", Query: `SELECT count(*) AS n, coalesce(min(next_attempt_at), 0) AS since, coalesce(min(id), '') AS sample
			FROM payments WHERE next_attempt_at > 0 AND next_attempt_at < $1`, Arg: late},
	)
}

var _ audit.Patient = (*Module)(nil)
