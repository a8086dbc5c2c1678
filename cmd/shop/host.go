package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"shop/internal/catalog"
	"shop/internal/customers"
	"shop/internal/inventory"
	"shop/internal/orders"
	"shop/internal/payments"
	"shop/internal/platform/auth"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/logging"
	"shop/internal/platform/resilience"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/recorder"
	"shop/internal/platform/web"
	"shop/internal/shipping"
)

// host is the shop in this process: databases are opened, then all contexts are built, then they are started, then the API is opened; and the way back
// in reverse.
type host struct {
	cfg       config
	log       *zap.Logger
	logs      *logging.Log // whose level can be changed; nil in a command that hosts the shop for itself
	clock     clock.Clock
	bus       bus.Transport
	verifier  *auth.Verifier
	databases databases
	locks     dirLocks
	modules   []hosted
	metrics   *prometheus.Registry // what this process measures

	front *front

	guards  *resilience.Guards            // see upstreams
	callers map[string]*resilience.Caller // see caller

	// those that others ask; see contextMap
	catalog   *catalog.Module
	customers *customers.Module
	inventory *inventory.Module
	orders    *orders.Module
	payments  *payments.Module
	shipping  *shipping.Module

	tracing  *telemetry.Tracing
	metering *telemetry.Metering // nil: metrics are on the admin port only
	recorder *recorder.Recorder  // nil without an admin port

	api, admin *server
	health     *web.Health
	failed     chan error // a server that ended by itself
}

// hosted is a context of this process.
type hosted struct {
	module
	name string
}

// How long stopping may take: together less than the 15 s after which orchestrators lose patience.
const (
	stopRequests = 7 * time.Second
	stopHandlers = 4 * time.Second
	stopClosing  = 3 * time.Second
)

// settleLimit is how long settle waits.
const settleLimit = 30 * time.Second

// openHost takes the data directories, opens and prepares the databases, connects to the broker, and builds all contexts. Errors: that another shop uses a
// directory; those of openDatabases, prepare and openBus.
func openHost(ctx context.Context, cfg config, log *zap.Logger) (*host, error) {
	h := &host{cfg: cfg, log: log, clock: clock.System, failed: make(chan error, 2)}
	if err := h.open(ctx); err != nil {
		h.close()
		return nil, err
	}
	h.build()
	return h, nil
}

func (h *host) open(ctx context.Context) error {
	var err error
	if h.locks, err = lockAll(sqliteDirectories(h.cfg)); err != nil {
		return err
	}
	if h.verifier, err = h.cfg.verifier(h.clock, h.log); err != nil {
		return err
	}
	if h.databases, err = openDatabases(h.cfg, 0); err != nil {
		return err
	}
	if err = h.databases.prepare(ctx); err != nil {
		return err
	}
	if h.bus, err = openBus(h.cfg.busURL, h.cfg.service, h.log); err != nil {
		return err
	}
	return h.openTracing(ctx)
}

// build makes the contexts. Nothing runs yet, and each group has joined its topics before the first message can be sent.
func (h *host) build() {
	h.metrics = prometheus.NewRegistry()
	for _, c := range hostedSpecs(h.cfg.hosted) {
		h.modules = append(h.modules, hosted{c.build(h), c.name})
	}
}

// db is the database of that name. It is there: checkHosting and openDatabases saw to it.
func (h *host) db(name string) *sqldb.DB {
	i := slices.IndexFunc(h.databases, func(d *database) bool { return d.name == name })
	return h.databases[i].DB
}

