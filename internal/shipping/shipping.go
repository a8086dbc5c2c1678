package shipping

import (
	"context"
	"time"

	"go.uber.org/zap"

	"shop/internal/platform/audit"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/shipping/internal/carrier"
	"shop/internal/shipping/shippingapi"
)

// Needs is what the context stands on.
type Needs struct {
	DB    *sqldb.DB
	Bus   bus.Transport
	Log   *zap.Logger
	Clock clock.Clock

	Home     string // the country that parcels leave from, ISO 3166-1 alpha-2; default DE
	Currency string // of estimates, ISO 4217; default EUR
}

// Module is the context, hosted in this process.
type Module struct {
	db       *sqldb.DB
	clock    clock.Clock
	endpoint *bus.Endpoint
	rates    carrier.Rates
}

var (
	_ shippingapi.Queries = (*Module)(nil)
	_ audit.Auditor       = (*Module)(nil)
)

// company is how long a shipment may wait to share a transaction with others: its order is confirmed already.
const company = 100 * time.Millisecond

// New builds the context. It handles no message until Start.
func New(n Needs) *Module {
	if n.Home == "" {
		n.Home = "DE"
	}
	if n.Currency == "" {
		n.Currency = "EUR"
	}
	m := &Module{
		db:       n.DB,
		clock:    n.Clock,
		endpoint: bus.NewEndpoint(bus.Config{Context: "shipping", DB: n.DB, Transport: n.Bus, Log: n.Log, Clock: n.Clock}),
		rates:    carrier.Rates{Home: n.Home, Currency: n.Currency},
	}
	bus.Prefetch(m.endpoint, prefetch[shippingapi.CreateShipment])
	bus.Prefetch(m.endpoint, prefetch[shippingapi.CancelShipment])
	bus.Assume(m.endpoint, assumeNew)
	bus.Patient[shippingapi.CreateShipment](m.endpoint, company)
	bus.On(m.endpoint, m.create)
	bus.On(m.endpoint, m.cancel)
	return m
}

// prefetch loads the shipments that the commands of a batch are about; the key of each is its reference.
func prefetch[C bus.Body](ctx context.Context, tx *sqldb.Tx, commands []C) error {
	references := make([]string, len(commands))
	for i, c := range commands {
		references[i] = c.MessageKey()
	}
	return loadShipments(ctx, tx, references)
}

// assumeNew takes it that no reference has a shipment yet; inserting one finds out.
func assumeNew(tx *sqldb.Tx, commands []shippingapi.CreateShipment) {
	for _, c := range commands {
		if _, known := tx.Local(localKey(c.Reference)); !known {
			tx.SetLocal(localKey(c.Reference), shipment{reference: c.Reference})
		}
	}
}

// Start handles commands and relays what is published. Errors: what the transport says of the subscriptions.
func (m *Module) Start(ctx context.Context) error { return m.endpoint.Start(ctx) }

// Stop finishes the handlers that run, then ends. Errors: ctx ended first.
func (m *Module) Stop(ctx context.Context) error { return m.endpoint.Stop(ctx) }

// Endpoint is the context's place on the bus, for those who watch its backlog.
func (m *Module) Endpoint() *bus.Endpoint { return m.endpoint }
