package payments

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shop/internal/payments/internal/provider"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/money"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestEveryStateHasAPlaceInTheTableAndFinalOnesLeadNowhere(t *testing.T) {
	states := []status{created, sending, unknown, authorized, captured, partiallyRefunded, refunded, declined, voided}
	require.Len(t, transitions, len(states))
	for _, s := range states {
		next, known := transitions[s]
		require.True(t, known, s)
		for _, to := range next {
			require.Contains(t, states, to)
		}
	}
	for _, final := range []status{refunded, declined, voided} {
		require.Empty(t, transitions[final])
	}
}

func TestSilenceLeavesWhatIsCertainAndDeclinesNothing(t *testing.T) {
	for from := range transitions {
		p := payment{status: from, amount: euros(1)}
		p.wonder(noon)
		switch from {
		case sending, unknown:
			require.Equal(t, unknown, p.status)
		default:
			require.Equal(t, from, p.status)
		}
	}
}

func TestThePausesBetweenAttemptsGrowToHalfAMinute(t *testing.T) {
	require.Equal(t, 200*time.Millisecond, pauseAfter(1))
	require.Equal(t, 500*time.Millisecond, pauseAfter(2))
	require.Equal(t, 30*time.Second, pauseAfter(7))
	require.Equal(t, 30*time.Second, pauseAfter(1_000_000))
}

func TestAnAnswerThatContradictsTheLastIsAnErrorAndTheSameAnswerIsNone(t *testing.T) {
	charge := provider.Charge{ID: "ch_1", Status: provider.Captured, Amount: euros(1999)}
	p := newPayment(take("ord_1", "pm_test_ok"), noon, time.Second)
	require.NoError(t, p.learn(charge))
	known := p
	require.NoError(t, p.learn(charge))
	require.Equal(t, known, p)

	other := charge
	other.ID = "ch_2"
	require.Error(t, p.learn(other))
	require.Error(t, p.learn(provider.Charge{Status: provider.Declined, Code: "card_declined"}))
	require.Error(t, p.learn(provider.Charge{Status: "paid"}))

	p = newPayment(take("ord_1", "pm_test_ok"), noon, time.Second)
	for _, wrong := range []money.Money{euros(1), {Amount: 1999, Currency: "USD"}} {
		charge.Amount = wrong
		require.Error(t, p.learn(charge))
		require.Equal(t, sending, p.status)
	}
}

func TestAChargeInTwoStepsIsCapturedAfterItIsAuthorized(t *testing.T) {
	p := newPayment(take("ord_1", "pm_test_ok"), noon, time.Second)
	require.NoError(t, p.learn(provider.Charge{ID: "ch_1", Status: provider.Authorized, Amount: euros(1999)}))
	require.Equal(t, authorized, p.status)
	require.True(t, p.open())
	require.Nil(t, p.takeAnswer())
	require.NoError(t, p.learn(provider.Charge{ID: "ch_1", Status: provider.Captured, Amount: euros(1999)}))
	require.Equal(t, paymentsapi.PaymentCaptured{Reference: "ord_1", PaymentID: p.id, Amount: euros(1999)}, p.takeAnswer())
}

// Whatever a payment goes through, in whatever order: it moves along the table, its amounts stay in order, and it has one answer at most for each question.
func TestAPaymentKeepsItsRulesWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		amount := rapid.Int64Range(0, 5000).Draw(rt, "amount")
		p := newPayment(paymentsapi.TakePayment{Reference: "ord_1", Method: "pm_test_ok", Amount: euros(amount)}, noon, time.Second)
		var reserved []int64
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) { requireInOrder(rt, p) },
			"the provider answers": func(rt *rapid.T) {
				c := provider.Charge{ID: rapid.SampledFrom([]string{"ch_1", "ch_2"}).Draw(rt, "charge"), Amount: euros(rapid.SampledFrom([]int64{amount, amount + 1}).Draw(rt, "charged")),
					Status: rapid.SampledFrom([]provider.Status{provider.Authorized, provider.Captured, provider.Declined, provider.Voided}).Draw(rt, "status")}
				before := p
				if err := p.learn(c); err != nil {
					p = before
					return
				}
				requireAlongTable(rt, before.status, p.status)
			},
			"the provider is silent": func(rt *rapid.T) {
				before := p
				p.wonder(noon)
				requireAlongTable(rt, before.status, p.status)
				require.Equal(rt, before.open(), p.open())
			},
			"the caller cancels": func(*rapid.T) {
				p.cancel("customer_request", noon)
			},
			"an operator refunds": func(rt *rapid.T) {
				part := rapid.Int64Range(1, amount+10).Draw(rt, "part")
				left := p.refundable()
				err := p.reserve(part)
				require.Equal(rt, part <= left, err == nil)
				if err == nil {
					reserved = append(reserved, part)
				}
			},
			"a refund ends": func(rt *rapid.T) {
				if len(reserved) == 0 {
					rt.Skip()
				}
				before := p.status
				require.NoError(rt, p.refundEnded(reserved[0], rapid.Bool().Draw(rt, "succeeded")))
				reserved = reserved[1:]
				requireAlongTable(rt, before, p.status)
			},
		})
	})
}

func requireInOrder(rt *rapid.T, p payment) {
	require.GreaterOrEqual(rt, p.refunded, int64(0))
	require.GreaterOrEqual(rt, p.refunding, int64(0))
	require.LessOrEqual(rt, p.refunded+p.refunding, p.captured)
	require.LessOrEqual(rt, p.captured, p.authorized)
	require.LessOrEqual(rt, p.authorized, p.amount.Amount)
	require.Equal(rt, p.statusByAmounts(), p.status)
	require.Equal(rt, p.open(), !p.nextAttempt.IsZero(), "what is open is attempted, and nothing else")
	if p.cancelling() {
		require.False(rt, p.takeAnswer() != nil && p.cancelAnswer() == nil, "told to the caller before the cancellation is done")
	} else {
		require.Equal(rt, p.open(), p.takeAnswer() == nil)
	}
}

func requireAlongTable(rt *rapid.T, from, to status) {
	ok := from == to || slices.Contains(transitions[from], to) ||
		slices.ContainsFunc(transitions[from], func(via status) bool { return slices.Contains(transitions[via], to) }) // sending → authorized → captured in one step
	require.True(rt, ok, "%s → %s", from, to)
}
