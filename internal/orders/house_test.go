package orders

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/shipping/shippingapi"
)

// house is some replicas of orders on one database. They are not started: the test decides which of them gets which message and when, and takes what
// they send from the outbox. Each keeps its own orders in memory, and so may know less than the database.
type house struct {
	clock    *clock.Fake
	replicas []*Module
	world    *world // the neighbours, asked by the audit
	read     int64  // the last row of the outbox that was taken
}

func eachHouse(t *testing.T, replicas int, test func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		h := &house{clock: clock.NewFake(noon), world: newWorld()}
		transport := bus.NewMemory()
		require.NoError(t, transport.Join("notifications", bus.Topic("orders", bus.Event))) // events that nobody hears are not written
		t.Cleanup(func() { require.NoError(t, transport.Close()) })
		for range replicas {
			h.replicas = append(h.replicas, New(Needs{DB: dbtest.Open(t, "orders", url), Bus: transport, Prices: newCatalog(), Clock: h.clock,
				Inventory: worldInventory{h.world}, Payments: worldPayments{h.world}, Shipping: worldShipping{h.world}}))
		}
		test(t, h)
	})
}

// insist does what a consumer does when a message fails: it tries again.
func insist(t require.TestingT, do func() error) {
	var err error
	for range 3 {
		if err = do(); !errors.Is(err, sqldb.ErrDuplicate) {
			break
		}
	}
	require.NoError(t, err)
}

func (h *house) place(t require.TestingT, replica int) string {
	m, ctx := h.replicas[replica], context.Background()
	id := newID(ctx)
	first, err := price(ctx, m.needs.Prices, basket().wish())
	require.NoError(t, err)
	insist(t, func() error {
		return m.needs.DB.Write(ctx, id, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := m.process.place(ctx, tx, id, first)
			return err
		})
	})
	return id
}

// tell hands a message to a replica.
func (h *house) tell(t require.TestingT, replica int, msg bus.Body) {
	m := h.replicas[replica]
	insist(t, func() error {
		return m.needs.DB.Write(context.Background(), msg.MessageKey(), func(ctx context.Context, tx *sqldb.Tx) error { return apply(ctx, tx, m.process, msg) })
	})
}

// apply is what listen sets up.
func apply(ctx context.Context, tx *sqldb.Tx, p *process, msg bus.Body) error {
	switch e := msg.(type) {
	case inventoryapi.StockReserved:
		return hear(ctx, tx, p, e, p.stockReserved)
	case inventoryapi.StockRefused:
		return hear(ctx, tx, p, e, p.stockRefused)
	case inventoryapi.StockReleased:
		return hear(ctx, tx, p, e, p.stockReleased)
	case inventoryapi.ReservationExpiring:
		return hear(ctx, tx, p, e, p.reservationExpiring)
	case inventoryapi.ReservationLost:
		return hear(ctx, tx, p, e, p.reservationLost)
	case paymentsapi.PaymentCaptured:
		return hear(ctx, tx, p, e, p.paymentCaptured)
	case paymentsapi.PaymentDeclined:
		return hear(ctx, tx, p, e, p.paymentDeclined)
	case paymentsapi.PaymentCancelled:
		return hear(ctx, tx, p, e, p.paymentCancelled)
	case paymentsapi.PaymentCancelFailed:
		return hear(ctx, tx, p, e, p.paymentCancelFailed)
	case paymentsapi.PaymentRefunded:
		return hear(ctx, tx, p, e, p.paymentRefunded)
	case shippingapi.ShipmentCreated:
		return hear(ctx, tx, p, e, p.shipmentCreated)
	case shippingapi.ShipmentDispatched:
		return hear(ctx, tx, p, e, p.shipmentDispatched)
	case shippingapi.ShipmentDelivered:
		return hear(ctx, tx, p, e, p.shipmentDelivered)
	case shippingapi.ShipmentCancelled:
		return hear(ctx, tx, p, e, p.shipmentCancelled)
	case shippingapi.ShipmentNotCancelled:
		return hear(ctx, tx, p, e, p.shipmentNotCancelled)
	}
	return errors.New("nobody hears " + msg.MessageType().String())
}

// sent takes what was sent since the last call.
func (h *house) sent(t require.TestingT) []bus.Body {
	waiting, err := bus.Outbox(context.Background(), h.replicas[0].needs.DB, h.read, 10_000)
	require.NoError(t, err)
	var bodies []bus.Body
	for _, w := range waiting {
		decode := decoders[w.Type]
		require.NotNil(t, decode, w.Type)
		bodies = append(bodies, decode(t, []byte(w.Body)))
		h.read = w.Row
	}
	return bodies
}

func decoder[T bus.Body](types map[string]func(require.TestingT, []byte) bus.Body) {
	var zero T
	types[zero.MessageType().String()] = func(t require.TestingT, body []byte) bus.Body {
		var v T
		require.NoError(t, json.Unmarshal(body, &v))
		return v
	}
}

// decoders know what orders sends.
var decoders = func() map[string]func(require.TestingT, []byte) bus.Body {
	types := map[string]func(require.TestingT, []byte) bus.Body{}
	decoder[inventoryapi.ReserveStock](types)
	decoder[inventoryapi.ExtendReservation](types)
	decoder[inventoryapi.CommitReservation](types)
	decoder[inventoryapi.ReleaseStock](types)
	decoder[inventoryapi.ShipStock](types)
	decoder[paymentsapi.TakePayment](types)
	decoder[paymentsapi.CancelPayment](types)
	decoder[shippingapi.CreateShipment](types)
	decoder[shippingapi.CancelShipment](types)
	decoder[ordersapi.OrderPlaced](types)
	decoder[ordersapi.OrderConfirmed](types)
	decoder[ordersapi.OrderShipped](types)
	decoder[ordersapi.OrderDelivered](types)
	decoder[ordersapi.OrderCancelled](types)
	decoder[ordersapi.OrderRefunded](types)
	return types
}()

// words are the names of what was sent since the last call.
func (h *house) words(t require.TestingT) (names []string) {
	for _, b := range h.sent(t) {
		names = append(names, wordFor(b))
	}
	return names
}

// order is what the database says, by replay of the events and as the projection has it.
func (h *house) order(t require.TestingT, id string) (Order, summary, []record) {
	s := h.replicas[0].store
	rows, err := s.history(context.Background(), id)
	require.NoError(t, err)
	orders, err := replay(rows)
	require.NoError(t, err)
	sum, err := s.find(context.Background(), id)
	require.NoError(t, err)
	return orders[0], sum, rows
}
