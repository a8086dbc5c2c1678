package inventory

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/audit"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/metrics"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

// Needs is what the context stands on. A zero duration takes its default.
type Needs struct {
	DB    *sqldb.DB
	Bus   bus.Transport
	Log   *zap.Logger
	Clock clock.Clock

	Metrics prometheus.Registerer // nil: none

	Hold  time.Duration // how long stock is held for a caller who does not say (15 min)
	Grace time.Duration // from ReservationExpiring to the expiry (15 s)
	Sweep time.Duration // pause between two looks for reservations whose time is up (1 s)
}

// Module is the context, hosted in this process.
type Module struct {
	db       *sqldb.DB
	log      *zap.Logger
	clock    clock.Clock
	endpoint *bus.Endpoint
	answers  *web.Idempotency
	lapsing  *sqldb.Kind
	recent   *recent

	stockOuts prometheus.Counter

	rounds                  *sqldb.Rounds // for reservations that are held longer than usual
	hold, grace, sweepEvery time.Duration
}

var (
	_ inventoryapi.Queries = (*Module)(nil)
	_ audit.Auditor        = (*Module)(nil)
)

// company is how long a commitment may wait to share a transaction with others: its order is confirmed already, and the stock is held.
const company = 100 * time.Millisecond

// New builds the context. It does nothing until Start, except that it answers questions.
func New(n Needs) *Module {
	m := &Module{
		db:         n.DB,
		log:        n.Log.With(telemetry.InContext("inventory")),
		clock:      n.Clock,
		endpoint:   bus.NewEndpoint(bus.Config{Context: "inventory", DB: n.DB, Transport: n.Bus, Log: n.Log, Clock: n.Clock}),
		answers:    web.NewIdempotency(n.DB, n.Clock),
		hold:       orDefault(n.Hold, 15*time.Minute),
		grace:      orDefault(n.Grace, 15*time.Second),
		sweepEvery: orDefault(n.Sweep, time.Second),
		recent:     newRecent(),
		stockOuts:  metrics.StockOuts.Counter(nil),
	}
	if n.Metrics != nil {
		n.Metrics.MustRegister(m.stockOuts)
	}
	m.lapsing = &sqldb.Kind{Name: "lapsing", Prepare: prepareLapses}

	bus.On(m.endpoint, m.reserve)
	bus.On(m.endpoint, m.extend)
	bus.On(m.endpoint, m.commit)
	bus.On(m.endpoint, m.release)
	bus.On(m.endpoint, m.ship)
	bus.Prefetch(m.endpoint, prefetchForReserve)
	bus.Assume(m.endpoint, assumeEnough)
	bus.Prefetch(m.endpoint, prefetch[inventoryapi.ExtendReservation])
	bus.Prefetch(m.endpoint, prefetch[inventoryapi.CommitReservation])
	bus.Assume(m.endpoint, m.assumeHeld)
	bus.Prefetch(m.endpoint, prefetch[inventoryapi.ReleaseStock])
	bus.Prefetch(m.endpoint, prefetch[inventoryapi.ShipStock])
	bus.Patient[inventoryapi.CommitReservation](m.endpoint, company)
	m.rounds = sqldb.NewRounds(m.db, "inventory", usually)
	m.endpoint.WhileLeading(m.sweepLoop)
	return m
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Start takes commands, relays events, and, in the replica that leads, ends reservations whose time is up. Errors: what the transport says.
func (m *Module) Start(ctx context.Context) error { return m.endpoint.Start(ctx) }

// Stop finishes the commands that run. Errors: ctx ended first.
func (m *Module) Stop(ctx context.Context) error { return m.endpoint.Stop(ctx) }

// Endpoint is the context's place on the bus, for those who watch its backlog.
func (m *Module) Endpoint() *bus.Endpoint { return m.endpoint }

// prefetch loads the reservations that a batch of messages is about.
func prefetch[T bus.Body](ctx context.Context, tx *sqldb.Tx, messages []T) error {
	references := make([]string, len(messages))
	for i, c := range messages {
		references[i] = c.MessageKey()
	}
	return loadReservations(ctx, tx, references)
}
