package orders

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/shipping/shippingapi"
)

// process is what happens to an order after it was placed: reserve stock → take payment → confirm → ship, and the way back.
// Every reaction loads the order, checks that it is waited for, records what happened, and sends the next command; all in one transaction. A message that comes too
// late, or twice, finds an order that does not wait for it and changes nothing.
type process struct {
	store *store
	send  func(ctx context.Context, tx *sqldb.Tx, messages ...bus.Body) error
	hold  time.Duration
	log   *zap.Logger
}

// listen lists what the process reacts to, in the order in which it happens.
func (p *process) listen(ep *bus.Endpoint) {
	on(p, ep, p.stockReserved)
	on(p, ep, p.stockRefused)
	on(p, ep, p.paymentCaptured)
	on(p, ep, p.paymentDeclined)
	on(p, ep, p.shipmentCreated)
	on(p, ep, p.shipmentDispatched)
	on(p, ep, p.shipmentDelivered)

	on(p, ep, p.shipmentCancelled)
	on(p, ep, p.shipmentNotCancelled)
	on(p, ep, p.paymentCancelled)
	on(p, ep, p.paymentCancelFailed)
	on(p, ep, p.stockReleased)

	on(p, ep, p.reservationExpiring)
	on(p, ep, p.reservationLost)
	on(p, ep, p.paymentRefunded)

	bus.Patient[shippingapi.ShipmentCreated](ep, company)
}

// company is how long what follows after an order is confirmed may wait to share a transaction with others.
const company = 100 * time.Millisecond

// on registers a reaction. The order is the one that the message's key names; a key that names none is somebody else's business.
func on[T bus.Body](p *process, ep *bus.Endpoint, react func(ctx context.Context, tx *sqldb.Tx, o Order, msg T) error) {
	bus.Prefetch(ep, func(ctx context.Context, tx *sqldb.Tx, msgs []T) error {
		ids := make([]string, len(msgs))
		for i, m := range msgs {
			ids[i] = m.MessageKey()
		}
		return p.store.prefetch(ctx, tx, ids)
	})
	bus.On(ep, func(ctx context.Context, tx *sqldb.Tx, msg T) error { return hear(ctx, tx, p, msg, react) })
}

