package notifications

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"shop/internal/customers/customersapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/platform/audit"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/metrics"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// Needs is what notifications is made of. A zero number takes its default.
type Needs struct {
	DB    *sqldb.DB
	Bus   bus.Transport
	Mail  *Mail // through which mail server, and as whom; nil: messages are only noted in the log
	Log   *zap.Logger
	Clock clock.Clock

	Metrics prometheus.Registerer // nil: none

	Senders int           // connections to the mail server at the same time (8)
	Timeout time.Duration // for one message on a connection, and for making one (30 s)
	Poll    time.Duration // how often the courier looks without being woken: for what is to be tried again (5 s)
}

// Module is the notifications context.
type Module struct {
	db       *sqldb.DB
	log      *zap.Logger
	clock    clock.Clock
	endpoint *bus.Endpoint
	courier  *courier
}

var _ audit.Auditor = (*Module)(nil)

// New builds the context. It hears and sends nothing before Start.
func New(n Needs) *Module {
	n = n.withDefaults()
	m := &Module{
		db:       n.DB,
		log:      n.Log.With(telemetry.InContext("notifications")),
		clock:    n.Clock,
		endpoint: bus.NewEndpoint(bus.Config{Context: "notifications", DB: n.DB, Transport: n.Bus, Log: n.Log, Clock: n.Clock}),
	}
	m.courier = newCourier(m, n)
	about(m, func(e ordersapi.OrderConfirmed) (ordersapi.Summary, news) { return e.Summary, confirmed(e) })
	about(m, func(e ordersapi.OrderShipped) (ordersapi.Summary, news) { return e.Summary, shipped(e) })
	about(m, func(e ordersapi.OrderCancelled) (ordersapi.Summary, news) { return e.Summary, cancelled(e) })
	about(m, func(e ordersapi.OrderRefunded) (ordersapi.Summary, news) { return e.Summary, refunded(e) })
	bus.On(m.endpoint, func(ctx context.Context, tx *sqldb.Tx, e customersapi.CustomerRegistered) error {
		return m.meet(ctx, tx, contact{CustomerID: e.CustomerID, Name: e.Name, Email: e.Email, Version: e.Version})
	})
	bus.On(m.endpoint, func(ctx context.Context, tx *sqldb.Tx, e customersapi.CustomerChanged) error {
		return m.meet(ctx, tx, contact{CustomerID: e.CustomerID, Name: e.Name, Email: e.Email, Version: e.Version})
	})
	bus.On(m.endpoint, func(ctx context.Context, tx *sqldb.Tx, e customersapi.CustomerErased) error {
		return m.forget(ctx, tx, contact{CustomerID: e.CustomerID, Erased: true, Version: e.Version})
	})
	m.endpoint.WhileLeading(m.courier.run)
	if n.Metrics != nil {
		n.Metrics.MustRegister(metrics.NewReader(m.log, m.readMetrics, metrics.Mails))
	}
	return m
}

func (n Needs) withDefaults() Needs {
	if n.Log == nil {
		n.Log = zap.NewNop()
	}
	if n.Clock == nil {
		n.Clock = clock.System
	}
	if n.Senders == 0 {
		n.Senders = 8
	}
	if n.Timeout == 0 {
		n.Timeout = 30 * time.Second
	}
	if n.Poll == 0 {
		n.Poll = 5 * time.Second
	}
	return n
}

// Start begins to hear events and to send. Errors: what the transport says of the subscriptions.
func (m *Module) Start(ctx context.Context) error { return m.endpoint.Start(ctx) }

// Stop finishes what is under way. A mail server that does not answer is not waited for: its message becomes unknown. Errors: ctx ended first.
func (m *Module) Stop(ctx context.Context) error { return m.endpoint.Stop(ctx) }

// Endpoint is the context's place on the bus, for those who watch its backlog.
func (m *Module) Endpoint() *bus.Endpoint { return m.endpoint }
