package payments

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/payments/internal/provider"
	"shop/internal/payments/internal/testpsp"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
)

func TestAPaymentEndsAsItsMethodSays(t *testing.T) {
	eachTill(t, Needs{Deadline: time.Second}, func(t *testing.T, x *till) {
		outcomes := map[string]string{ // method → code of the refusal, empty when captured
			"pm_test_ok": "", "pm_test_slow": "", "pm_test_timeout": "", "pm_test_error_once": "",
			"pm_test_declined": "card_declined", "pm_stolen": "invalid_payment_method",
		}
		var charged []string
		for method, code := range outcomes {
			x.send(take("ord_"+method, method))
			if code == "" {
				charged = append(charged, "ord_"+method)
			}
		}
		for method, code := range outcomes {
			if code != "" {
				declined := x.answer("ord_" + method).(paymentsapi.PaymentDeclined)
				p := x.payment("ord_" + method)
				require.Equal(t, paymentsapi.PaymentDeclined{Reference: "ord_" + method, PaymentID: p.ID, Code: code}, declined)
				require.Equal(t, "declined", p.Status)
				require.Equal(t, code, p.Failure)
				require.Zero(t, p.Captured)
				continue
			}
			captured := x.answer("ord_" + method).(paymentsapi.PaymentCaptured)
			p := x.payment("ord_" + method)
			require.Equal(t, paymentsapi.PaymentCaptured{Reference: "ord_" + method, PaymentID: p.ID, Amount: euros(1999)}, captured)
			require.Equal(t, "captured", p.Status)
			require.EqualValues(t, 1999, p.Captured)
			require.EqualValues(t, 1999, p.Authorized)
		}
		x.requireBalanced(charged...)
	})
}

func TestTheProviderIsNotAskedForNothingAndNotForNonsense(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		free, negative, nowhere := take("ord_free", "pm_test_ok"), take("ord_negative", "pm_test_ok"), take("ord_nowhere", "pm_test_ok")
		free.Amount.Amount, negative.Amount.Amount, nowhere.Amount.Currency = 0, -1, ""
		x.send(free, negative, nowhere)
		require.Equal(t, euros(0), x.answer("ord_free").(paymentsapi.PaymentCaptured).Amount)
		require.Equal(t, "invalid_amount", x.answer("ord_negative").(paymentsapi.PaymentDeclined).Code)
		require.Equal(t, "invalid_amount", x.answer("ord_nowhere").(paymentsapi.PaymentDeclined).Code)
		x.send(cancel("ord_free"))
		require.Equal(t, euros(0), x.answers("ord_free", 2)[1].(paymentsapi.PaymentCancelled).Refunded)
		require.Equal(t, "refunded", x.payment("ord_free").Status)
		x.requireBalanced()
		require.Empty(t, x.ledger())
	})
}

func TestARepeatedTakePaymentGetsTheSameAnswerAndChargesOnce(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		x.send(take("ord_1", "pm_test_slow"), take("ord_1", "pm_test_slow"), take("ord_2", "pm_test_declined"))
		first := x.answer("ord_1") // the second came while the first was under way
		x.send(take("ord_1", "pm_test_slow"), take("ord_2", "pm_test_declined"))
		require.Equal(t, []bus.Body{first, first}, x.answers("ord_1", 2))
		declined := x.answers("ord_2", 2)
		require.Equal(t, declined[0], declined[1])
		x.requireBalanced("ord_1")
		require.Len(t, x.ledger(), 2)
	})
}

// F11 of the reliability plan.
func TestAProviderThatChargesAndDoesNotAnswerLosesNoPayment(t *testing.T) {
	const payments, seed = 500, 11
	eachTill(t, Needs{Deadline: time.Second}, func(t *testing.T, x *till) {
		x.psp.SetFaults(testpsp.Faults{Refused: 0.05, Failed: 0.15, Silent: 0.15}, seed)
		t.Logf("seed %d", seed)
		commands := make([]bus.Body, payments)
		var references []string
		for i := range commands {
			references = append(references, fmt.Sprintf("ord_%03d", i))
			commands[i] = take(references[i], "pm_test_ok")
		}
		x.send(commands...)
		require.Eventually(t, func() bool { return x.heardOf() >= payments*9/10 }, patience, 10*time.Millisecond)
		x.psp.SetFaults(testpsp.Faults{}, 0)
		for _, reference := range references {
			require.IsType(t, paymentsapi.PaymentCaptured{}, x.answer(reference))
		}
		x.settle()
		for _, reference := range references {
			require.Len(t, x.answers(reference, 1), 1)
		}
		x.requireBalanced(references...)
	})
}

