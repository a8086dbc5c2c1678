package payments

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/payments/internal/testpsp"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
)

// Payments are taken, cancelled and refunded in any order, by a provider that loses a third of its answers, and the process is replaced in between.
func TestAfterAStormOfCommandsAndFaultsEveryCentIsAccountedFor(t *testing.T) {
	const references, commands = 60, 400
	seed := uint64(time.Now().UnixNano())
	eachTill(t, Needs{Deadline: 500 * time.Millisecond}, func(t *testing.T, x *till) {
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, seed))
		x.psp.SetFaults(testpsp.Faults{Refused: 0.1, Failed: 0.15, Silent: 0.1}, seed)
		taken, cancelled := map[string]bool{}, map[string]bool{}
		var batch []bus.Body
		for i := range commands {
			reference := fmt.Sprintf("ord_%02d", random.IntN(references))
			switch random.IntN(8) {
			case 0:
				cancelled[reference] = true
				batch = append(batch, cancel(reference))
			case 1:
				if found, err := x.module.Payments(t.Context(), []string{reference}); err == nil && len(found) == 1 {
					x.refund(reference, fmt.Sprint("key ", i), fmt.Sprintf(`{"amount":%d}`, 1+random.IntN(1999)))
				}
			default:
				taken[reference] = true
				batch = append(batch, take(reference, []string{"pm_test_ok", "pm_test_ok", "pm_test_declined", "pm_test_error_once", "pm_test_timeout"}[random.IntN(5)]))
			}
			if len(batch) == 20 {
				x.send(batch...)
				batch = nil
			}
			if i == commands/2 {
				x.stop()
				x.open(Needs{Deadline: 500 * time.Millisecond})
			}
		}
		x.send(batch...)
		x.psp.SetFaults(testpsp.Faults{}, 0)
		for reference := range taken {
			x.answers(reference, 1)
		}
		for reference := range cancelled {
			x.await(reference, isCancelled)
		}
		x.settle()
		for reference := range taken {
			p := x.payment(reference)
			require.Contains(t, []string{"captured", "partially_refunded", "refunded", "declined", "voided"}, p.Status)
			if cancelled[reference] {
				require.Equal(t, p.Captured, p.Refunded, reference)
			}
			last := x.answers(reference, 1)
			require.False(t, p.Captured == 0 && contains[paymentsapi.PaymentCaptured](last), reference)
		}
		findings, err := x.module.Audit(t.Context())
		require.NoError(t, err)
		require.Empty(t, findings)
	})
}

func contains[E bus.Body](events []bus.Body) bool {
	for _, e := range events {
		if _, ok := e.(E); ok {
			return true
		}
	}
	return false
}

// await waits until an event about the reference is as wanted.
func (c *caller) await(reference string, wanted func(bus.Body) bool) {
	c.t.Helper()
	for n := 1; ; n++ {
		if heard := c.answers(reference, n); wanted(heard[n-1]) {
			return
		}
	}
}
