package orders

import (
	"context"
	"fmt"
	"time"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/money"
	"shop/internal/shipping/shippingapi"
)

// world is the neighbours as their contracts describe them, an order's part of each: what waits to be done, what they are about to say.
type world struct {
	parts map[string]*part
}

func newWorld() *world { return &world{parts: map[string]*part{}} }

// part is what the neighbours know of one order.
type part struct {
	id      string
	in, out [3][]bus.Body // by neighbour: commands that wait, events under way

	reservation string // held committed shipped released expired refused
	asked       bool   // ReservationExpiring was said

	payment         string // pending captured declined void
	cancelling      bool   // CancelPayment waits for certainty
	authorized      int64
	taken, refunded int64
	refunds         int

	shipment string // created dispatched delivered cancelled
}

const (
	atInventory = iota
	atPayments
	atShipping
)

// give puts a command where it is to be done. What is no command is for the rest of the world.
func (p *part) give(b bus.Body) {
	if b.MessageType().Kind != bus.Command {
		return
	}
	at := map[string]int{"inventory": atInventory, "payments": atPayments, "shipping": atShipping}[b.MessageType().Context]
	p.in[at] = append(p.in[at], b)
}

// chance draws a decision.
type chance func(what string) bool

// work does the oldest command that waits at a neighbour.
func (p *part) work(at int, happens chance) {
	c := p.in[at][0]
	p.in[at] = p.in[at][1:]
	switch c := c.(type) {
	case inventoryapi.ReserveStock:
		p.reserve(happens)
	case inventoryapi.CommitReservation:
		p.commit(happens)
	case inventoryapi.ShipStock:
		p.reservation = "shipped" // whatever the books said
	case inventoryapi.ExtendReservation:
		p.asked = false
	case inventoryapi.ReleaseStock:
		if p.reservation != "refused" && p.reservation != "shipped" {
			p.reservation = "released"
		}
		p.say(atInventory, inventoryapi.StockReleased{Reference: p.id})
	case paymentsapi.TakePayment:
		p.take(c.Amount.Amount)
	case paymentsapi.CancelPayment:
		p.cancel(happens)
	case shippingapi.CreateShipment:
		if p.shipment == "" {
			p.shipment = "created"
		}
		if p.shipment != "cancelled" {
			p.say(atShipping, shippingapi.ShipmentCreated{Reference: p.id, ShipmentID: "shp_" + p.id})
		}
	case shippingapi.CancelShipment:
		if p.shipment == "dispatched" || p.shipment == "delivered" {
			p.say(atShipping, shippingapi.ShipmentNotCancelled{Reference: p.id, Status: p.shipment})
			return
		}
		p.shipment = "cancelled"
		p.say(atShipping, shippingapi.ShipmentCancelled{Reference: p.id})
	}
}

func (p *part) say(at int, e bus.Body) { p.out[at] = append(p.out[at], e) }

func (p *part) reserve(happens chance) {
	switch {
	case p.reservation != "":
		p.say(atInventory, inventoryapi.StockRefused{Reference: p.id})
	case happens("stock is short"):
		p.reservation = "refused"
		p.say(atInventory, inventoryapi.StockRefused{Reference: p.id, Shortages: []inventoryapi.Shortage{{SKU: "TEA", Requested: 2}}})
	default:
		p.reservation = "held"
		p.say(atInventory, inventoryapi.StockReserved{Reference: p.id, ExpiresAt: noon.Add(time.Hour)})
	}
}

func (p *part) commit(happens chance) {
	switch {
	case p.reservation == "held", p.reservation == "expired" && !happens("the stock is gone"):
		p.reservation = "committed"
	case p.reservation == "committed", p.reservation == "shipped":
	default:
		p.say(atInventory, inventoryapi.ReservationLost{Reference: p.id})
	}
}

// expire is the time running out for a reservation, twice.
func (p *part) expire() {
	if !p.asked {
		p.asked = true
		p.say(atInventory, inventoryapi.ReservationExpiring{Reference: p.id})
		return
	}
	p.reservation = "expired"
}

