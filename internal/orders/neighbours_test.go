package orders

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/catalog/catalogapi"
	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/shipping/shippingapi"
)

// catalog sells TEA for 7.50, CUP for 5.00, and what the test puts into it.
type catalog struct {
	mu       sync.Mutex
	products map[string]catalogapi.Price
	err      error
}

func newCatalog() *catalog {
	c := &catalog{products: map[string]catalogapi.Price{}}
	c.put("TEA", eur(750), true)
	c.put("CUP", eur(500), true)
	return c
}

func (c *catalog) put(sku string, price money.Money, active bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.products[sku] = catalogapi.Price{SKU: sku, Name: "A " + strings.ToLower(sku), Price: price, Active: active}
}

func (c *catalog) remove(sku string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.products, sku)
}

// fail makes every question fail; nil ends that.
func (c *catalog) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *catalog) Prices(_ context.Context, skus []string) (map[string]catalogapi.Price, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]catalogapi.Price{}
	for _, sku := range skus {
		if p, ok := c.products[sku]; ok {
			found[sku] = p
		}
	}
	return found, c.err
}

// hearing is what the neighbours were told, in the order in which they applied it.
type hearing struct {
	mu   sync.Mutex
	told []bus.Body
}

func (h *hearing) add(c bus.Body) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, c)
}

func (h *hearing) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.told)
}

// about are the names of the commands about an order: those that are answered, which come one after the other, and those to inventory that are
// not, which go beside them.
func (h *hearing) about(id string) (answered, unanswered []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.told {
		if c.MessageKey() != id {
			continue
		}
		switch name := wordFor(c); name {
		case "ExtendReservation", "CommitReservation", "ShipStock":
			unanswered = append(unanswered, name)
		default:
			answered = append(answered, name)
		}
	}
	return answered, unanswered
}

// wordFor is a message's name: ReserveStock.
func wordFor(b bus.Body) string {
	name := fmt.Sprintf("%T", b)
	return name[strings.LastIndexByte(name, '.')+1:]
}

// last is the latest command of a type.
func last[C bus.Body](h *hearing) (found C) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.told {
		if c, ok := c.(C); ok {
			found = c
		}
	}
	return found
}

// neighbour is a context that orders directs. It answers by its contract, unless the test says otherwise.
type neighbour struct {
	t       testing.TB
	db      *sqldb.DB
	ep      *bus.Endpoint
	mu      sync.Mutex
	scripts map[string]func(bus.Body) []bus.Body // by the command's type
	said    map[string][]bus.Body                // by the message's id: a handler may run again, and what it did to the maps is not undone
	times   int                                  // how often it says everything
}

func newNeighbour(s *shop, name string) *neighbour {
	db := dbtest.Open(s.t, "platform", "sqlite:"+s.t.TempDir())
	return &neighbour{t: s.t, db: db, ep: bus.NewEndpoint(bus.Config{Context: name, DB: db, Transport: s.bus, Clock: s.clock}),
		scripts: map[string]func(bus.Body) []bus.Body{}, said: map[string][]bus.Body{}, times: 1}
}

// obeys makes a neighbour answer a command.
func obeys[C bus.Body](n *neighbour, heard *hearing, answer func(c C) []bus.Body) {
	bus.On(n.ep, func(ctx context.Context, tx *sqldb.Tx, c C) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		tx.AfterCommit(func() { heard.add(c) })
		id := bus.CauseOf(ctx).MessageID
		answers, again := n.said[id]
		if !again {
			if script := n.scripts[c.MessageType().String()]; script != nil {
				answers = script(c)
			} else {
				answers = answer(c)
			}
			n.said[id] = answers
		}
		return n.publish(ctx, tx, answers...)
	})
}

