package catalog

import (
	"context"

	"go.uber.org/zap"

	"shop/internal/catalog/catalogapi"
	"shop/internal/platform/audit"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/web"
)

// Needs is what the context stands on.
type Needs struct {
	DB    *sqldb.DB
	Bus   bus.Transport
	Log   *zap.Logger
	Clock clock.Clock
}

// Module is the context, hosted in this process.
type Module struct {
	db       *sqldb.DB
	clock    clock.Clock
	endpoint *bus.Endpoint
	prices   *priceCache
	pages    *sqldb.Loader[pageKey, web.Page[productBody]]
	known    pages
}

var (
	_ catalogapi.Prices = (*Module)(nil)
	_ audit.Auditor     = (*Module)(nil)
)

// New builds the context. It does nothing until Start, except that it answers questions.
func New(n Needs) *Module {
	m := &Module{
		db:       n.DB,
		clock:    n.Clock,
		endpoint: bus.NewEndpoint(bus.Config{Context: "catalog", DB: n.DB, Transport: n.Bus, Log: n.Log, Clock: n.Clock}),
		prices:   newPriceCache(priceRows{n.DB}),
	}
	m.pages = sqldb.NewLoader(m.readPages)
	return m
}

// Start relays what is published. Errors: what the transport says.
func (m *Module) Start(ctx context.Context) error { return m.endpoint.Start(ctx) }

// Stop ends the relay. Errors: ctx ended first.
func (m *Module) Stop(ctx context.Context) error { return m.endpoint.Stop(ctx) }

// Endpoint is the context's place on the bus, for those who watch its backlog.
func (m *Module) Endpoint() *bus.Endpoint { return m.endpoint }

// Prices says what the products cost; a SKU that is not known is left out. The answer is at most a second old, and never older than a change that this
// process has made. Errors: fault Unavailable.
func (m *Module) Prices(ctx context.Context, skus []string) (map[string]catalogapi.Price, error) {
	return m.prices.Prices(ctx, skus)
}
