package ordersapi

import "shop/internal/platform/bus"

// Messages are what orders tells, type by type.
func Messages() []bus.Message {
	return []bus.Message{
		bus.Describe[OrderPlaced]("The order was taken; nothing is reserved or paid yet."),
		bus.Describe[OrderConfirmed]("Stock is reserved and the payment is ours."),
		bus.Describe[OrderShipped]("The goods left the house."),
		bus.Describe[OrderDelivered]("The customer has the goods."),
		bus.Describe[OrderCancelled]("Nothing is held, taken or sent for the order any more."),
		bus.Describe[OrderRefunded]("An operator gave money back; the order stays what it is."),
	}
}
