package payments

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/payments/internal/provider"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
)

func TestAPaymentThatWasCancelledBeforeItWasAskedForIsNeverSent(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		x.send(cancel("ord_1"))
		require.Equal(t, paymentsapi.PaymentCancelled{Reference: "ord_1"}, x.answer("ord_1"))
		found, err := x.module.Payments(t.Context(), []string{"ord_1"})
		require.NoError(t, err)
		require.Empty(t, found, "there is no payment yet that anybody could ask for")

		x.send(take("ord_1", "pm_test_ok"))
		require.Equal(t, "cancelled", x.answers("ord_1", 2)[1].(paymentsapi.PaymentDeclined).Code)
		p := x.payment("ord_1")
		require.Equal(t, "voided", p.Status)
		require.Equal(t, euros(1999), p.Amount)
		x.send(take("ord_1", "pm_test_ok"), cancel("ord_1"))
		again := x.answers("ord_1", 4)
		require.Equal(t, again[1], again[2])
		require.Equal(t, paymentsapi.PaymentCancelled{Reference: "ord_1", PaymentID: p.ID, Refunded: euros(0)}, again[3])
		x.requireBalanced()
		require.Empty(t, x.ledger())
	})
}

func TestCancellingGivesBackWhatWasCaptured(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		x.send(take("ord_1", "pm_test_ok"), take("ord_2", "pm_test_declined"))
		x.answer("ord_1")
		x.answer("ord_2")
		x.send(cancel("ord_1"), cancel("ord_2"))
		require.Equal(t, euros(1999), x.answers("ord_1", 2)[1].(paymentsapi.PaymentCancelled).Refunded)
		require.Equal(t, euros(0), x.answers("ord_2", 2)[1].(paymentsapi.PaymentCancelled).Refunded)
		require.Equal(t, "refunded", x.payment("ord_1").Status)
		require.Equal(t, "declined", x.payment("ord_2").Status)

		x.send(cancel("ord_1"), take("ord_1", "pm_test_ok")) // both come again
		again := x.answers("ord_1", 4)
		require.Equal(t, again[1], again[2])
		require.Equal(t, "cancelled", again[3].(paymentsapi.PaymentDeclined).Code)
		x.requireBalanced("ord_1")
	})
}

func TestCancellingGivesBackOnlyWhatTheOperatorHasNot(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		require.Equal(t, http.StatusCreated, x.refund("ord_1", "k1", `{"amount":499}`).Code)
		x.answers("ord_1", 2)
		x.send(cancel("ord_1"))
		require.Equal(t, euros(1999), x.answers("ord_1", 3)[2].(paymentsapi.PaymentCancelled).Refunded)
		refunds, err := x.psp.Refunds(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, refunds, 2)
		require.EqualValues(t, 1999, refunds[0].Amount.Amount+refunds[1].Amount.Amount)
		x.requireBalanced("ord_1")
	})
}

func TestCancellingWhileTheOutcomeIsOpenWaitsForCertainty(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		line := &mute{Provider: x.psp, lookup: true, void: true}
		x.open(Needs{Provider: line, Deadline: 300 * time.Millisecond})
		x.send(take("ord_charged", "pm_test_timeout"))
		require.Eventually(t, func() bool { return x.attempts("ord_charged") >= 1 }, patience, 5*time.Millisecond)
		line.set(true, true, true, false)
		x.send(take("ord_not_charged", "pm_test_ok"))
		require.Eventually(t, func() bool { return x.attempts("ord_not_charged") >= 1 }, patience, 5*time.Millisecond)

		x.send(cancel("ord_charged"), cancel("ord_not_charged"))
		before := x.attempts("ord_charged")
		require.Eventually(t, func() bool { return x.attempts("ord_charged") > before }, patience, 5*time.Millisecond)
		require.Equal(t, "unknown", x.payment("ord_charged").Status)
		require.Equal(t, "unknown", x.payment("ord_not_charged").Status)

		line.set(false, false, false, false)
		require.Equal(t, euros(1999), x.answer("ord_charged").(paymentsapi.PaymentCancelled).Refunded)
		require.Equal(t, euros(0), x.answer("ord_not_charged").(paymentsapi.PaymentCancelled).Refunded)
		require.Equal(t, "refunded", x.payment("ord_charged").Status)
		require.Equal(t, "voided", x.payment("ord_not_charged").Status)
		x.requireBalanced("ord_charged")
	})
}

