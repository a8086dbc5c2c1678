package shippingapi

import "shop/internal/platform/bus"

// Messages are what shipping is told and tells, type by type.
func Messages() []bus.Message {
	return []bus.Message{
		bus.Describe[CreateShipment]("Send a parcel with these lines. Answered by ShipmentCreated."),
		bus.Describe[CancelShipment]("Do not send the parcel. Answered by ShipmentCancelled, also when there was none, or by ShipmentNotCancelled."),
		bus.Describe[ShipmentCreated]("There is a parcel to be packed."),
		bus.Describe[ShipmentDispatched]("The carrier has the parcel."),
		bus.Describe[ShipmentDelivered]("The customer has the parcel."),
		bus.Describe[ShipmentReturned]("The parcel came back: refused, undeliverable, or sent back by the customer."),
		bus.Describe[ShipmentCancelled]("No parcel leaves for this reference."),
		bus.Describe[ShipmentNotCancelled]("Too late: the parcel has left."),
	}
}
