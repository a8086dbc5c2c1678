package shippingapi_test

import (
	"testing"

	"shop/internal/platform/bus/bustest"
	"shop/internal/shipping/shippingapi"
)

func FuzzMessages(f *testing.F) {
	bustest.Fuzz(f, shippingapi.CancelShipment{}, shippingapi.CreateShipment{}, shippingapi.ShipmentCancelled{}, shippingapi.ShipmentCreated{}, shippingapi.ShipmentDelivered{}, shippingapi.ShipmentDispatched{}, shippingapi.ShipmentNotCancelled{}, shippingapi.ShipmentReturned{})
}
