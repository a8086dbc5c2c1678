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
	var found []audit.Symptom
	for _, s := range []struct {
		name, query string
		args        []any
	}{
		{"unsent", `SELECT count(*) AS n, coalesce(min(due_at), 0) AS since, coalesce(min(id), '') AS sample FROM intents WHERE due_at > 0 AND due_at < $1`,
			[]any{sqldb.Micros(m.clock.Now().Add(-unsentAfter))}},
		{"mail_unknown", troubled, []any{"unknown"}},
		{"mail_failed", troubled, []any{"failed"}},
	} {
		var row struct {
			audit.Symptom
			At int64 `db:"since"`
		}
		if err := m.db.Get(ctx, &row, s.query, s.args...); err != nil {
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
