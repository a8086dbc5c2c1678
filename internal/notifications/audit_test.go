package notifications

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func newTransport() *bus.Memory { return bus.NewMemory() }

func TestTheAuditFindsWhatBreaksAnInvariant(t *testing.T) {
	late := strconv.FormatInt(clock.System.Now().Add(-overdue-time.Minute).UnixMicro(), 10)
	damages := []struct{ order, damage, invariant string }{
		{"ord_twin", `id = 'ord_twin.order_confirmed.refunded'`, invariantOnce},
		{"ord_waiting", `due_at = ` + late, invariantEnds},
		{"ord_left", `state = 'sending', due_at = ` + late, invariantEnds},
		{"ord_skipped", `state = 'skipped', due_at = 0`, invariantEnds},
		{"ord_failed", `state = 'failed', due_at = 0`, invariantEnds},
		{"ord_no_channel", `state = 'sent', due_at = 0, sent_at = created_at, attempts = 1, email = ''`, invariantSent},
		{"ord_no_attempt", `state = 'sent', due_at = 0, sent_at = created_at, channel = 'smtp', email = ''`, invariantSent},
		{"ord_address", `state = 'sent', due_at = 0, sent_at = created_at, attempts = 1, channel = 'smtp'`, invariantSent},
		{"ord_early", `state = 'sent', due_at = 0, sent_at = created_at - 1, attempts = 1, channel = 'smtp', email = ''`, invariantSent},
		{"ord_half_sent", `channel = 'smtp'`, invariantSent},
	}
	dbtest.Each(t, "notifications", func(t *testing.T, db *sqldb.DB) {
		m := New(Needs{DB: db, Bus: newTransport()})
		audited := func() map[string]string {
			findings, err := m.Audit(t.Context())
			require.NoError(t, err)
			found := map[string]string{}
			for _, f := range findings {
				require.Equal(t, "notifications", f.Context)
				require.NotContains(t, found, f.Subject, "one damage, one finding")
				found[f.Subject] = f.Invariant
			}
			return found
		}
		want := map[string]string{}
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for _, d := range damages {
				e := orderConfirmedBy(d.order, "ada@example.org")
				m.intend(ctx, tx, e.Summary, confirmed(e))
				want[d.order+".order_confirmed"] = d.invariant
			}
			return nil
		}))
		require.Empty(t, audited())
		for _, d := range damages {
			require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE intents SET `+d.damage+` WHERE id = $1`, d.order+".order_confirmed")
				return err
			}))
		}
		delete(want, "ord_twin.order_confirmed")
		want["ord_twin.order_confirmed.refunded"] = invariantOnce
		require.Equal(t, want, audited())
		for _, id := range []string{"ord_1.birthday", ".order_confirmed", "ord_1"} {
			require.Error(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE intents SET id = $1 WHERE id = 'ord_waiting.order_confirmed'`, id)
				return err
			}), "the database knows the kinds, too: %s", id)
		}
	})
}
