package customers

import (
	"context"

	"go.uber.org/zap"

	"shop/internal/customers/customersapi"
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
	db          *sqldb.DB
	clock       clock.Clock
	endpoint    *bus.Endpoint
	idempotency *web.Idempotency
}

var (
	_ customersapi.Queries = (*Module)(nil)
	_ audit.Auditor        = (*Module)(nil)
)

// New builds the context. It does nothing until Start, except that it answers questions.
func New(n Needs) *Module {
	return &Module{
		db:          n.DB,
		clock:       n.Clock,
		endpoint:    bus.NewEndpoint(bus.Config{Context: "customers", DB: n.DB, Transport: n.Bus, Log: n.Log, Clock: n.Clock}),
		idempotency: web.NewIdempotency(n.DB, n.Clock),
	}
}

// Start relays what is published. Errors: what the transport says.
func (m *Module) Start(ctx context.Context) error { return m.endpoint.Start(ctx) }

// Stop ends the relay. Errors: ctx ended first.
func (m *Module) Stop(ctx context.Context) error { return m.endpoint.Stop(ctx) }

// Endpoint is the context's place on the bus, for those who watch its backlog.
func (m *Module) Endpoint() *bus.Endpoint { return m.endpoint }
