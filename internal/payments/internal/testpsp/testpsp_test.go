package testpsp

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/payments/internal/provider"
	"shop/internal/platform/clock"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

var (
	_ provider.Provider = (*Provider)(nil)
	_ provider.Ledger   = (*Provider)(nil)
)

func each(t *testing.T, test func(t *testing.T, p *Provider)) {
	dbtest.Each(t, "testpsp", func(t *testing.T, db *sqldb.DB) {
		p := New(db, clock.System)
		p.Slow = 20 * time.Millisecond
		test(t, p)
	})
}

func euros(cents int64) money.Money { return money.Money{Amount: cents, Currency: "EUR"} }

func request(key, method string) provider.ChargeRequest {
	return provider.ChargeRequest{Key: key, Reference: "ord_" + key, Method: method, Amount: euros(1000)}
}

func TestAMethodDecidesWhatBecomesOfACharge(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		for method, want := range map[string]provider.Charge{
			"pm_test_ok":       {Status: provider.Captured},
			"pm_test_slow":     {Status: provider.Captured},
			"pm_test_declined": {Status: provider.Declined, Code: "card_declined"},
			"pm_anything":      {Status: provider.Declined, Code: "invalid_payment_method"},
		} {
			c, err := p.Charge(t.Context(), request(method, method))
			require.NoError(t, err)
			want.Key, want.ID, want.Reference, want.Amount = method, c.ID, "ord_"+method, euros(1000)
			require.Equal(t, want, c)
			again, err := p.Charge(t.Context(), request(method, method))
			require.NoError(t, err)
			require.Equal(t, c, again)
			found, err := p.Lookup(t.Context(), method)
			require.NoError(t, err)
			require.Equal(t, c, found)
		}
	})
}

func TestAMethodThatTimesOutHasChargedBeforeItFallsSilent(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := p.Charge(ctx, request("k", "pm_test_timeout"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		c, err := p.Lookup(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, provider.Captured, c.Status)
	})
}

func TestAMethodThatFailsOnceChargesTheSecondTimeAlsoAfterARestart(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		_, err := p.Charge(t.Context(), request("k", "pm_test_error_once"))
		require.ErrorIs(t, err, ErrServer)
		_, err = p.Lookup(t.Context(), "k")
		require.ErrorIs(t, err, provider.ErrNotFound)
		restarted := New(p.db, clock.System)
		c, err := restarted.Charge(t.Context(), request("k", "pm_test_error_once"))
		require.NoError(t, err)
		require.Equal(t, provider.Captured, c.Status)
	})
}

func TestAKeyIsChargedOnceHoweverManyAskForIt(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		ids := make([]string, 50)
		var callers sync.WaitGroup
		for i := range ids {
			callers.Go(func() {
				if c, err := p.Charge(t.Context(), request("k", "pm_test_ok")); err == nil {
					ids[i] = c.ID
				}
			})
		}
		callers.Wait()
		for _, id := range ids {
			require.NotEmpty(t, id)
			require.Equal(t, ids[0], id)
		}
		charges, err := p.Charges(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, charges, 1)
	})
}

func TestAKeyIsNotGoodForAnotherRequest(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		_, err := p.Charge(t.Context(), request("k", "pm_test_ok"))
		require.NoError(t, err)
		other := request("k", "pm_test_ok")
		other.Amount = euros(1001)
		_, err = p.Charge(t.Context(), other)
		require.ErrorIs(t, err, ErrKeyReused)
		_, err = p.Refund(t.Context(), provider.RefundRequest{Key: "r", ChargeKey: "k", Amount: euros(1)})
		require.NoError(t, err)
		_, err = p.Refund(t.Context(), provider.RefundRequest{Key: "r", ChargeKey: "k", Amount: euros(2)})
		require.ErrorIs(t, err, ErrKeyReused)
	})
}