func TestAnIntentThatACrashLeftBehindIsCarriedOut(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		dead := New(Needs{DB: x.db, Bus: x.bus, Provider: x.psp, Deadline: 50 * time.Millisecond})
		var intents []payment
		for _, reference := range []string{"ord_not_sent", "ord_sent"} {
			require.NoError(t, x.db.Write(t.Context(), reference, func(ctx context.Context, tx *sqldb.Tx) error {
				return dead.take(ctx, tx, take(reference, "pm_test_ok"))
			}))
			var row paymentRow
			require.NoError(t, x.db.Get(t.Context(), &row, `SELECT * FROM payments WHERE reference = $1`, reference))
			require.Equal(t, "sending", row.Status)
			intents = append(intents, row.payment())
		}
		p := intents[1]
		_, err := x.psp.Charge(t.Context(), provider.ChargeRequest{Key: p.id, Reference: p.reference, Method: p.method, Amount: p.amount}) // and here it dies, before it wrote that down
		require.NoError(t, err)

		x.open(Needs{Deadline: time.Second}) // whoever finds it goes by its own lease
		require.IsType(t, paymentsapi.PaymentCaptured{}, x.answer("ord_not_sent"))
		require.IsType(t, paymentsapi.PaymentCaptured{}, x.answer("ord_sent"))
		x.requireBalanced("ord_not_sent", "ord_sent")
	})
}

func TestPaymentsThatFindNoSenderAreSentByTheReconciler(t *testing.T) {
	eachTill(t, Needs{Deadline: 400 * time.Millisecond, Senders: 1, Queue: 1}, func(t *testing.T, x *till) {
		var references []string
		for i := range 20 {
			references = append(references, fmt.Sprintf("ord_%02d", i))
			x.send(take(references[i], "pm_test_slow"))
		}
		for _, reference := range references {
			require.IsType(t, paymentsapi.PaymentCaptured{}, x.answer(reference))
		}
		x.requireBalanced(references...)
	})
}

func TestManySendersOfOnePaymentMakeOneChargeAndOneAnswer(t *testing.T) {
	eachTill(t, Needs{Deadline: 5 * time.Second}, func(t *testing.T, x *till) {
		const payments, replicas, seed = 10, 8, 7
		x.psp.SetFaults(testpsp.Faults{Refused: 0.2, Failed: 0.2}, seed)
		t.Logf("seed %d", seed)
		other := New(Needs{DB: x.db, Bus: x.bus, Provider: x.psp, Deadline: 5 * time.Second}) // a second process, as far as memory goes
		var senders sync.WaitGroup
		var references []string
		for i := range payments {
			references = append(references, fmt.Sprintf("ord_%d", i))
			require.NoError(t, x.db.Write(t.Context(), references[i], func(ctx context.Context, tx *sqldb.Tx) error {
				return other.take(ctx, tx, take(references[i], "pm_test_ok"))
			}))
			var row paymentRow
			require.NoError(t, x.db.Get(t.Context(), &row, `SELECT * FROM payments WHERE reference = $1`, references[i]))
			for range replicas {
				senders.Go(func() { x.module.askToCharge(row.payment())(t.Context()) })
				senders.Go(func() { other.askToCharge(row.payment())(t.Context()) })
				senders.Go(func() { _ = other.resolve(t.Context(), row.payment()) })
			}
		}
		senders.Wait()
		for _, reference := range references {
			require.IsType(t, paymentsapi.PaymentCaptured{}, x.answer(reference))
		}
		x.psp.SetFaults(testpsp.Faults{}, 0)
		x.settle()
		for _, reference := range references {
			require.Len(t, x.answers(reference, 1), 1)
		}
		x.requireBalanced(references...)
	})
}

