package shipping

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestTheAuditFindsWhatBreaksAnInvariant(t *testing.T) {
	damages := []struct{ reference, damage, invariant string }{
		{"dispatched without its time", `status = 'dispatched'`, invariantTimes},
		{"created but cancelled once", `cancelled_at = updated_at`, invariantTimes},
		{"dispatched before it was made", `status = 'dispatched', dispatched_at = created_at - 1`, invariantTimes},
		{"delivered before dispatch", `status = 'delivered', dispatched_at = created_at + 2, delivered_at = created_at + 1, updated_at = created_at + 2`, invariantTimes},
		{"changed before it was made", `updated_at = created_at - 1`, invariantTimes},
		{"without lines", `lines = '[]'`, invariantLines},
		{"a line without units", `lines = '[{"sku":"A","quantity":0}]'`, invariantLines},
		{"a tombstone that is sent", `tombstone = true, lines = '[]'`, invariantLines},
		{"a tombstone that has a line", `tombstone = true, status = 'cancelled', cancelled_at = updated_at`, invariantLines},
	}
	dbtest.Each(t, "shipping", func(t *testing.T, db *sqldb.DB) {
		m := New(Needs{DB: db, Bus: bus.NewMemory(), Clock: clock.System})
		write := func(fn func(ctx context.Context, tx *sqldb.Tx) error) {
			require.NoError(t, db.Write(t.Context(), "", fn))
		}
		found := func() map[string]string {
			findings, err := m.Audit(t.Context())
			require.NoError(t, err)
			invariants := map[string]string{}
			for _, f := range findings {
				require.Equal(t, "shipping", f.Context)
				require.NotContains(t, invariants, f.Subject, "one damage, one finding")
				invariants[f.Subject] = f.Invariant
			}
			return invariants
		}
		want := map[string]string{}
		for _, d := range damages {
			write(func(ctx context.Context, tx *sqldb.Tx) error { return m.create(ctx, tx, order(d.reference)) })
			shipments, err := m.Shipments(t.Context(), []string{d.reference})
			require.NoError(t, err)
			want[shipments[0].ID] = d.invariant
		}
		write(func(ctx context.Context, tx *sqldb.Tx) error { return m.create(ctx, tx, order("sound")) })
		require.Empty(t, found())

		for _, d := range damages {
			write(func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE shipments SET `+d.damage+` WHERE reference = $1`, d.reference)
				return err
			})
		}
		require.Equal(t, want, found())

		write(func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `DROP INDEX shipments_reference`)
			return err
		})
		write(func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO shipments SELECT 'shp_twin', reference, owner, status, tombstone, lines, address, carrier, tracking_number, version,
				created_at, updated_at, dispatched_at, delivered_at, returned_at, cancelled_at, traceparent FROM shipments WHERE reference = 'sound'`)
			return err
		})
		want["shp_twin"] = "I14"
		require.Equal(t, want, found())
	})
}

func TestTheAuditGoesThroughAllPages(t *testing.T) {
	dbtest.Each(t, "shipping", func(t *testing.T, db *sqldb.DB) {
		m := New(Needs{DB: db, Bus: bus.NewMemory(), Clock: clock.System})
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for _, ref := range references(auditPage + 1) {
				if err := m.create(ctx, tx, order(ref)); err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE shipments SET lines = '[]' WHERE reference IN (SELECT max(reference) FROM shipments UNION SELECT min(reference) FROM shipments)`)
			return err
		}))
		findings, err := m.Audit(t.Context())
		require.NoError(t, err)
		require.Len(t, findings, 2)
	})
}