func TestCancellingAChargeUnderWayLeavesNothingPaid(t *testing.T) {
	eachTill(t, Needs{Deadline: time.Second}, func(t *testing.T, x *till) {
		for _, method := range []string{"pm_test_ok", "pm_test_slow", "pm_test_timeout", "pm_test_error_once", "pm_test_declined"} {
			x.send(take("ord_"+method, method), cancel("ord_"+method))
		}
		for _, method := range []string{"pm_test_ok", "pm_test_slow", "pm_test_timeout", "pm_test_error_once", "pm_test_declined"} {
			heard := x.answers("ord_"+method, 1)
			if len(heard) == 1 && !isCancelled(heard[0]) { // it was captured before the cancellation came
				heard = x.answers("ord_"+method, 2)
			}
			require.True(t, isCancelled(heard[len(heard)-1]), "%s: %v", method, heard)
			p := x.payment("ord_" + method)
			require.Equal(t, p.Captured, p.Refunded)
		}
		x.settle()
		findings, err := x.module.Audit(t.Context())
		require.NoError(t, err)
		require.Empty(t, findings)
	})
}

func isCancelled(e bus.Body) bool {
	_, ok := e.(paymentsapi.PaymentCancelled)
	return ok
}

// stubborn is a provider that refuses some refunds.
type stubborn struct {
	Provider
	mu      sync.Mutex
	refuses func(key string) bool
}

func (s *stubborn) refuse(which func(key string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = which
}

func all(string) bool  { return true }
func none(string) bool { return false }

func (s *stubborn) Refund(ctx context.Context, r provider.RefundRequest) (provider.Refund, error) {
	s.mu.Lock()
	refused := s.refuses(r.Key)
	s.mu.Unlock()
	if refused {
		return provider.Refund{Key: r.Key, ChargeKey: r.ChargeKey, Amount: r.Amount, Failed: true, Code: "charge_disputed"}, nil
	}
	return s.Provider.Refund(ctx, r)
}

func TestACancellationThatTheProviderRefusesFailsAndCanBeTriedAgain(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		psp := &stubborn{Provider: x.psp, refuses: all}
		x.open(Needs{Provider: psp})
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		x.send(cancel("ord_1"))
		p := x.payment("ord_1")
		require.Equal(t, paymentsapi.PaymentCancelFailed{Reference: "ord_1", PaymentID: p.ID, Code: "charge_disputed"}, x.answers("ord_1", 2)[1])
		require.Equal(t, "captured", x.payment("ord_1").Status)

		psp.refuse(none)
		x.send(cancel("ord_1"))
		require.Equal(t, euros(1999), x.answers("ord_1", 3)[2].(paymentsapi.PaymentCancelled).Refunded)
		require.Equal(t, "refunded", x.payment("ord_1").Status)
	})
}

func TestACancellationWaitsForARefundUnderWayAndGivesBackWhatThatDoesNot(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		line := &mute{Provider: x.psp, refund: true}
		psp := &stubborn{Provider: line, refuses: none}
		x.open(Needs{Provider: psp})
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		whole := refundIn(t, x.refund("ord_1", "k1", `{}`)) // without an answer
		require.Equal(t, "pending", whole.Status)
		x.send(cancel("ord_1"))
		require.Eventually(t, func() bool { return x.cancelling("ord_1") }, patience, 5*time.Millisecond)

		line.set(false, false, false, false)
		psp.refuse(func(key string) bool { return key == whole.ID }) // after all
		require.Equal(t, euros(1999), x.answers("ord_1", 2)[1].(paymentsapi.PaymentCancelled).Refunded)
		require.Equal(t, "refunded", x.payment("ord_1").Status)
		require.Equal(t, 1, x.refundsOf("ord_1", "failed"))
		require.Equal(t, 1, x.refundsOf("ord_1", "succeeded"))
		x.requireBalanced("ord_1")
	})
}

func (x *till) cancelling(reference string) bool {
	var at int64
	require.NoError(x.t, x.db.Get(x.t.Context(), &at, `SELECT cancel_at FROM payments WHERE reference = $1`, reference))
	return at > 0
}

func (x *till) refundsOf(reference, status string) (n int) {
	err := x.db.Get(x.t.Context(), &n, `SELECT count(*) FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.reference = $1 AND r.status = $2`, reference, status)
	require.NoError(x.t, err)
	return n
}
