package notifications

import (
	"context"
	"time"

	"shop/internal/orders/ordersapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

func confirmed(e ordersapi.OrderConfirmed) news {
	return news{kind: orderConfirmed, Total: e.Total}
}

func shipped(e ordersapi.OrderShipped) news {
	return news{kind: orderShipped, Total: e.Total, Carrier: e.Carrier, TrackingNumber: e.TrackingNumber}
}

func cancelled(e ordersapi.OrderCancelled) news {
	return news{kind: orderCancelled, Total: e.Total, Reason: e.Reason, Refunded: e.Refunded}
}

func refunded(e ordersapi.OrderRefunded) news {
	return news{kind: refundedKind, occasion: e.RefundID, Total: e.Total, Amount: e.Amount, Refunded: e.Refunded}
}

// company is how long a message to a customer may wait to share a transaction with others.
const company = 100 * time.Millisecond

// about makes an intent of each event of a type, unless there is one, and wakes the courier once it is durable.
func about[E bus.Body](m *Module, say func(E) (ordersapi.Summary, news)) {
	bus.Patient[E](m.endpoint, company)
	bus.On(m.endpoint, func(ctx context.Context, tx *sqldb.Tx, e E) error {
		s, n := say(e)
		m.intend(ctx, tx, s, n)
		return nil
	})
}

func (m *Module) intend(ctx context.Context, tx *sqldb.Tx, s ordersapi.Summary, n news) {
	insertIntent(tx, s, n, telemetry.ToStore(ctx), m.clock.Now())
	tx.AfterCommit(m.courier.wakeUp)
}

// lateContact is for how long after an order its customer's profile may be heard of: events of two contexts come in any order.
const lateContact = time.Hour

// meet keeps a customer's contact, and takes up what was skipped only because it was not known yet.
func (m *Module) meet(ctx context.Context, tx *sqldb.Tx, c contact) error {
	now := m.clock.Now()
	if err := saveContact(ctx, tx, c); err != nil {
		return err
	}
	revived, err := revive(ctx, tx, c.CustomerID, now.Add(-lateContact), now)
	if revived > 0 {
		tx.AfterCommit(m.courier.wakeUp)
	}
	return err
}

// forget deletes what is kept of an erased customer, and what was to be sent to them.
func (m *Module) forget(ctx context.Context, tx *sqldb.Tx, c contact) error {
	if err := saveContact(ctx, tx, c); err != nil {
		return err
	}
	return forgetAddresses(ctx, tx, c.CustomerID, m.clock.Now())
}
