// Package testpsp is a payment provider for development and tests that behaves as a real one does: it keeps its own books in its own database, has written down
// what it did before it answers, and answers a repeated key from the books. Like a real one it can fail at any point of a call.
//
// The payment method decides what happens:
//
//	pm_test_ok          charged
//	pm_test_declined    declined, card_declined
//	pm_test_timeout     charged, but never answered; Lookup finds the charge
//	pm_test_error_once  the first call with a key is answered 500 and does nothing, the second is charged
//	pm_test_slow        charged after about a second
//	anything else       declined, invalid_payment_method
package testpsp

import (
	"context"
	"errors"
	"time"

	"shop/internal/payments/internal/provider"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
)

var (
	// ErrServer is the provider's 500: it may or may not have done what it was asked for.
	ErrServer = errors.New("testpsp: 500 internal server error")
	// ErrKeyReused: the key came before with another amount, method or charge.
	ErrKeyReused = errors.New("testpsp: 400 the key was used for another request")
)

// Provider is the test provider. It implements provider.Provider and provider.Ledger.
type Provider struct {
	db      *sqldb.DB
	clock   clock.Clock
	booking *sqldb.Kind
	faults  faults

	// Slow is how long pm_test_slow takes. Set it before use.
	Slow time.Duration
}

// New makes a provider with its books in db, whose only tables are those of migrations/testpsp.
func New(db *sqldb.DB, c clock.Clock) *Provider {
	p := &Provider{db: db, clock: c, Slow: time.Second}
	p.booking = &sqldb.Kind{Name: "charges", Prepare: p.insertCharges, Assume: assumeFirst, Claims: true}
	return p
}

// Name implements provider.Provider.
func (p *Provider) Name() string { return "testpsp" }

// method is how a payment method behaves.
type method struct {
	declines string // the code it is declined with
	waits    bool   // for Slow before it is booked
	silent   bool   // the answer gets lost
	failing  bool   // the first call of a key does nothing but fail
}

var methods = map[string]method{
	"pm_test_ok":         {},
	"pm_test_declined":   {declines: "card_declined"},
	"pm_test_timeout":    {silent: true},
	"pm_test_error_once": {failing: true},
	"pm_test_slow":       {waits: true},
}

func methodOf(token string) method {
	if m, known := methods[token]; known {
		return m
	}
	return method{declines: "invalid_payment_method"}
}

// Charge books the charge and says so, unless the method or a fault is in the way. Errors: ErrServer, ErrKeyReused, those of the database, that ctx ended.
func (p *Provider) Charge(ctx context.Context, r provider.ChargeRequest) (provider.Charge, error) {
	return call(ctx, p, func() (provider.Charge, error) {
		m := methodOf(r.Method)
		if m.waits && !sleep(ctx, p.Slow) {
			return provider.Charge{}, ctx.Err()
		}
		if m.failing {
			if first, err := p.firstTime(ctx, r.Key); err != nil || first {
				return provider.Charge{}, errors.Join(ErrServer, err)
			}
		}
		c, err := p.book(ctx, newEntry(r, m, p.clock.Now()))
		if err == nil && m.silent {
			<-ctx.Done()
			return provider.Charge{}, ctx.Err()
		}
		return c, err
	})
}

// Lookup reads the books. Errors: provider.ErrNotFound, ErrServer, those of the database, that ctx ended.
func (p *Provider) Lookup(ctx context.Context, key string) (provider.Charge, error) {
	return call(ctx, p, func() (provider.Charge, error) {
		found, err := p.ChargesOf(ctx, []string{key})
		if err != nil {
			return provider.Charge{}, err
		}
		if len(found) == 0 {
			return provider.Charge{}, provider.ErrNotFound
		}
		return found[0], nil
	})
}

// Void closes the key if nothing was charged under it. Errors: ErrServer, those of the database, that ctx ended.
func (p *Provider) Void(ctx context.Context, key string) (provider.Charge, error) {
	return call(ctx, p, func() (provider.Charge, error) {
		return p.book(ctx, closingEntry(key, p.clock.Now()))
	})
}

// Refund books the refund, a failed one when the charge does not have the money. Errors: ErrServer, ErrKeyReused, those of the database, that ctx ended.
func (p *Provider) Refund(ctx context.Context, r provider.RefundRequest) (provider.Refund, error) {
	return call(ctx, p, func() (provider.Refund, error) { return p.bookRefund(ctx, r) })
}

// sleep waits for d; false says that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
