package notifications

import (
	"context"
	"time"

	"shop/internal/platform/audit"
	"shop/internal/platform/sqldb"
)

// unsentAfter is how long after its time a message should have been sent: the process that leads looks every five seconds.
const unsentAfter = time.Minute

// Symptoms are messages that should have been sent by now (unsent), those of which it is not known whether they were (mail_unknown), and those that the mail server refused for good
// (mail_failed). Errors: sqldb.ErrUnavailable.
func (m *Module) Symptoms(ctx context.Context) ([]audit.Symptom, error) {
	const troubled = `SELECT count(*) AS n, coalesce(min(updated_at), 0) AS since, coalesce(min(id), '') AS sample FROM intents
		WHERE state IN ('failed', 'unknown') AND state = $1`
	return audit.Find(ctx, m.db,
		audit.Look{Name: "unsent", Query: `SELECT count(*) AS n, coalesce(min(due_at), 0) AS since, coalesce(min(id), '') AS sample FROM intents WHERE due_at > 0 AND due_at < $1`,
			Args: []any{sqldb.Micros(m.clock.Now().Add(-unsentAfter))}},
		audit.Look{Name: "mail_unknown", Query: troubled, Args: []any{"unknown"}},
		audit.Look{Name: "mail_failed", Query: troubled, Args: []any{"failed"}},
	)
}

var _ audit.Patient = (*Module)(nil)
