package payments

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

func TestPaymentsWithoutAnOutcomeAreSymptoms(t *testing.T) {
	dbtest.Each(t, "payments", func(t *testing.T, db *sqldb.DB) {
		now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
		m := New(Needs{DB: db, Bus: bus.NewMemory(), Clock: clock.NewFake(now)})
		found, err := m.Symptoms(t.Context())
		require.NoError(t, err)
		require.Empty(t, found)
		before := func(d time.Duration) int64 { return sqldb.Micros(now.Add(-d)) }
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for _, p := range []struct {
				id, status   string
				next, placed int64
			}{
				{"pay_1", "unknown", before(-time.Second), before(time.Hour)}, {"pay_2", "unknown", before(2 * time.Minute), before(time.Minute)},
				{"pay_3", "sending", before(30 * time.Second), before(time.Minute)}, {"pay_4", "captured", 0, before(time.Hour)},
			} {
				if _, err := tx.Exec(ctx, `INSERT INTO payments (id, reference, customer_id, method, currency, amount, status, authorized, captured, refunded, refunding,
						failure_code, charge_id, cancel_at, cancel_reason, attempts, next_attempt_at, created_at, updated_at, version)
					VALUES ($1, $1, 'cus_1', 'm', 'EUR', 100, $2, 0, 0, 0, 0, '', '', 0, '', 1, $3, $4, 0, 1)`, p.id, p.status, p.next, p.placed); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, `INSERT INTO refunds (id, payment_id, amount, reason, origin, status, failure_code, attempts, next_attempt_at, created_at, updated_at)
				VALUES ('ref_1', 'pay_4', 1, '', 'operator', 'pending', '', 2, $1, $2, 0), ('ref_2', 'pay_4', 1, '', 'operator', 'pending', '', 0, $1, $2, 0)`, before(0), before(time.Hour))
			return err
		}))
		found, err = m.Symptoms(t.Context())
		require.NoError(t, err)
		require.Equal(t, []audit.Symptom{
			{Name: "payment_unknown", Count: 2, Since: now.Add(-time.Hour), Example: "pay_1"},
			{Name: "refund_unknown", Count: 1, Since: now.Add(-time.Hour), Example: "ref_1"},
			{Name: "neglected", Count: 1, Since: now.Add(-2 * time.Minute), Example: "pay_2"},
		}, found)
	})
}

// Nobody has looked at them yet, because no process runs.
func TestAPaymentThatNoRoundHasComeByIsASymptomToo(t *testing.T) {
	dbtest.Each(t, "payments", func(t *testing.T, db *sqldb.DB) {
		m := New(Needs{DB: db, Bus: bus.NewMemory(), Clock: clock.System})
		require.NoError(t, db.Write(t.Context(), "ord_1", func(ctx context.Context, tx *sqldb.Tx) error { return m.take(ctx, tx, take("ord_1", "pm_test_ok")) }))
		found, err := m.Symptoms(t.Context())
		require.NoError(t, err)
		require.Empty(t, found, "somebody has it in hand")
		later := New(Needs{DB: db, Bus: bus.NewMemory(), Clock: clock.NewFake(time.Now().Add(2 * time.Minute))})
		found, err = later.Symptoms(t.Context())
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, "neglected", found[0].Name)
	})
}
