package customers

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestTheAuditFindsWhatBreaksAnInvariant(t *testing.T) {
	damages := []struct{ id, damage, invariant string }{
		{"no-name", `name = ''`, invariantProfile},
		{"no-email", `email = '', email_key = ''`, invariantProfile},
		{"hidden", `email_key = 'somebody@else.example'`, invariantProfile},
		{"half-erased", `status = 'erased', name = '', email = '', email_key = '', phone = ''`, invariantErased},
		{"broken-addresses", `addresses = '{}'`, invariantAddresses},
		{"twin-addresses", `addresses = '[{"id":"adr_1"},{"id":"adr_1"}]'`, invariantAddresses},
		{"two-defaults", `addresses = '[{"id":"adr_1","default":true},{"id":"adr_2","default":true}]'`, invariantAddresses},
		{"changed-first", `updated_at = created_at - 1`, invariantVersion},
		{"never-counted", `updated_at = created_at + 1`, invariantVersion},
	}
	dbtest.Each(t, "customers", func(t *testing.T, db *sqldb.DB) {
		m := New(Needs{DB: db, Bus: bus.NewMemory(), Clock: clock.System})
		audited := func() map[string]string {
			findings, err := m.Audit(t.Context())
			require.NoError(t, err)
			found := map[string]string{}
			for _, f := range findings {
				require.Equal(t, "customers", f.Context)
				require.NotContains(t, found, f.Subject, "one damage, one finding")
				found[f.Subject] = f.Invariant
			}
			return found
		}
		want := map[string]string{}
		for _, d := range damages {
			c, err := newCustomer(d.id, profile{"N", "n@example.org", "1"}, []customersapi.Address{{ID: "adr_1"}}, clock.System.Now())
			require.NoError(t, err)
			require.NoError(t, db.Write(t.Context(), d.id, m.registering(c)))
			want[d.id] = d.invariant
		}
		require.Empty(t, audited())
		for _, d := range damages {
			require.NoError(t, db.Write(t.Context(), d.id, func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE customers SET `+d.damage+` WHERE id = $1`, d.id)
				return err
			}))
		}
		require.Equal(t, want, audited())
	})
}
