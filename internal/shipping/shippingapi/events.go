package shippingapi

import "shop/internal/platform/bus"

// ShipmentCreated: there is a parcel to be packed.
type ShipmentCreated struct {
	Reference  string `json:"reference"`
	ShipmentID string `json:"shipment_id"`
}

// ShipmentDispatched: the carrier has it.
type ShipmentDispatched struct {
	Reference      string `json:"reference"`
	ShipmentID     string `json:"shipment_id"`
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"tracking_number"`
}

// ShipmentDelivered: the customer has it.
type ShipmentDelivered struct {
	Reference  string `json:"reference"`
	ShipmentID string `json:"shipment_id"`
}

// ShipmentReturned: the parcel came back, refused, undeliverable or sent back by the customer.
type ShipmentReturned struct {
	Reference  string `json:"reference"`
	ShipmentID string `json:"shipment_id"`
}

// ShipmentCancelled: no parcel leaves for this reference.
type ShipmentCancelled struct {
	Reference string `json:"reference"`
}

// ShipmentNotCancelled: too late, the parcel has left.
type ShipmentNotCancelled struct {
	Reference string `json:"reference"`
	Status    string `json:"status"`
}

var (
	shipmentCreated      = bus.NewEvent("shipping", "shipment.created", 1)
	shipmentDispatched   = bus.NewEvent("shipping", "shipment.dispatched", 1)
	shipmentDelivered    = bus.NewEvent("shipping", "shipment.delivered", 1)
	shipmentReturned     = bus.NewEvent("shipping", "shipment.returned", 1)
	shipmentCancelled    = bus.NewEvent("shipping", "shipment.cancelled", 1)
	shipmentNotCancelled = bus.NewEvent("shipping", "shipment.not_cancelled", 1)
)

func (ShipmentCreated) MessageType() bus.Type      { return shipmentCreated }
func (ShipmentDispatched) MessageType() bus.Type   { return shipmentDispatched }
func (ShipmentDelivered) MessageType() bus.Type    { return shipmentDelivered }
func (ShipmentReturned) MessageType() bus.Type     { return shipmentReturned }
func (ShipmentCancelled) MessageType() bus.Type    { return shipmentCancelled }
func (ShipmentNotCancelled) MessageType() bus.Type { return shipmentNotCancelled }

func (e ShipmentCreated) MessageKey() string      { return e.Reference }
func (e ShipmentDispatched) MessageKey() string   { return e.Reference }
func (e ShipmentDelivered) MessageKey() string    { return e.Reference }
func (e ShipmentReturned) MessageKey() string     { return e.Reference }
func (e ShipmentCancelled) MessageKey() string    { return e.Reference }
func (e ShipmentNotCancelled) MessageKey() string { return e.Reference }
