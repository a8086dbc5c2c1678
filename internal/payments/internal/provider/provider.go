// Package provider is the port to whoever moves the money: what payments asks of a payment provider, and what it must be able to
// rely on. An implementation is a package beside this one.
//
// The one hard thing about a provider is that it may act and not answer. So every call that moves money carries a key: the first
// call with a key decides, and each later one gets the same answer, also after a restart of either side. And an error never means "no": it means
// that nobody knows yet.
package provider

import (
	"context"
	"errors"

	"shop/internal/platform/money"
)

// Provider moves money. All methods return when ctx ends, and may be called at the same time, also with the same key.
type Provider interface {
	// Name is what it is called in traces.
	Name() string

	// Charge takes the money, at once or, at some providers, in two steps (Authorized, later Captured). A refusal is no error but a charge that is Declined.
	// Errors: any error leaves open whether the money was taken.
	Charge(ctx context.Context, r ChargeRequest) (Charge, error)

	// Lookup says what became of the charge with the key. Errors: ErrNotFound, for certain nothing was charged under the key so far, though a
	// call under way may still do it; any other leaves everything open.
	Lookup(ctx context.Context, key string) (Charge, error)

	// Void gives up what is not captured and closes the key: when it has answered, no Charge with that key takes money any more. It returns the charge as it is
	// then: Voided, or what had become of it before: Captured, to be refunded, or Declined. Errors: any error leaves everything open.
	Void(ctx context.Context, key string) (Charge, error)

	// Refund gives back a part of a captured charge. A refusal is no error but a refund with Failed set.
	// Errors: any error leaves open whether the money went back; ask again with the same key.
	Refund(ctx context.Context, r RefundRequest) (Refund, error)
}

// Ledger is a provider that opens its books, so that they can be held against ours. Pages are ordered by key, after the given one ("" is the first page); the
// other two methods leave out keys under which there is nothing.
type Ledger interface {
	Charges(ctx context.Context, after string, limit int) ([]Charge, error)
	ChargesOf(ctx context.Context, keys []string) ([]Charge, error)
	Refunds(ctx context.Context, after string, limit int) ([]Refund, error)
	RefundsOf(ctx context.Context, keys []string) ([]Refund, error)
}

// ErrNotFound: nothing was charged under that key, for certain.
var ErrNotFound = errors.New("provider: no charge with that key")

// Status is what became of a charge.
type Status string

// The outcomes of a charge.
const (
	Authorized Status = "authorized" // the money is set aside, not yet ours
	Captured   Status = "captured"
	Declined   Status = "declined"
	Voided     Status = "voided" // given up; the key is closed
)

// ChargeRequest asks for money.
type ChargeRequest struct {
	Key       string // the payment's id
	Reference string // the caller's, for people who look at the provider's books
	Method    string // the provider's token for a card or an account
	Amount    money.Money
}

// Charge is an entry of the provider's books.
type Charge struct {
	Key       string
	ID        string // the provider's
	Reference string
	Status    Status
	Amount    money.Money // authorized, or captured
	Code      string      // why it was Declined
}

// RefundRequest asks to give money back.
type RefundRequest struct {
	Key       string // the refund's id
	ChargeKey string
	Amount    money.Money
}

// Refund is an entry of the provider's books.
type Refund struct {
	Key       string
	ID        string // the provider's
	ChargeKey string
	Amount    money.Money
	Failed    bool   // for good: nothing went back
	Code      string // why it failed
}
