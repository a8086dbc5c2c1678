package payments

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/payments/paymentsapi"
)

func TestADiagnosisTellsOfAPaymentThatTheProviderDoesNotAnswer(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		line := &mute{Provider: x.psp, charge: true, lookup: true, void: true, refund: true}
		x.open(Needs{Provider: line})
		_, err := Diagnose(t.Context(), x.db, "ord_1")
		require.ErrorIs(t, err, ErrPaymentNotFound)

		x.send(take("ord_1", "pm_test_ok"))
		require.Eventually(t, func() bool { return x.attempts("ord_1") >= 2 }, patience, 10*time.Millisecond)
		d, err := Diagnose(t.Context(), x.db, "ord_1")
		require.NoError(t, err)
		require.Equal(t, "unknown", d.Status)
		require.GreaterOrEqual(t, d.Attempts, int64(2))
		require.NotNil(t, d.NextAttempt)
		require.False(t, d.Cancelled)
		require.Nil(t, d.Refund)

		line.set(false, false, false, true)
		paid := x.answer("ord_1").(paymentsapi.PaymentCaptured)
		d, err = Diagnose(t.Context(), x.db, "ord_1")
		require.NoError(t, err)
		require.Equal(t, Diagnosis{PaymentID: paid.PaymentID, Status: "captured", Attempts: d.Attempts}, d)

		x.send(cancel("ord_1"))
		require.Eventually(t, func() bool {
			d, err = Diagnose(t.Context(), x.db, "ord_1")
			return err == nil && d.Cancelled && d.Refund != nil && d.Refund.Attempts > 0
		}, patience, 10*time.Millisecond)
		require.NotNil(t, d.Refund.NextAttempt)
		line.set(false, false, false, false)
	})
}
