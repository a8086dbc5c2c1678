// Package orders is the order and its process: it takes an order, sees to it that stock is reserved, payment taken, the order confirmed and
// the goods sent, and that all of it is taken back when one of these fails.
//
// The way of one order, in four files: place.go takes it, fulfilment.go carries it on, order.go and events.go say what it then is, store.go keeps it.
//
// Words. An order is placed by a customer and has items (lines with the name and price of that moment). It is the sum of its events. The
// process is a saga with four steps: reserve_stock, take_payment, confirm_order (the pivot), create_shipment. A step is started by a
// command to another context and completed or failed by the event that answers it; compensation takes completed and started steps back in reverse.
//
// States: pending → confirmed → shipped → delivered; pending or confirmed → cancelled. See nextStatus.
//
//	in                       from       what the order does
//	StockReserved            inventory  takes the payment
//	StockRefused             inventory  is cancelled: out_of_stock
//	PaymentCaptured          payments   is confirmed; commits the reservation, asks for a shipment
//	PaymentDeclined          payments   gives the stock back, then is cancelled: payment_declined
//	ShipmentCreated          shipping   the process is complete
//	ShipmentDispatched       shipping   is shipped; the stock leaves the house
//	ShipmentDelivered        shipping   is delivered
//	StockReleased, PaymentCancelled, PaymentCancelFailed, ShipmentCancelled, ShipmentNotCancelled   answers to compensation
//	ReservationExpiring, ReservationLost   inventory   keeps the stock while the payment is under way; is cancelled when it is gone
//	PaymentRefunded          payments   notes what an operator gave back
//
//	out                      to
//	ReserveStock, ExtendReservation, CommitReservation, ReleaseStock, ShipStock    inventory
//	TakePayment, CancelPayment                                                     payments
//	CreateShipment, CancelShipment                                                 shipping
//	OrderPlaced, OrderConfirmed, OrderShipped, OrderDelivered, OrderCancelled, OrderRefunded      whoever listens
package orders
