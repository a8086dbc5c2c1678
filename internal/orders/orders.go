package orders

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"shop/internal/catalog/catalogapi"
	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/metrics"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

// Needs is what orders cannot do without. The questions to inventory, payments and shipping are asked by the audit only.
type Needs struct {
	DB        *sqldb.DB
	Bus       bus.Transport
	Prices    catalogapi.Prices
	Inventory inventoryapi.Queries
	Payments  paymentsapi.Queries
	Shipping  shippingapi.Queries
	Log       *zap.Logger
	Clock     clock.Clock
	Metrics   prometheus.Registerer // nil: none
	Deadlines Deadlines
}

// Deadlines are how long the process waits for the answer to a step before it does something about it. Zero means the default.
type Deadlines struct {
	Reserve    time.Duration // then the order is cancelled (2 min)
	Pay        time.Duration // then the order is cancelled and the payment, whatever became of it, taken back (10 min)
	Ship       time.Duration // then the shipment is asked for again (2 min)
	Compensate time.Duration // then the compensation is asked for again (1 min, longer each time)
	Hold       time.Duration // how long stock is held for an order (15 min)
	Look       time.Duration // how often deadlines are looked at (1 s)
	Grace      time.Duration // after a start, before a deadline counts: what waited meanwhile gets its chance (30 s)
}

func (d Deadlines) withDefaults() Deadlines {
	for _, f := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&d.Reserve, 2 * time.Minute}, {&d.Pay, 10 * time.Minute}, {&d.Ship, 2 * time.Minute}, {&d.Compensate, time.Minute},
		{&d.Hold, 15 * time.Minute}, {&d.Look, time.Second}, {&d.Grace, 30 * time.Second}} {
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	return d
}

// unexpected is how old an order gets only if something is amiss; well before its first deadline somebody has to look after it.
func (d Deadlines) unexpected() time.Duration { return min(d.Reserve, d.Pay, d.Ship) / 4 }

// Module is the orders context.
type Module struct {
	needs   Needs
	log     *zap.Logger
	ep      *bus.Endpoint
	store   *store
	process *process
	idem    *web.Idempotency
	watch   *watchers
}

// New puts the context together. Nothing runs until Start.
func New(n Needs) *Module {
	if n.Log == nil {
		n.Log = zap.NewNop()
	}
	if n.Clock == nil {
		n.Clock = clock.System
	}
	n.Deadlines = n.Deadlines.withDefaults()
	m := &Module{needs: n, log: n.Log.With(telemetry.InContext("orders")), watch: newWatchers()}
	m.ep = bus.NewEndpoint(bus.Config{Context: "orders", DB: n.DB, Transport: n.Bus, Log: n.Log, Clock: n.Clock})
	m.store = newStore(n.DB, n.Clock, n.Deadlines, m.watch.changed)
	if n.Metrics != nil {
		m.store.counters = newCounters(n.Metrics)
		n.Metrics.MustRegister(metrics.NewReader(m.log, m.store.readSagas, metrics.SagaRunning, metrics.SagaOldest, metrics.SagaStuck))
	}
	m.process = &process{store: m.store, send: m.ep.Publish, hold: n.Deadlines.Hold, log: m.log}
	m.process.listen(m.ep)
	m.ep.WhileLeading(m.watchDeadlines)
	m.idem = web.NewIdempotency(n.DB, n.Clock)
	return m
}

// Start begins to listen and to relay.
func (m *Module) Start(ctx context.Context) error { return m.ep.Start(ctx) }

// Stop finishes what runs. Errors: ctx ended first.
func (m *Module) Stop(ctx context.Context) error { return m.ep.Stop(ctx) }

// Endpoint is the context's place on the bus, for health and metrics.
func (m *Module) Endpoint() *bus.Endpoint { return m.ep }
