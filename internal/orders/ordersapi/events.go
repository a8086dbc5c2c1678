// Package ordersapi is the language of orders: what others hear of them.
package ordersapi

import (
	"shop/internal/platform/bus"
	"shop/internal/platform/money"
)

// Summary is the order that an event is about.
type Summary struct {
	OrderID    string      `json:"order_id"`
	CustomerID string      `json:"customer_id"`
	Email      string      `json:"email,omitempty"`
	Total      money.Money `json:"total"`
	ItemCount  int         `json:"item_count" doc:"Lines, not units"`
}

// MessageKey is the order id.
func (s Summary) MessageKey() string { return s.OrderID }

// OrderPlaced: the order was taken; nothing is reserved or paid yet.
type OrderPlaced struct{ Summary }

// OrderConfirmed: stock is reserved and the payment is ours.
type OrderConfirmed struct{ Summary }

// OrderShipped: the goods left the house.
type OrderShipped struct {
	Summary
	Carrier        string `json:"carrier,omitempty"`
	TrackingNumber string `json:"tracking_number,omitempty"`
}

// OrderDelivered: the customer has the goods.
type OrderDelivered struct{ Summary }

// OrderCancelled: nothing is held, taken or sent for the order any more. Reason is one of out_of_stock payment_declined customer_request
// timed_out failed. Refunded is what had been taken and went back; left out when nothing was.
type OrderCancelled struct {
	Summary
	Reason   string      `json:"reason" enum:"out_of_stock,payment_declined,customer_request,timed_out,failed"`
	Refunded money.Money `json:"refunded,omitzero" doc:"What had been taken and went back; left out when nothing was"`
}

// OrderRefunded: an operator gave money back; the order stays what it is. Refunded is all that went back so far.
type OrderRefunded struct {
	Summary
	RefundID string      `json:"refund_id"`
	Amount   money.Money `json:"amount"`
	Refunded money.Money `json:"refunded" doc:"All that went back so far"`
}

var (
	orderPlaced    = bus.NewEvent("orders", "order.placed", 1)
	orderConfirmed = bus.NewEvent("orders", "order.confirmed", 1)
	orderShipped   = bus.NewEvent("orders", "order.shipped", 1)
	orderDelivered = bus.NewEvent("orders", "order.delivered", 1)
	orderCancelled = bus.NewEvent("orders", "order.cancelled", 1)
	orderRefunded  = bus.NewEvent("orders", "order.refunded", 1)
)

func (OrderPlaced) MessageType() bus.Type    { return orderPlaced }
func (OrderConfirmed) MessageType() bus.Type { return orderConfirmed }
func (OrderShipped) MessageType() bus.Type   { return orderShipped }
func (OrderDelivered) MessageType() bus.Type { return orderDelivered }
func (OrderCancelled) MessageType() bus.Type { return orderCancelled }
func (OrderRefunded) MessageType() bus.Type  { return orderRefunded }
