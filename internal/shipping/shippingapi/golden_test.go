package shippingapi_test

import (
	"testing"

	"shop/internal/platform/bus/bustest"
	"shop/internal/shipping/shippingapi"
)

func TestWhatShippingIsToldAndTellsStaysAsItIs(t *testing.T) {
	const reference, shipment = "ord_01jd3q6k9v8xw2n4t7ryz5abcd", "shp_01jd3q6k9v8xw2n4t7ryz5abcd"
	bustest.Golden(t, shippingapi.Messages(),
		shippingapi.CreateShipment{Reference: reference, Owner: "cus_01jd3q6k9v8xw2n4t7ryz5abcd", Lines: []shippingapi.Line{{SKU: "TEA", Quantity: 2}}, Address: shippingapi.Address{
			Name: "Ann", Line1: "1 High Street", Line2: "Flat 2", City: "London", Region: "Greater London", PostalCode: "N1 1AA", Country: "GB", Phone: "+44 20 7946 0000",
		}},
		shippingapi.CancelShipment{Reference: reference, Reason: "customer_request"},
		shippingapi.ShipmentCreated{Reference: reference, ShipmentID: shipment},
		shippingapi.ShipmentDispatched{Reference: reference, ShipmentID: shipment, Carrier: "parcelforce", TrackingNumber: "PF1"},
		shippingapi.ShipmentDelivered{Reference: reference, ShipmentID: shipment},
		shippingapi.ShipmentReturned{Reference: reference, ShipmentID: shipment},
		shippingapi.ShipmentCancelled{Reference: reference},
		shippingapi.ShipmentNotCancelled{Reference: reference, Status: "dispatched"},
	)
}
