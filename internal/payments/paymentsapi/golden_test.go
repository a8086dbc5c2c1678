package paymentsapi_test

import (
	"testing"

	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus/bustest"
	"shop/internal/platform/money"
)

func TestWhatPaymentsIsToldAndTellsStaysAsItIs(t *testing.T) {
	const reference, payment = "ord_01jd3q6k9v8xw2n4t7ryz5abcd", "pay_01jd3q6k9v8xw2n4t7ryz5abcd"
	amount := money.Money{Amount: 2000, Currency: "EUR"}
	bustest.Golden(t, paymentsapi.Messages(),
		paymentsapi.TakePayment{Reference: reference, CustomerID: "cus_42", Amount: amount, Method: "pm_test_ok"},
		paymentsapi.CancelPayment{Reference: reference, Reason: "customer_request"},
		paymentsapi.PaymentCaptured{Reference: reference, PaymentID: payment, Amount: amount},
		paymentsapi.PaymentDeclined{Reference: reference, PaymentID: payment, Code: "card_declined"},
		paymentsapi.PaymentCancelled{Reference: reference, PaymentID: payment, Refunded: amount},
		paymentsapi.PaymentCancelFailed{Reference: reference, PaymentID: payment, Code: "charge_disputed"},
		paymentsapi.PaymentRefunded{Reference: reference, PaymentID: payment, RefundID: "ref_01jd3q6k9v8xw2n4t7ryz5abcd",
			Amount: money.Money{Amount: 500, Currency: "EUR"}, Total: amount},
	)
}
