package ordersapi_test

import (
	"testing"

	"shop/internal/orders/ordersapi"
	"shop/internal/platform/bus/bustest"
	"shop/internal/platform/money"
)

func TestWhatOrdersTellsStaysAsItIs(t *testing.T) {
	order := ordersapi.Summary{OrderID: "ord_01jd3q6k9v8xw2n4t7ryz5abcd", CustomerID: "cus_42", Email: "ann@example.org",
		Total: money.Money{Amount: 2000, Currency: "EUR"}, ItemCount: 2}
	bustest.Golden(t, ordersapi.Messages(),
		ordersapi.OrderPlaced{Summary: order},
		ordersapi.OrderConfirmed{Summary: order},
		ordersapi.OrderShipped{Summary: order, Carrier: "parcelforce", TrackingNumber: "PF1"},
		ordersapi.OrderDelivered{Summary: order},
		ordersapi.OrderCancelled{Summary: order, Reason: "out_of_stock", Refunded: money.Money{Amount: 2000, Currency: "EUR"}},
		ordersapi.OrderRefunded{Summary: order, RefundID: "ref_01jd3q6k9v8xw2n4t7ryz5abcd", Amount: money.Money{Amount: 500, Currency: "EUR"},
			Refunded: money.Money{Amount: 700, Currency: "EUR"}},
	)
}