func (p *part) take(amount int64) {
	switch p.payment {
	case "":
		p.payment, p.authorized = "pending", amount
	case "captured":
		p.say(atPayments, paymentsapi.PaymentCaptured{Reference: p.id, PaymentID: "pay_" + p.id, Amount: eur(p.taken)})
	case "declined", "void":
		p.say(atPayments, paymentsapi.PaymentDeclined{Reference: p.id, Code: "cancelled"})
	}
}

// settle is the provider's answer to a charge. When the payment is to be cancelled its outcome is not told.
func (p *part) settle(happens chance) {
	if happens("the payment is declined") {
		p.payment, p.authorized = "declined", 0
		if !p.cancelling {
			p.say(atPayments, paymentsapi.PaymentDeclined{Reference: p.id, PaymentID: "pay_" + p.id, Code: "card_declined"})
		}
	} else {
		p.payment, p.taken = "captured", p.authorized
		if !p.cancelling {
			p.say(atPayments, paymentsapi.PaymentCaptured{Reference: p.id, PaymentID: "pay_" + p.id, Amount: eur(p.taken)})
		}
	}
	if p.cancelling {
		p.cancel(happens)
	}
}

func (p *part) cancel(happens chance) {
	switch {
	case p.payment == "pending":
		p.cancelling = true
		return
	case p.payment == "":
		p.payment = "void"
	case p.refunded < p.taken && happens("the refund is refused"):
		p.cancelling = false
		p.say(atPayments, paymentsapi.PaymentCancelFailed{Reference: p.id, PaymentID: "pay_" + p.id, Code: "charge_disputed"})
		return
	}
	p.cancelling, p.refunded = false, p.taken
	e := paymentsapi.PaymentCancelled{Reference: p.id}
	if p.taken > 0 {
		e.PaymentID, e.Refunded = "pay_"+p.id, eur(p.refunded)
	}
	p.say(atPayments, e)
}

// refund is an operator giving a part back.
func (p *part) refund(amount int64) {
	p.refunded += amount
	p.refunds++
	p.say(atPayments, paymentsapi.PaymentRefunded{Reference: p.id, PaymentID: "pay_" + p.id, RefundID: fmt.Sprintf("ref_%d", p.refunds), Amount: eur(amount), Total: eur(p.refunded)})
}

func (p *part) dispatch() {
	p.shipment = "dispatched"
	p.say(atShipping, dispatched(p.id))
}

func (p *part) deliver() {
	p.shipment = "delivered"
	p.say(atShipping, shippingapi.ShipmentDelivered{Reference: p.id, ShipmentID: "shp_" + p.id})
}

// busy reports whether somebody still has something to do or to say.
func (p *part) busy() bool {
	for at := range p.in {
		if len(p.in[at])+len(p.out[at]) > 0 {
			return true
		}
	}
	return p.payment == "pending"
}

type worldInventory struct{ *world }

func (w worldInventory) Levels(context.Context, []string) ([]inventoryapi.Level, error) {
	return nil, nil
}

func (w worldInventory) Reservations(_ context.Context, references []string) (found []inventoryapi.Reservation, _ error) {
	for _, r := range references {
		if p := w.parts[r]; p != nil && p.reservation != "" {
			found = append(found, inventoryapi.Reservation{Reference: r, Status: p.reservation})
		}
	}
	return found, nil
}

type worldPayments struct{ *world }

func (w worldPayments) Payments(_ context.Context, references []string) (found []paymentsapi.Payment, _ error) {
	for _, r := range references {
		if p := w.parts[r]; p != nil && p.payment != "" {
			found = append(found, paymentsapi.Payment{ID: "pay_" + r, Reference: r, Amount: money.Money{Amount: 2000, Currency: "EUR"},
				Authorized: p.authorized, Captured: p.taken, Refunded: p.refunded})
		}
	}
	return found, nil
}

type worldShipping struct{ *world }

func (w worldShipping) Shipments(_ context.Context, references []string) (found []shippingapi.Shipment, _ error) {
	for _, r := range references {
		if p := w.parts[r]; p != nil && p.shipment != "" {
			found = append(found, shippingapi.Shipment{ID: "shp_" + r, Reference: r, Status: p.shipment})
		}
	}
	return found, nil
}
