package payments

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/metrics"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

// Needs is what payments is made of. A zero number takes its default.
type Needs struct {
	DB       *sqldb.DB
	Bus      bus.Transport
	Provider Provider
	Log      *zap.Logger
	Clock    clock.Clock
	Metrics  prometheus.Registerer // nil: none

	Deadline time.Duration // for one call to the provider (3 s)
	GiveUp   time.Duration // age at which a payment that the provider never charged is closed there and declined (15 min)
	Senders  int           // calls for new payments at the same time (64)
	Queue    int           // new payments that wait for a sender; more wait for the reconciler (4096)
	Resolve  int           // calls at the same time for payments whose outcome is unknown, and as many for refunds (32)
}

// Module is the payments context.
type Module struct {
	db          *sqldb.DB
	bus         *bus.Endpoint
	provider    Provider
	log         *zap.Logger
	clock       clock.Clock
	idempotency *web.Idempotency

	deadline time.Duration
	lease    time.Duration // how long a row is left to the process that has its task
	giveUp   time.Duration
	workers  int
	senders  *senders
	stopping sync.Once
}

// New makes the context. It hears nothing before Start.
func New(n Needs) *Module {
	n = n.withDefaults()
	m := &Module{
		db:          n.DB,
		bus:         bus.NewEndpoint(bus.Config{Context: "payments", DB: n.DB, Transport: n.Bus, Log: n.Log, Clock: n.Clock}),
		provider:    n.Provider,
		log:         n.Log.With(telemetry.InContext("payments")),
		clock:       n.Clock,
		idempotency: web.NewIdempotency(n.DB, n.Clock),
		deadline:    n.Deadline,
		lease:       2 * n.Deadline, // as long to wait for a sender as for the provider
		giveUp:      n.GiveUp,
		workers:     n.Senders,
		senders:     newSenders(n.Queue),
	}
	bus.On(m.bus, m.take)
	bus.On(m.bus, m.cancel)
	bus.Prefetch(m.bus, prefetch[paymentsapi.TakePayment])
	bus.Prefetch(m.bus, prefetch[paymentsapi.CancelPayment])
	bus.Assume(m.bus, assumeNew)
	m.bus.WhileLeading(m.goRounds)
	m.bus.WhileLeading(newReconciler(m, "payments", n.Resolve, m.duePayments).run)
	m.bus.WhileLeading(newReconciler(m, "refunds", n.Resolve, m.dueRefunds).run)
	if n.Metrics != nil {
		n.Metrics.MustRegister(metrics.NewReader(m.log, m.readMetrics, metrics.PaymentsUnknown))
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
	if n.Deadline == 0 {
		n.Deadline = 3 * time.Second
	}
	if n.GiveUp == 0 {
		n.GiveUp = 15 * time.Minute
	}
	if n.Senders == 0 {
		n.Senders = 64
	}
	if n.Queue == 0 {
		n.Queue = 4096
	}
	if n.Resolve == 0 {
		n.Resolve = 32
	}
	return n
}

// prefetch loads the payments that a batch of commands is about, with one statement.
func prefetch[C bus.Body](ctx context.Context, tx *sqldb.Tx, commands []C) error {
	references := make([]string, len(commands))
	for i, c := range commands {
		references[i] = c.MessageKey()
	}
	return load(ctx, tx, references)
}

// assumeNew takes it that there is no payment for any of the references yet. The unique key on the reference refuses one for which there is.
func assumeNew(tx *sqldb.Tx, commands []paymentsapi.TakePayment) {
	for _, c := range commands {
		if !viewOf(tx, c.Reference).found {
			tx.SetLocal(viewKey(c.Reference), view{})
		}
	}
}

// Start begins to hear commands, to send and to reconcile. Errors: those of bus.Endpoint.Start.
func (m *Module) Start(ctx context.Context) error {
	m.senders.start(m.workers)
	return m.bus.Start(ctx)
}

// Stop ends what Start began: handlers and calls under way finish; payments that wait for a sender stay in the database, for whoever starts next.
// Errors: ctx ended first.
func (m *Module) Stop(ctx context.Context) error {
	var err error
	m.stopping.Do(func() { err = errors.Join(m.bus.Stop(ctx), m.senders.stop(ctx)) })
	return err
}

// Endpoint is the context's place on the bus, for health and metrics.
func (m *Module) Endpoint() *bus.Endpoint { return m.bus }
