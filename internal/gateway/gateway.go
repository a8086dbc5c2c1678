package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"shop/internal/customers/customersapi"
	"shop/internal/inventory/inventoryapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/cache"
	"shop/internal/platform/flags"
	"shop/internal/platform/metrics"
	"shop/internal/platform/resilience"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

// Needs is what the gateway leads to. What is nil is not to be had in this process.
type Needs struct {
	Elsewhere map[string]*url.URL            // where the contexts are that this process does not host, by name
	Shared    map[string]*url.URL            // where else the contexts are that it does host; see Share
	Flags     *flags.Flags                   // which requests for those go there; nil: none
	Client    func(*http.Request) netip.Addr // where a request comes from; default its peer

	Orders    ordersapi.Queries
	Payments  paymentsapi.Queries
	Shipping  shippingapi.Queries
	Inventory inventoryapi.Queries
	Customers customersapi.Queries

	Guards   *resilience.Guards // of what is elsewhere; default ones of its own, with the default settings
	Bus      bus.Transport      // tells of changes of customers; nil when they are not hosted here
	Cache    *cache.Store       // default one in this process
	Deadline time.Duration      // for the details of an order (2 s)

	Log     *zap.Logger
	Metrics prometheus.Registerer // nil: none
}

// Module is the gateway of this process.
type Module struct {
	needs     Needs
	log       *zap.Logger
	transport *http.Transport
	profiles  *profiles
	ownCache  *cache.Store        // when none was given
	sharings  map[string]*sharing // by the first part of their addresses
	mirror    *mirror
	failures  *prometheus.CounterVec
	missing   *prometheus.CounterVec
	shared    *prometheus.CounterVec
}

// New puts the gateway together. It joins the topic that it listens to; nothing runs until Start. Errors: what the transport says of that.
func New(n Needs) (*Module, error) {
	if n.Log == nil {
		n.Log = zap.NewNop()
	}
	if n.Deadline == 0 {
		n.Deadline = 2 * time.Second
	}
	if n.Client == nil {
		n.Client = peer
	}
	if n.Guards == nil {
		n.Guards = resilience.NewGuards(resilience.Default(), n.Log)
	}
	m := &Module{needs: n, log: n.Log.With(telemetry.InContext("gateway")), transport: resilience.NewTransport(maxConnections)}
	if n.Cache == nil {
		m.ownCache = cache.NewStore(cache.Options{})
		m.needs.Cache = m.ownCache
	}
	m.failures, m.missing, m.shared = metrics.UpstreamFailures.CounterVec(nil), metrics.DetailsUnavailable.CounterVec(nil), metrics.SharedRequests.CounterVec(nil)
	m.sharings, m.mirror = m.newSharings(), newMirror(m)
	if n.Metrics != nil {
		n.Metrics.MustRegister(m.failures, m.missing, m.shared, m.mirror.results)
	}
	var err error
	m.profiles, err = newProfiles(m.needs, m.log)
	return m, err
}

// Routes leads to the contexts elsewhere, and registers the gateway's own operation.
func (m *Module) Routes(e *web.Edge) {
	for _, r := range routes {
		if base := m.needs.Elsewhere[r.context]; base != nil {
			m.lead(e, r, base)
		}
	}
	if m.needs.Orders != nil {
		m.registerDetails(e)
	}
}

// Start begins to hear of changes. Errors: what the transport says.
func (m *Module) Start(ctx context.Context) error { return m.profiles.start(ctx) }

// Stop ends that, and gives up the connections to the contexts elsewhere.
func (m *Module) Stop() {
	m.mirror.close()
	m.profiles.stop()
	m.transport.CloseIdleConnections()
	if m.ownCache != nil {
		m.ownCache.Close()
	}
}

func peer(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr) // the server wrote it
	return ap.Addr().Unmap()
}