func (n *neighbour) publish(ctx context.Context, tx *sqldb.Tx, events ...bus.Body) error {
	for _, e := range events {
		for range n.times {
			if err := n.ep.Publish(ctx, tx, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// instead makes a neighbour do something else about a command from now on.
func instead[C bus.Body](n *neighbour, answer func(c C) []bus.Body) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var c C
	n.scripts[c.MessageType().String()] = func(b bus.Body) []bus.Body { return answer(b.(C)) }
}

// ignores makes a neighbour say and do nothing about a command.
func ignores[C bus.Body](n *neighbour) {
	instead(n, func(C) []bus.Body { return nil })
}

// behaves makes a neighbour keep to its contract again.
func (n *neighbour) behaves() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.scripts)
}

// say publishes events that nobody asked for.
func (n *neighbour) say(events ...bus.Body) {
	n.t.Helper()
	require.NoError(n.t, n.db.Write(context.Background(), "", func(ctx context.Context, tx *sqldb.Tx) error { return n.publish(ctx, tx, events...) }))
}

// inventory has any quantity of everything.
type inventory struct {
	*neighbour
	reservations map[string]string // reference → status
}

func newInventory(s *shop) *inventory {
	n := &inventory{newNeighbour(s, "inventory"), map[string]string{}}
	obeys(n.neighbour, s.heard, func(c inventoryapi.ReserveStock) []bus.Body {
		if n.reservations[c.Reference] != "" {
			return []bus.Body{inventoryapi.StockRefused{Reference: c.Reference}}
		}
		n.reservations[c.Reference] = "held"
		return []bus.Body{inventoryapi.StockReserved{Reference: c.Reference, ExpiresAt: noon.Add(time.Duration(c.HoldSeconds) * time.Second)}}
	})
	obeys(n.neighbour, s.heard, func(inventoryapi.ExtendReservation) []bus.Body { return nil })
	obeys(n.neighbour, s.heard, func(c inventoryapi.CommitReservation) []bus.Body { return n.become(c.Reference, "committed") })
	obeys(n.neighbour, s.heard, func(c inventoryapi.ShipStock) []bus.Body { return n.become(c.Reference, "shipped") })
	obeys(n.neighbour, s.heard, func(c inventoryapi.ReleaseStock) []bus.Body {
		return n.become(c.Reference, "released", inventoryapi.StockReleased{Reference: c.Reference})
	})
	return n
}

func (n *inventory) become(reference, status string, answers ...bus.Body) []bus.Body {
	n.reservations[reference] = status
	return answers
}

// refuse is the answer of an inventory that has nothing.
func (n *inventory) refuse(c inventoryapi.ReserveStock) []bus.Body {
	n.reservations[c.Reference] = "refused"
	e := inventoryapi.StockRefused{Reference: c.Reference}
	for _, l := range c.Lines {
		e.Shortages = append(e.Shortages, inventoryapi.Shortage{SKU: l.SKU, Requested: l.Quantity})
	}
	return []bus.Body{e}
}

func (n *inventory) Levels(context.Context, []string) ([]inventoryapi.Level, error) { return nil, nil }

func (n *inventory) Reservations(_ context.Context, references []string) (found []inventoryapi.Reservation, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range references {
		if status := n.reservations[r]; status != "" {
			found = append(found, inventoryapi.Reservation{Reference: r, Status: status})
		}
	}
	return found, nil
}

// payments gets every payment from its provider.
type payments struct {
	*neighbour
	payments map[string]paymentsapi.Payment
}

func newPayments(s *shop) *payments {
	n := &payments{newNeighbour(s, "payments"), map[string]paymentsapi.Payment{}}
	obeys(n.neighbour, s.heard, n.capture)
	obeys(n.neighbour, s.heard, n.giveBack)
	return n
}

func (n *payments) capture(c paymentsapi.TakePayment) []bus.Body {
	p := paymentsapi.Payment{ID: "pay_" + c.Reference, Reference: c.Reference, Status: "captured", Amount: c.Amount, Authorized: c.Amount.Amount, Captured: c.Amount.Amount}
	n.payments[c.Reference] = p
	return []bus.Body{captured(p)}
}

func captured(p paymentsapi.Payment) bus.Body {
	return paymentsapi.PaymentCaptured{Reference: p.Reference, PaymentID: p.ID, Amount: p.Amount}
}

func (n *payments) decline(c paymentsapi.TakePayment) []bus.Body {
	n.payments[c.Reference] = paymentsapi.Payment{ID: "pay_" + c.Reference, Reference: c.Reference, Status: "declined", Amount: c.Amount}
	return []bus.Body{paymentsapi.PaymentDeclined{Reference: c.Reference, PaymentID: "pay_" + c.Reference, Code: "card_declined"}}
}

func (n *payments) giveBack(c paymentsapi.CancelPayment) []bus.Body {
	p := n.payments[c.Reference]
	p.Refunded = p.Captured
	n.payments[c.Reference] = p
	return []bus.Body{paymentsapi.PaymentCancelled{Reference: c.Reference, PaymentID: p.ID, Refunded: money.Money{Amount: p.Refunded, Currency: p.Amount.Currency}}}
}

func (n *payments) refuseToGiveBack(c paymentsapi.CancelPayment) []bus.Body {
	return []bus.Body{paymentsapi.PaymentCancelFailed{Reference: c.Reference, PaymentID: n.payments[c.Reference].ID, Code: "charge_disputed"}}
}

// refund is what an operator does.
func (n *payments) refund(reference string, amount int64) {
	n.mu.Lock()
	p := n.payments[reference]
	p.Refunded += amount
	n.payments[reference] = p
	n.mu.Unlock()
	n.say(paymentsapi.PaymentRefunded{Reference: reference, PaymentID: p.ID, RefundID: fmt.Sprintf("ref_%d", p.Refunded), Amount: eur(amount), Total: eur(p.Refunded)})
}

func (n *payments) Payments(_ context.Context, references []string) (found []paymentsapi.Payment, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range references {
		if p, ok := n.payments[r]; ok {
			found = append(found, p)
		}
	}
	return found, nil
}

// shipping makes a parcel of everything.
type shipping struct {
	*neighbour
	shipments map[string]shippingapi.Shipment
}

func newShipping(s *shop) *shipping {
	n := &shipping{newNeighbour(s, "shipping"), map[string]shippingapi.Shipment{}}
	obeys(n.neighbour, s.heard, n.create)
	obeys(n.neighbour, s.heard, n.withdraw)
	return n
}

func (n *shipping) create(c shippingapi.CreateShipment) []bus.Body {
	if n.shipments[c.Reference].Status != "cancelled" {
		n.shipments[c.Reference] = shippingapi.Shipment{ID: "shp_" + c.Reference, Reference: c.Reference, Status: "created"}
	}
	return []bus.Body{shippingapi.ShipmentCreated{Reference: c.Reference, ShipmentID: "shp_" + c.Reference}}
}

func (n *shipping) withdraw(c shippingapi.CancelShipment) []bus.Body {
	sh := n.shipments[c.Reference]
	if sh.Status == "dispatched" || sh.Status == "delivered" {
		return []bus.Body{shippingapi.ShipmentNotCancelled{Reference: c.Reference, Status: sh.Status}}
	}
	sh.Reference, sh.Status = c.Reference, "cancelled"
	n.shipments[c.Reference] = sh
	return []bus.Body{shippingapi.ShipmentCancelled{Reference: c.Reference}}
}

// note changes a parcel without telling anybody.
func (n *shipping) note(reference, status string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sh := n.shipments[reference]
	sh.Reference, sh.Status = reference, status
	n.shipments[reference] = sh
}

func dispatched(reference string) bus.Body {
	return shippingapi.ShipmentDispatched{Reference: reference, ShipmentID: "shp_" + reference, Carrier: "parcelforce", TrackingNumber: "PF1"}
}

func (n *shipping) dispatch(reference string) {
	n.note(reference, "dispatched")
	n.say(dispatched(reference))
}

func (n *shipping) deliver(reference string) {
	n.note(reference, "delivered")
	n.say(shippingapi.ShipmentDelivered{Reference: reference, ShipmentID: "shp_" + reference})
}

func (n *shipping) Shipments(_ context.Context, references []string) (found []shippingapi.Shipment, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range references {
		if sh, ok := n.shipments[r]; ok {
			found = append(found, sh)
		}
	}
	return found, nil
}

// listener hears what orders tells the world.
type listener struct {
	mu     sync.Mutex
	events map[string][]string // order → types of the events
	bodies map[string][]string // order → the events themselves
	known  map[string]bool     // by the message's id
}

func listen(t testing.TB, transport bus.Transport) *listener {
	sub, err := transport.Subscriber("notifications")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	messages, err := sub.Subscribe(ctx, bus.Topic("orders", bus.Event))
	require.NoError(t, err)
	l := &listener{events: map[string][]string{}, bodies: map[string][]string{}, known: map[string]bool{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for msg := range messages {
			l.add(msg.UUID, msg.Metadata.Get("ce_subject"), msg.Metadata.Get("ce_type"), string(msg.Payload))
			msg.Ack()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		require.NoError(t, sub.Close())
	})
	return l
}

func (l *listener) add(message, id, typ, body string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known[message] {
		l.known[message] = true
		l.events[id] = append(l.events[id], strings.TrimSuffix(strings.TrimPrefix(typ, "shop.orders.order."), ".v1"))
		l.bodies[id] = append(l.bodies[id], body)
	}
}

func (l *listener) about(id string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.events[id]...)
}

// note changes a reservation without telling anybody.
func (n *inventory) note(reference, status string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reservations[reference] = status
}

// late captures a payment that was asked for before, and gives the answer.
func (n *payments) late(reference string) []bus.Body {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.capture(paymentsapi.TakePayment{Reference: reference, Amount: eur(2000)})
}

// later gives a payment back that was to be cancelled before, and gives the answer.
func (n *payments) later(reference string) []bus.Body {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.giveBack(paymentsapi.CancelPayment{Reference: reference})
}
