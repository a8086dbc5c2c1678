package paymentsapi

import (
	"context"
	"time"

	"shop/internal/platform/money"
)

// Payment is one payment as its owner may see it. Amounts are in the payment's currency, minor units: Refunded ≤ Captured ≤ Authorized ≤ Amount.
type Payment struct {
	ID         string      `json:"id"`
	Reference  string      `json:"order_id"`
	Status     string      `json:"status"` // created sending authorized captured partially_refunded refunded declined unknown voided
	Amount     money.Money `json:"amount"`
	Authorized int64       `json:"authorized"`
	Captured   int64       `json:"captured"`
	Refunded   int64       `json:"refunded"`
	Method     string      `json:"method"`
	Failure    string      `json:"failure_code,omitempty"`
	CreatedAt  time.Time   `json:"created_at"`
	UpdatedAt  time.Time   `json:"updated_at"`
}

// Queries are the questions that payments answers at once.
type Queries interface {
	// Payments of the given references; a reference without a payment is left out. Errors: fault Unavailable.
	Payments(ctx context.Context, references []string) ([]Payment, error)
}
