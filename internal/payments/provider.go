package payments

import (
	"shop/internal/payments/internal/provider"
	"shop/internal/payments/internal/testpsp"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
)

// Provider is the port to whoever moves the money; its documentation says what an implementation must hold. One that also implements Ledger has its books
// compared by Audit.
type Provider = provider.Provider

// Ledger is a provider that opens its books.
type Ledger = provider.Ledger

// NewTestProvider is the built-in provider for development and tests. db is its own, of context "testpsp" with the migrations of that name; payments
// never reads it. The payment methods pm_test_ok, pm_test_declined, pm_test_timeout, pm_test_error_once and pm_test_slow decide what happens.
func NewTestProvider(db *sqldb.DB, c clock.Clock) Provider { return testpsp.New(db, c) }
