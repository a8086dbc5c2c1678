package notifications

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/audit"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestMessagesThatDoNotLeaveAreSymptoms(t *testing.T) {
	dbtest.Each(t, "notifications", func(t *testing.T, db *sqldb.DB) {
		now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
		m := New(Needs{DB: db, Bus: bus.NewMemory(), Clock: clock.NewFake(now)})
		found, err := m.Symptoms(t.Context())
		require.NoError(t, err)
		require.Empty(t, found)
		before := func(d time.Duration) int64 { return sqldb.Micros(now.Add(-d)) }
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for _, i := range []struct {
				id, state    string
				due, changed int64
			}{
				{"m1", "pending", before(time.Hour), 0}, {"m2", "pending", before(-time.Hour), 0}, {"m3", "sending", before(30 * time.Second), 0},
				{"m4", "unknown", 0, before(time.Minute)}, {"m5", "failed", 0, before(time.Minute)}, {"m6", "failed", 0, before(time.Hour)}, {"m7", "skipped", 0, 0},
			} {
				if _, err := tx.Exec(ctx, `INSERT INTO intents (id, customer_id, email, data, state, channel, problem, attempts, claim,
						due_at, created_at, updated_at, sent_at)
					VALUES ($1, 'cus_1', '', '{}', $2, '', '', 0, '', $3, 0, $4, 0)`, i.id+".order_shipped", i.state, i.due, i.changed); err != nil {
					return err
				}
			}
			return nil
		}))
		found, err = m.Symptoms(t.Context())
		require.NoError(t, err)
		require.Equal(t, []audit.Symptom{
			{Name: "unsent", Count: 1, Since: now.Add(-time.Hour), Example: "m1.order_shipped"},
			{Name: "mail_unknown", Count: 1, Since: now.Add(-time.Minute), Example: "m4.order_shipped"},
			{Name: "mail_failed", Count: 2, Since: now.Add(-time.Hour), Example: "m5.order_shipped"},
		}, found)
	})
}
