package paymentsapi

import (
	"shop/internal/platform/bus"
	"shop/internal/platform/money"
)

// PaymentCaptured: the money is ours.
type PaymentCaptured struct {
	Reference string      `json:"reference"`
	PaymentID string      `json:"payment_id"`
	Amount    money.Money `json:"amount"`
}

// PaymentDeclined: the provider said no, for certain.
type PaymentDeclined struct {
	Reference string `json:"reference"`
	PaymentID string `json:"payment_id"`
	Code      string `json:"code" doc:"The provider's" example:"card_declined"`
}

// PaymentCancelled: the customer pays nothing. Refunded is what had been captured and went back; zero when nothing had.
type PaymentCancelled struct {
	Reference string      `json:"reference"`
	PaymentID string      `json:"payment_id,omitempty"`
	Refunded  money.Money `json:"refunded" doc:"What had been captured and went back; zero when nothing had"`
}

// PaymentCancelFailed: the provider refuses to give the money back; an operator must look.
type PaymentCancelFailed struct {
	Reference string `json:"reference"`
	PaymentID string `json:"payment_id"`
	Code      string `json:"code"`
}

// PaymentRefunded: an operator gave money back. Total is all that was refunded of this payment so far.
type PaymentRefunded struct {
	Reference string      `json:"reference"`
	PaymentID string      `json:"payment_id"`
	RefundID  string      `json:"refund_id"`
	Amount    money.Money `json:"amount"`
	Total     money.Money `json:"total" doc:"All that was refunded of this payment so far"`
}

var (
	paymentCaptured     = bus.NewEvent("payments", "payment.captured", 1)
	paymentDeclined     = bus.NewEvent("payments", "payment.declined", 1)
	paymentCancelled    = bus.NewEvent("payments", "payment.cancelled", 1)
	paymentCancelFailed = bus.NewEvent("payments", "payment.cancel_failed", 1)
	paymentRefunded     = bus.NewEvent("payments", "payment.refunded", 1)
)

func (PaymentCaptured) MessageType() bus.Type     { return paymentCaptured }
func (PaymentDeclined) MessageType() bus.Type     { return paymentDeclined }
func (PaymentCancelled) MessageType() bus.Type    { return paymentCancelled }
func (PaymentCancelFailed) MessageType() bus.Type { return paymentCancelFailed }
func (PaymentRefunded) MessageType() bus.Type     { return paymentRefunded }

func (e PaymentCaptured) MessageKey() string     { return e.Reference }
func (e PaymentDeclined) MessageKey() string     { return e.Reference }
func (e PaymentCancelled) MessageKey() string    { return e.Reference }
func (e PaymentCancelFailed) MessageKey() string { return e.Reference }
func (e PaymentRefunded) MessageKey() string     { return e.Reference }
