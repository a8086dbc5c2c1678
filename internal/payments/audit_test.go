package payments

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/payments/internal/provider"
	"shop/internal/platform/audit"
	"shop/internal/platform/sqldb"
)

func TestTheAuditFindsWhatDoesNotAddUp(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		for _, reference := range []string{"ord_refunded", "ord_unpaid", "ord_paid", "ord_declined", "ord_returned"} {
			x.send(take(reference, map[bool]string{true: "pm_test_declined", false: "pm_test_ok"}[reference == "ord_declined"]))
			x.answer(reference)
		}
		returned := refundIn(t, x.refund("ord_returned", "k1", `{"amount":7}`))
		x.requireBalanced("ord_refunded", "ord_unpaid", "ord_paid", "ord_returned")

		stranger, err := x.psp.Charge(t.Context(), provider.ChargeRequest{Key: "pay_0stranger", Reference: "ord_paid", Method: "pm_test_ok", Amount: euros(1999)})
		require.NoError(t, err)
		gone, err := x.psp.Refund(t.Context(), provider.RefundRequest{Key: "ref_gone", ChargeKey: stranger.Key, Amount: euros(3)})
		require.NoError(t, err)
		id := func(reference string) string { return x.payment(reference).ID }
		plant(t, x.db, `UPDATE payments SET refunded = 5 WHERE reference = 'ord_refunded'`)
		plant(t, x.db, `UPDATE payments SET status = 'declined', captured = 0 WHERE reference = 'ord_unpaid'`)
		plant(t, x.db, `UPDATE payments SET captured = 1999, authorized = 1999, status = 'captured' WHERE reference = 'ord_declined'`)
		plant(t, x.db, `UPDATE refunds SET status = 'failed' WHERE reason = ''`)

		findings, err := x.module.Audit(t.Context())
		require.NoError(t, err)
		found := map[string][]string{}
		for _, f := range findings {
			require.Equal(t, "payments", f.Context)
			found[f.Subject] = append(found[f.Subject], f.Invariant)
		}
		require.Equal(t, map[string][]string{
			id("ord_refunded"): {"I5", "I5"}, // no such refund, and the status does not say so
			id("ord_unpaid"):   {"I6"},       // the provider has the money
			id("ord_declined"): {"I6"},       // the provider has none
			id("ord_returned"): {"I5"},       // the sum of its refunds
			returned.ID:        {"I6"},       // went back all the same
			stranger.Key:       {"I6"},
			gone.Key:           {"I6"},
		}, found)
	})
}

func plant(t *testing.T, db *sqldb.DB, statement string) {
	t.Helper()
	require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, statement)
		require.EqualValues(t, 1, n, statement)
		return err
	}))
}

func TestTheAuditFindsWhatIsUndecidedForAnHour(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		line := &mute{Provider: x.psp, refund: true}
		x.open(Needs{Provider: line, Deadline: time.Second})
		x.send(take("ord_refund", "pm_test_ok"))
		x.answer("ord_refund")
		pending := refundIn(t, x.refund("ord_refund", "k1", `{}`))
		require.Equal(t, "pending", pending.Status)
		line.set(true, true, true, true)
		x.send(take("ord_open", "pm_test_ok"))
		require.Eventually(t, func() bool { return x.attempts("ord_open") > 0 }, patience, 5*time.Millisecond)

		findings, err := x.module.Audit(t.Context())
		require.NoError(t, err)
		require.Empty(t, findings)
		const old = `UPDATE payments SET created_at = created_at - 3700000000 WHERE reference = 'ord_open'`
		plant(t, x.db, old)
		plant(t, x.db, `UPDATE refunds SET created_at = created_at - 3700000000`)
		findings, err = x.module.Audit(t.Context())
		require.NoError(t, err)
		subjects := func(f audit.Finding) string { return f.Invariant + " " + f.Subject }
		require.Len(t, findings, 2)
		require.Equal(t, "I6 "+x.payment("ord_open").ID, subjects(findings[0]))
		require.Equal(t, "I6 "+pending.ID, subjects(findings[1]))
	})
}
