package paymentsapi_test

import (
	"testing"

	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus/bustest"
)

func FuzzMessages(f *testing.F) {
	bustest.Fuzz(f, paymentsapi.CancelPayment{}, paymentsapi.PaymentCancelFailed{}, paymentsapi.PaymentCancelled{}, paymentsapi.PaymentCaptured{}, paymentsapi.PaymentDeclined{}, paymentsapi.PaymentRefunded{}, paymentsapi.TakePayment{})
}