// start opens the ports, starts the contexts, and then serves. Errors: that a port cannot be had; what a context says.
func (h *host) start(ctx context.Context) error {
	if err := h.listen(ctx); err != nil {
		return err
	}
	if err := h.front.start(ctx); err != nil {
		return err
	}
	var g errgroup.Group // at once, so that all listen before the first has become the leader of its context and sends what is left from last time
	for _, m := range h.modules {
		g.Go(func() error {
			if err := m.Start(ctx); err != nil {
				return fmt.Errorf("starting %s: %w", m.name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, s := range []*server{h.admin, h.api} {
		if s != nil {
			go s.serve(h.failed)
		}
	}
	return nil
}

func (h *host) listen(ctx context.Context) error {
	h.health = web.NewHealth(h.log)
	registry := h.metrics
	var err error
	if h.front, err = h.openFront(registry); err != nil {
		return err
	}
	edge := web.New(web.Options{Version: version, Description: aboutAPI, Logger: h.log, Health: h.health, Metrics: registry, Client: h.cfg.front.proxies.Address, Use: h.front.around})
	for _, m := range h.modules {
		m.Routes(edge)
	}
	h.front.gateway.Routes(edge)
	edge.Document("/asyncapi.json", "application/json", h.asyncAPI())
	h.watch(registry)
	if h.cfg.adminAddr != "" {
		if h.admin, err = listen(ctx, h.cfg.adminAddr, h.adminHandler(web.Admin(h.health, registry))); err != nil {
			return err
		}
	}
	if err = h.openMetering(ctx); err != nil {
		return err
	}
	h.api, err = listen(ctx, h.cfg.addr, edge.Handler())
	return err
}

// settle waits until no message is on its way. A message is in an outbox until its consumer has applied it and put what follows into its own; but the outboxes are read one after
// the other, so they must be empty several times. On a database that others use too it gives up after settleLimit: nothing is lost, whoever starts next goes on. Errors: ctx ended
// first; sqldb.ErrUnavailable.
func (h *host) settle(ctx context.Context) error {
	for empty, began := 0, time.Now(); empty < 3 && time.Since(began) < settleLimit; {
		empty++
		for _, m := range h.modules {
			pending, _, err := m.Endpoint().Backlog(ctx)
			if err != nil {
				return err
			}
			if pending > 0 {
				empty = 0
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("messages are still on their way: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// stop ends everything in the order in which nothing is lost: no new requests, then those under way, then messages under way, then the bus, then
// the databases. Errors: what could not finish in time and was left to the next start.
func (h *host) stop() error {
	var errs []error
	if h.health != nil {
		h.health.SetStopping()
	}
	if h.api != nil {
		errs = append(errs, h.api.stop(stopRequests))
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopHandlers)
	defer cancel()
	var g errgroup.Group
	for _, m := range h.modules {
		g.Go(func() error { return m.Stop(ctx) })
	}
	errs = append(errs, g.Wait())
	h.closeMetering(ctx) // after all was counted that is, while the databases can still be asked
	if h.front != nil {
		errs = append(errs, h.front.stop())
	}
	errs = append(errs, h.close())
	if h.admin != nil { // last: until here it can be seen how the stop goes on
		errs = append(errs, h.admin.stop(time.Second))
	}
	return errors.Join(errs...)
}

// close closes the bus and the databases and gives the directories free. A database that does not let go within stopClosing is left behind.
func (h *host) close() error {
	var errs []error
	if h.guards != nil {
		h.guards.Close()
	}
	if h.bus != nil {
		errs = append(errs, h.bus.Close())
	}
	h.closeTracing()
	closed := make(chan error, 1)
	go func() { closed <- h.databases.close() }()
	select {
	case err := <-closed:
		errs = append(errs, err)
	case <-time.After(stopClosing):
		errs = append(errs, errors.New("the databases do not close; what they were doing is rolled back"))
	}
	h.locks.release()
	return errors.Join(errs...)
}

// adminURL is where the admin port can be reached; empty when there is none.
func (h *host) adminURL() string {
	if h.admin == nil {
		return ""
	}
	return h.admin.url()
}

// server is an HTTP server with its listener.
type server struct {
	*http.Server
	listener net.Listener
	hurry    context.CancelFunc // ends the contexts of the requests under way
	stopping sync.Once
}

func listen(ctx context.Context, addr string, handler http.Handler) (*server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the port cannot be had: %w", err)
	}
	s := &server{Server: web.Server(addr, handler), listener: l}
	base, hurry := context.WithCancel(context.Background())
	s.BaseContext, s.hurry = func(net.Listener) context.Context { return base }, hurry
	return s, nil
}

// serve answers requests until it is stopped; ending by itself is reported.
func (s *server) serve(failed chan<- error) {
	if err := s.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		failed <- err
	}
}

// stop lets the requests under way finish. When half of the grace is over it asks them to hurry: one that waits for the outcome of an order then answers with the order as it
// is. Errors: that some did not finish and were cut.
func (s *server) stop(grace time.Duration) (err error) {
	s.stopping.Do(func() {
		soon := time.AfterFunc(grace/2, s.hurry)
		err = web.Stop(s.Server, grace)
		soon.Stop()
		s.hurry()
	})
	_ = s.listener.Close() // if it never served
	return err
}

// url is where the server can be reached from this machine.
func (s *server) url() string {
	addr := s.listener.Addr().String()
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		addr = net.JoinHostPort("localhost", port)
	}
	return "http://" + addr
}