// mute is a provider of which some calls do not get through.
type mute struct {
	Provider
	mu                           sync.Mutex
	charge, lookup, void, refund bool
}

func (m *mute) set(charge, lookup, void, refund bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.charge, m.lookup, m.void, m.refund = charge, lookup, void, refund
}

func (m *mute) deaf(call *bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *call
}

func (m *mute) Charge(ctx context.Context, r provider.ChargeRequest) (provider.Charge, error) {
	if m.deaf(&m.charge) {
		return provider.Charge{}, testpsp.ErrServer
	}
	return m.Provider.Charge(ctx, r)
}

func (m *mute) Lookup(ctx context.Context, key string) (provider.Charge, error) {
	if m.deaf(&m.lookup) {
		return provider.Charge{}, testpsp.ErrServer
	}
	return m.Provider.Lookup(ctx, key)
}

func (m *mute) Void(ctx context.Context, key string) (provider.Charge, error) {
	if m.deaf(&m.void) {
		return provider.Charge{}, testpsp.ErrServer
	}
	return m.Provider.Void(ctx, key)
}

func (m *mute) Refund(ctx context.Context, r provider.RefundRequest) (provider.Refund, error) {
	if m.deaf(&m.refund) {
		return provider.Refund{}, testpsp.ErrServer
	}
	return m.Provider.Refund(ctx, r)
}

func TestAPaymentIsDeclinedForAgeOnlyOnceTheProviderHasClosedIt(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		line := &mute{Provider: x.psp, charge: true, void: true}
		x.open(Needs{Provider: line, GiveUp: time.Nanosecond})
		x.send(take("ord_1", "pm_test_ok"))
		require.Eventually(t, func() bool { return x.attempts("ord_1") >= 3 }, patience, 10*time.Millisecond)
		require.Equal(t, "unknown", x.payment("ord_1").Status) // older than the limit, but nobody has promised anything

		line.set(true, false, false, false)
		require.Equal(t, "not_charged", x.answer("ord_1").(paymentsapi.PaymentDeclined).Code)
		p := x.payment("ord_1")
		late, err := x.psp.Charge(t.Context(), provider.ChargeRequest{Key: p.ID, Reference: "ord_1", Method: "pm_test_ok", Amount: p.Amount})
		require.NoError(t, err)
		require.Equal(t, provider.Voided, late.Status) // a request that was on its way all the time
		x.requireBalanced()
	})
}

func TestAPaymentThatWasChargedIsCapturedHoweverLateThatIsHeard(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		line := &mute{Provider: x.psp, lookup: true, void: true}
		x.open(Needs{Provider: line, GiveUp: time.Nanosecond, Deadline: 300 * time.Millisecond})
		x.send(take("ord_1", "pm_test_timeout"))
		require.Eventually(t, func() bool { return x.attempts("ord_1") >= 3 }, patience, 10*time.Millisecond)
		require.Equal(t, "unknown", x.payment("ord_1").Status)
		line.set(false, false, false, false)
		require.IsType(t, paymentsapi.PaymentCaptured{}, x.answer("ord_1"))
		x.requireBalanced("ord_1")
	})
}

func (x *till) attempts(reference string) (n int64) {
	err := x.db.Get(x.t.Context(), &n, `SELECT coalesce(max(attempts), 0) FROM payments WHERE reference = $1`, reference)
	require.NoError(x.t, err)
	return n
}

func TestStoppingLeavesNoPaymentHalfDone(t *testing.T) {
	eachTill(t, Needs{Deadline: time.Second}, func(t *testing.T, x *till) {
		var references []string
		var commands []bus.Body
		for i := range 100 {
			references = append(references, fmt.Sprintf("ord_%02d", i))
			commands = append(commands, take(references[i], "pm_test_slow"))
		}
		x.send(commands...)
		require.Eventually(t, func() bool { return len(x.ledger()) > 0 }, patience, time.Millisecond)
		x.stop()
		x.open(Needs{Deadline: time.Second})
		for _, reference := range references {
			require.IsType(t, paymentsapi.PaymentCaptured{}, x.answer(reference))
		}
		x.requireBalanced(references...)
	})
}
