// Package shippingapi is the language of shipping: what others may ask of it and hear from it. A reference is the caller's own name for what is
// shipped, such as an order id; there is one shipment for a reference, whatever comes twice.
package shippingapi

import "shop/internal/platform/bus"

// Address is where a parcel goes.
type Address struct {
	Name       string `json:"name" minLength:"1" maxLength:"200"`
	Line1      string `json:"line1" minLength:"1" maxLength:"200"`
	Line2      string `json:"line2,omitempty" maxLength:"200"`
	City       string `json:"city" minLength:"1" maxLength:"100"`
	Region     string `json:"region,omitempty" maxLength:"100"`
	PostalCode string `json:"postal_code,omitempty" maxLength:"20"`
	Country    string `json:"country" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1 alpha-2" example:"GB"`
	Phone      string `json:"phone,omitempty" maxLength:"40"`
}

// Line is a quantity of one SKU in a parcel, in units.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// CreateShipment asks for a parcel with these lines. Answered by ShipmentCreated. Owner is the customer who may see it; empty for one that only those who run the shop see.
type CreateShipment struct {
	Reference string  `json:"reference"`
	Owner     string  `json:"owner,omitempty" doc:"The customer who may see it; left out for one that only those who run the shop see"`
	Address   Address `json:"address"`
	Lines     []Line  `json:"lines"`
}

// CancelShipment asks not to send the parcel. Answered by ShipmentCancelled, also when there was none (a CreateShipment that comes later then makes none), or by
// ShipmentNotCancelled when the parcel has left.
type CancelShipment struct {
	Reference string `json:"reference"`
	Reason    string `json:"reason"`
}

var (
	createShipment = bus.NewCommand("shipping", "shipment.create", 1)
	cancelShipment = bus.NewCommand("shipping", "shipment.cancel", 1)
)

func (CreateShipment) MessageType() bus.Type { return createShipment }
func (CancelShipment) MessageType() bus.Type { return cancelShipment }

func (c CreateShipment) MessageKey() string { return c.Reference }
func (c CancelShipment) MessageKey() string { return c.Reference }