func TestAVoidedKeyTakesNoMoneyAndACapturedOneIsNotVoided(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		closed, err := p.Void(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, provider.Voided, closed.Status)
		late, err := p.Charge(t.Context(), request("k", "pm_test_ok"))
		require.NoError(t, err)
		require.Equal(t, closed, late)

		taken, err := p.Charge(t.Context(), request("k2", "pm_test_ok"))
		require.NoError(t, err)
		kept, err := p.Void(t.Context(), "k2")
		require.NoError(t, err)
		require.Equal(t, taken, kept)
	})
}

func TestChargingAndVoidingAtOnceEndsOneWayForBoth(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		for i := range 20 {
			key := fmt.Sprint("k", i)
			var charged, voided provider.Charge
			var errCharge, errVoid error
			var both sync.WaitGroup
			both.Go(func() { charged, errCharge = p.Charge(t.Context(), request(key, "pm_test_ok")) })
			both.Go(func() { voided, errVoid = p.Void(t.Context(), key) })
			both.Wait()
			require.NoError(t, errCharge)
			require.NoError(t, errVoid)
			require.Equal(t, charged, voided)
		}
	})
}

func TestRefundsNeverExceedTheirCharge(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		_, err := p.Charge(t.Context(), request("k", "pm_test_ok"))
		require.NoError(t, err)
		var callers sync.WaitGroup
		for i := range 30 {
			callers.Go(func() {
				_, _ = p.Refund(t.Context(), provider.RefundRequest{Key: fmt.Sprint("r", i), ChargeKey: "k", Amount: euros(150)})
			})
		}
		callers.Wait()
		refunds, err := p.Refunds(t.Context(), "", 100)
		require.NoError(t, err)
		require.Len(t, refunds, 30)
		sum := int64(0)
		for _, r := range refunds {
			if !r.Failed {
				sum += r.Amount.Amount
			}
			again, err := p.Refund(t.Context(), provider.RefundRequest{Key: r.Key, ChargeKey: "k", Amount: euros(150)})
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
		require.EqualValues(t, 900, sum)
		for key, r := range map[string]provider.RefundRequest{
			"no such charge": {ChargeKey: "nothing", Amount: euros(1)},
			"nothing":        {ChargeKey: "k", Amount: euros(0)},
			"other currency": {ChargeKey: "k", Amount: money.Money{Amount: 1, Currency: "USD"}},
		} {
			r.Key = key
			refused, err := p.Refund(t.Context(), r)
			require.NoError(t, err)
			require.True(t, refused.Failed, key)
		}
	})
}

func TestAFaultStrikesBeforeTheWorkOrAfterIt(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		p.SetFaults(Faults{Refused: 1}, 1)
		_, err := p.Charge(t.Context(), request("refused", "pm_test_ok"))
		require.ErrorIs(t, err, ErrServer)
		p.SetFaults(Faults{Failed: 1}, 1)
		_, err = p.Charge(t.Context(), request("failed", "pm_test_ok"))
		require.ErrorIs(t, err, ErrServer)
		p.SetFaults(Faults{Silent: 1}, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = p.Charge(ctx, request("silent", "pm_test_ok"))
		require.ErrorIs(t, err, context.DeadlineExceeded)

		p.SetFaults(Faults{}, 1)
		charges, err := p.Charges(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, charges, 2)
		require.Equal(t, "failed", charges[0].Key)
		require.Equal(t, "silent", charges[1].Key)
	})
}

func TestTheBooksAreReadInPages(t *testing.T) {
	each(t, func(t *testing.T, p *Provider) {
		for i := range 5 {
			_, err := p.Charge(t.Context(), request(fmt.Sprint("k", i), "pm_test_ok"))
			require.NoError(t, err)
		}
		page, err := p.Charges(t.Context(), "k1", 2)
		require.NoError(t, err)
		require.Len(t, page, 2)
		require.Equal(t, "k2", page[0].Key)
		some, err := p.ChargesOf(t.Context(), []string{"k4", "k0", "none"})
		require.NoError(t, err)
		require.Len(t, some, 2)
		none, err := p.RefundsOf(t.Context(), []string{"r"})
		require.NoError(t, err)
		require.Empty(t, none)
	})
}
