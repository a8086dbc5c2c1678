package resilience

import (
	"net/http"
	"net/url"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"shop/internal/platform/metrics"
)

// Kinds of traffic. They have breakers of their own: requests that are passed on have other deadlines, and others decide what they are.
const (
	Questions = "questions" // of this process; see Caller
	Proxied   = "proxied"   // requests of clients, passed on as they are
)

// Guards are those of a process. They can be made before there are metrics to register.
type Guards struct {
	settings Settings
	log      *zap.Logger
	metrics  *guardMetrics

	mu         sync.Mutex
	breakers   []*Breaker
	transports []*http.Transport
}

// NewGuards makes a process without upstreams.
func NewGuards(s Settings, log *zap.Logger) *Guards {
	if log == nil {
		log = zap.NewNop()
	}
	return &Guards{settings: s, log: log, metrics: newMetrics()}
}

// Breaker is that of some traffic to an upstream; there is one.
func (g *Guards) Breaker(upstream, traffic string) *Breaker {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.breakers {
		if b.upstream == upstream && b.traffic == traffic {
			return b
		}
	}
	b := newBreaker(upstream, traffic, g.settings, g.metrics, g.log)
	g.breakers = append(g.breakers, b)
	return b
}

// Breakers are all of them, in the order in which they were first asked for.
func (g *Guards) Breakers() []*Breaker {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]*Breaker(nil), g.breakers...)
}

// Caller asks questions of an upstream at an address such as http://payments:8080.
func (g *Guards) Caller(upstream string, base *url.URL, o CallerOptions) *Caller {
	t := NewTransport(g.settings.Concurrency)
	g.mu.Lock()
	g.transports = append(g.transports, t)
	g.mu.Unlock()
	return newCaller(upstream, base, o, g.settings, g.Breaker(upstream, Questions), t)
}

// Close gives up the connections that are at rest.
func (g *Guards) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.transports {
		t.CloseIdleConnections()
	}
}

// guardMetrics are those of all guards of a process.
type guardMetrics struct {
	requests, transitions *prometheus.CounterVec
}

func newMetrics() *guardMetrics {
	return &guardMetrics{
		requests:    metrics.UpstreamRequests.CounterVec(nil),
		transitions: metrics.BreakerTransitions.CounterVec(nil),
	}
}

var breakerState = metrics.BreakerState.Desc(nil)

var stateNumber = map[State]float64{Closed: 0, HalfOpen: 1, Open: 2}

// Describe implements prometheus.Collector.
func (g *Guards) Describe(out chan<- *prometheus.Desc) {
	g.metrics.requests.Describe(out)
	g.metrics.transitions.Describe(out)
	out <- breakerState
}

// Collect implements prometheus.Collector.
func (g *Guards) Collect(out chan<- prometheus.Metric) {
	g.metrics.requests.Collect(out)
	g.metrics.transitions.Collect(out)
	for _, b := range g.Breakers() {
		out <- prometheus.MustNewConstMetric(breakerState, prometheus.GaugeValue, stateNumber[b.State()], b.upstream, b.traffic)
	}
}