// hear lets the order react to a message.
func hear[T bus.Body](ctx context.Context, tx *sqldb.Tx, p *process, msg T, react func(ctx context.Context, tx *sqldb.Tx, o Order, msg T) error) error {
	err := p.store.decide(ctx, tx, msg.MessageKey(), func(o Order) error { return react(ctx, tx, o, msg) })
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// ---- Step 1, reserve stock. Asked for by place.go.

func (p *process) reserve(ctx context.Context, tx *sqldb.Tx, o Order) error {
	cmd := inventoryapi.ReserveStock{Reference: o.ID, HoldSeconds: int64(p.hold.Seconds())}
	for _, it := range o.Placed.Items {
		cmd.Lines = append(cmd.Lines, inventoryapi.Line{SKU: it.SKU, Quantity: it.Quantity})
	}
	return p.send(ctx, tx, cmd)
}

func (p *process) stockReserved(ctx context.Context, tx *sqldb.Tx, o Order, e inventoryapi.StockReserved) error {
	if !o.waitsFor(reserveStock) {
		return nil // cancelled meanwhile: the release is on its way behind the reservation
	}
	o, err := p.store.append(ctx, tx, o, &stockReserved{ExpiresAt: e.ExpiresAt})
	if err != nil {
		return err
	}
	return p.takePayment(ctx, tx, o)
}

func (p *process) stockRefused(ctx context.Context, tx *sqldb.Tx, o Order, e inventoryapi.StockRefused) error {
	if !o.waitsFor(reserveStock) {
		return nil
	}
	o, err := p.store.append(ctx, tx, o, &stockRefused{Shortages: e.Shortages})
	if err != nil {
		return err
	}
	return p.giveUp(ctx, tx, o, OutOfStock, "", byProcess)
}

func (p *process) releaseStock(ctx context.Context, tx *sqldb.Tx, o Order) error {
	return p.send(ctx, tx, inventoryapi.ReleaseStock{Reference: o.ID, Reason: string(o.Cancelling)})
}

func (p *process) stockReleased(ctx context.Context, tx *sqldb.Tx, o Order, _ inventoryapi.StockReleased) error {
	return p.compensated(ctx, tx, o, reserveStock, 0)
}

// ---- Step 2, take the payment.

func (p *process) takePayment(ctx context.Context, tx *sqldb.Tx, o Order) error {
	return p.send(ctx, tx, paymentsapi.TakePayment{
		Reference: o.ID, CustomerID: o.Placed.CustomerID, Amount: o.Placed.Total, Method: o.Placed.PaymentMethod,
	})
}

func (p *process) paymentCaptured(ctx context.Context, tx *sqldb.Tx, o Order, e paymentsapi.PaymentCaptured) error {
	captured := &paymentCaptured{PaymentID: e.PaymentID, Amount: e.Amount.Amount}
	if !o.waitsFor(takePayment) {
		if o.Captured > 0 || o.Status == Cancelled {
			return nil
		}
		_, err := p.store.append(ctx, tx, o, captured) // while the payment is being taken back: that goes on
		return err
	}
	o, err := p.store.append(ctx, tx, o, captured)
	if err != nil {
		return err
	}
	return p.confirm(ctx, tx, o)
}

func (p *process) paymentDeclined(ctx context.Context, tx *sqldb.Tx, o Order, e paymentsapi.PaymentDeclined) error {
	if !o.waitsFor(takePayment) {
		return nil
	}
	o, err := p.store.append(ctx, tx, o, &paymentDeclined{PaymentID: e.PaymentID, Code: e.Code})
	if err != nil {
		return err
	}
	return p.giveUp(ctx, tx, o, PaymentDeclined, e.Code, byProcess)
}

func (p *process) cancelPayment(ctx context.Context, tx *sqldb.Tx, o Order) error {
	return p.send(ctx, tx, paymentsapi.CancelPayment{Reference: o.ID, Reason: string(o.Cancelling)})
}

func (p *process) paymentCancelled(ctx context.Context, tx *sqldb.Tx, o Order, e paymentsapi.PaymentCancelled) error {
	return p.compensated(ctx, tx, o, takePayment, e.Refunded.Amount)
}

func (p *process) paymentCancelFailed(ctx context.Context, tx *sqldb.Tx, o Order, e paymentsapi.PaymentCancelFailed) error {
	if o.Steps[takePayment].State != compensating {
		return nil
	}
	p.log.Error("a payment cannot be taken back: an operator must retry or skip it", telemetry.FieldsOf(ctx, o.ID), zap.String("payment_id", e.PaymentID), zap.String("code", e.Code))
	_, err := p.store.append(ctx, tx, o, &compensationRefused{Step: takePayment, Error: e.Code})
	return err
}

// ---- Step 3, confirm: the pivot.

func (p *process) confirm(ctx context.Context, tx *sqldb.Tx, o Order) error {
	o, err := p.store.append(ctx, tx, o, &confirmed{})
	if err != nil {
		return err
	}
	if err := p.send(ctx, tx, inventoryapi.CommitReservation{Reference: o.ID}, ordersapi.OrderConfirmed{Summary: apiSummary(o)}); err != nil {
		return err
	}
	return p.createShipment(ctx, tx, o)
}

// ---- Step 4, create the shipment; then the goods go their way.

func (p *process) createShipment(ctx context.Context, tx *sqldb.Tx, o Order) error {
	cmd := shippingapi.CreateShipment{Reference: o.ID, Owner: o.Placed.CustomerID, Address: o.Placed.Address}
	for _, it := range o.Placed.Items {
		cmd.Lines = append(cmd.Lines, shippingapi.Line{SKU: it.SKU, Quantity: it.Quantity})
	}
	return p.send(ctx, tx, cmd)
}

func (p *process) shipmentCreated(ctx context.Context, tx *sqldb.Tx, o Order, e shippingapi.ShipmentCreated) error {
	if !o.waitsFor(createShipment) {
		return nil
	}
	_, err := p.store.append(ctx, tx, o, &shipmentCreated{ShipmentID: e.ShipmentID})
	return err
}

func (p *process) shipmentDispatched(ctx context.Context, tx *sqldb.Tx, o Order, e shippingapi.ShipmentDispatched) error {
	_, err := p.ship(ctx, tx, o, &shipped{ShipmentID: e.ShipmentID, Carrier: e.Carrier, TrackingNumber: e.TrackingNumber})
	return err
}

func (p *process) shipmentDelivered(ctx context.Context, tx *sqldb.Tx, o Order, e shippingapi.ShipmentDelivered) error {
	o, err := p.ship(ctx, tx, o, &shipped{ShipmentID: e.ShipmentID}) // what arrived has left, though its dispatch may be heard of later
	if err != nil || !o.legal(Delivered) {
		return err
	}
	if o, err = p.store.append(ctx, tx, o, &delivered{ShipmentID: e.ShipmentID}); err != nil {
		return err
	}
	return p.send(ctx, tx, ordersapi.OrderDelivered{Summary: apiSummary(o)})
}

// ship notes that the goods have left, unless that is known, or the order has no shipment any more.
func (p *process) ship(ctx context.Context, tx *sqldb.Tx, o Order, e *shipped) (Order, error) {
	if !o.legal(Shipped) {
		return o, nil
	}
	events := []event{e}
	if !o.forward() {
		if o.Steps[createShipment].State != compensating {
			return o, nil
		}
		events = []event{&cancellationRefused{Detail: "the shipment has left"}, e} // it left before the cancellation reached it
	}
	o, err := p.store.append(ctx, tx, o, events...)
	if err != nil {
		return o, err
	}
	return o, p.send(ctx, tx, inventoryapi.ShipStock{Reference: o.ID}, ordersapi.OrderShipped{Summary: apiSummary(o), Carrier: e.Carrier, TrackingNumber: e.TrackingNumber})
}

func (p *process) cancelShipment(ctx context.Context, tx *sqldb.Tx, o Order) error {
	return p.send(ctx, tx, shippingapi.CancelShipment{Reference: o.ID, Reason: string(o.Cancelling)})
}

func (p *process) shipmentCancelled(ctx context.Context, tx *sqldb.Tx, o Order, _ shippingapi.ShipmentCancelled) error {
	return p.compensated(ctx, tx, o, createShipment, 0)
}

func (p *process) shipmentNotCancelled(ctx context.Context, tx *sqldb.Tx, o Order, e shippingapi.ShipmentNotCancelled) error {
	if o.Steps[createShipment].State != compensating {
		return nil
	}
	_, err := p.store.append(ctx, tx, o, &cancellationRefused{Detail: "the shipment is " + e.Status})
	return err
}

// ---- The way back: compensation in reverse, one step after the other.

const (
	byProcess  = "process"
	byCustomer = "customer"
	byOperator = "operator"
	byDeadline = "deadline"
)

// giveUp turns the process round. An order with nothing to take back is cancelled at once.
func (p *process) giveUp(ctx context.Context, tx *sqldb.Tx, o Order, why Reason, detail, by string) error {
	if o.nextToCompensate() == stepCount {
		return p.cancel(ctx, tx, o, why, detail)
	}
	o, err := p.store.append(ctx, tx, o, &cancellationRequested{Reason: why, Detail: detail, By: by})
	if err != nil {
		return err
	}
	return p.compensateNext(ctx, tx, o)
}

// compensateNext takes back the last step that is left; when none is, the order is cancelled.
func (p *process) compensateNext(ctx context.Context, tx *sqldb.Tx, o Order) error {
	step := o.nextToCompensate()
	if step == stepCount {
		return p.cancel(ctx, tx, o, o.Cancelling, o.Detail)
	}
	o, err := p.store.append(ctx, tx, o, &compensationStarted{Step: step})
	if err != nil {
		return err
	}
	return p.compensate(ctx, tx, o, step)
}

// compensate sends the command that takes a step back.
func (p *process) compensate(ctx context.Context, tx *sqldb.Tx, o Order, step stepName) error {
	switch step {
	case createShipment:
		return p.cancelShipment(ctx, tx, o)
	case takePayment:
		return p.cancelPayment(ctx, tx, o)
	default:
		return p.releaseStock(ctx, tx, o)
	}
}

// compensated notes that a step was taken back, and goes on to the one before.
func (p *process) compensated(ctx context.Context, tx *sqldb.Tx, o Order, step stepName, refunded int64) error {
	if st := o.Steps[step].State; st != compensating && st != compensationFailed {
		return nil
	}
	o, err := p.store.append(ctx, tx, o, &compensationCompleted{Step: step, Refunded: refunded})
	if err != nil {
		return err
	}
	return p.compensateNext(ctx, tx, o)
}

func (p *process) cancel(ctx context.Context, tx *sqldb.Tx, o Order, why Reason, detail string) error {
	o, err := p.store.append(ctx, tx, o, &cancelled{Reason: why, Detail: detail})
	if err != nil {
		return err
	}
	return p.send(ctx, tx, ordersapi.OrderCancelled{Summary: apiSummary(o), Reason: string(why), Refunded: o.refunded()})
}

// ---- What else may happen on the way.

// reservationExpiring: a payment under way keeps its stock, a confirmed order its goods; a cancelled order gives them back by itself.
func (p *process) reservationExpiring(ctx context.Context, tx *sqldb.Tx, o Order, _ inventoryapi.ReservationExpiring) error {
	switch {
	case !o.forward():
		return nil
	case o.Status == Pending:
		return p.send(ctx, tx, inventoryapi.ExtendReservation{Reference: o.ID, HoldSeconds: int64(p.hold.Seconds())})
	}
	return p.send(ctx, tx, inventoryapi.CommitReservation{Reference: o.ID})
}

// reservationLost: the order was confirmed, but its stock expired before and is gone.
func (p *process) reservationLost(ctx context.Context, tx *sqldb.Tx, o Order, _ inventoryapi.ReservationLost) error {
	if !o.forward() || o.Status != Confirmed {
		return nil
	}
	return p.giveUp(ctx, tx, o, OutOfStock, "the reservation expired before the payment was taken", byProcess)
}

// paymentRefunded: an operator gave money back. The order stays what it is.
func (p *process) paymentRefunded(ctx context.Context, tx *sqldb.Tx, o Order, e paymentsapi.PaymentRefunded) error {
	if e.Total.Amount <= o.Refunded {
		return nil
	}
	o, err := p.store.append(ctx, tx, o, &paymentRefunded{RefundID: e.RefundID, Amount: e.Amount.Amount, Total: e.Total.Amount})
	if err != nil {
		return err
	}
	return p.send(ctx, tx, ordersapi.OrderRefunded{Summary: apiSummary(o), RefundID: e.RefundID, Amount: e.Amount, Refunded: o.refunded()})
}

// apiSummary is the order in the words that others hear.
func apiSummary(o Order) ordersapi.Summary {
	return ordersapi.Summary{
		OrderID: o.ID, CustomerID: o.Placed.CustomerID, Email: o.Placed.Email,
		Total: o.Placed.Total, ItemCount: len(o.Placed.Items),
	}
}
