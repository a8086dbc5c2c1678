package ordersapi_test

import (
	"testing"

	"shop/internal/orders/ordersapi"
	"shop/internal/platform/bus/bustest"
)

func FuzzMessages(f *testing.F) {
	bustest.Fuzz(f, ordersapi.OrderCancelled{}, ordersapi.OrderConfirmed{}, ordersapi.OrderDelivered{}, ordersapi.OrderPlaced{}, ordersapi.OrderRefunded{}, ordersapi.OrderShipped{})
}
