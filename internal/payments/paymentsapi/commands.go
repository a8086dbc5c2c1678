// Package paymentsapi is the language of payments: what others may ask of it and hear from it. A reference is the caller's own name for what is
// paid, such as an order id; there is one payment for a reference, whatever comes twice.
package paymentsapi

import (
	"shop/internal/platform/bus"
	"shop/internal/platform/money"
)

// TakePayment charges the method. Answered by PaymentCaptured or PaymentDeclined, once that is certain: an unanswered charge is asked for
// again until the provider says what became of it. CustomerID is who pays, and so who may see the payment.
type TakePayment struct {
	Reference  string      `json:"reference"`
	CustomerID string      `json:"customer_id" doc:"Who pays, and so who may see the payment"`
	Amount     money.Money `json:"amount"`
	Method     string      `json:"method"`
}

// CancelPayment makes sure that the customer pays nothing: the payment is not sent, voided, or refunded, whatever is needed. Answered by PaymentCancelled, also when
// there was no payment; a TakePayment that comes later is declined then. PaymentCancelFailed when the provider refuses for good.
type CancelPayment struct {
	Reference string `json:"reference"`
	Reason    string `json:"reason"`
}

var (
	takePayment   = bus.NewCommand("payments", "payment.take", 1)
	cancelPayment = bus.NewCommand("payments", "payment.cancel", 1)
)

func (TakePayment) MessageType() bus.Type   { return takePayment }
func (CancelPayment) MessageType() bus.Type { return cancelPayment }

func (c TakePayment) MessageKey() string   { return c.Reference }
func (c CancelPayment) MessageKey() string { return c.Reference }
