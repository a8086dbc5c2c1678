package resilience_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/platform/resilience"
	"shop/internal/platform/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// upstream is another process on a real port that does as it is told. It can be stopped and come back at its address.
type upstream struct {
	t       *testing.T
	address string
	handler atomic.Pointer[http.HandlerFunc]
	heard   atomic.Int64
	server  *http.Server
	ended   sync.WaitGroup
}

func newUpstream(t *testing.T, h http.HandlerFunc) *upstream {
	t.Helper()
	u := &upstream{t: t, address: "127.0.0.1:0"}
	u.does(h)
	u.start()
	t.Cleanup(u.stop)
	return u
}

func (u *upstream) does(h http.HandlerFunc) { u.handler.Store(&h) }

func (u *upstream) start() {
	u.t.Helper()
	var l net.Listener
	require.Eventually(u.t, func() (up bool) {
		var err error
		l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", u.address)
		return err == nil
	}, patience, 5*time.Millisecond)
	u.address = l.Addr().String()
	u.server = web.Server(u.address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.heard.Add(1)
		(*u.handler.Load())(w, r)
	}))
	u.ended.Go(func() { _ = u.server.Serve(l) })
}

// stop cuts everybody off.
func (u *upstream) stop() {
	_ = u.server.Close()
	u.ended.Wait()
}

func (u *upstream) url() *url.URL { return &url.URL{Scheme: "http", Host: u.address} }

// What an upstream can do.
func answers(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"is":"well"}`)) }
func breaks(w http.ResponseWriter, _ *http.Request)  { w.WriteHeader(http.StatusInternalServerError) }
func overloaded(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "7")
	w.WriteHeader(http.StatusServiceUnavailable)
}
func hangs(_ http.ResponseWriter, r *http.Request)   { <-r.Context().Done() }
func cuts(http.ResponseWriter, *http.Request)        { panic(http.ErrAbortHandler) }
func refuses(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
func cutsInTheMiddle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"is":`))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// quick settings: a breaker that opens at half of four, and tries again soon. No answer is late, however busy the machine.
func quick() resilience.Settings {
	return resilience.Settings{Timeout: time.Hour, Concurrency: 8, Failures: 50, MinCalls: 4, Window: time.Minute, HalfOpen: 20 * time.Millisecond}
}

// world is a process that asks, and what it says of it.
type world struct {
	*resilience.Guards
	t    *testing.T
	logs *observer.ObservedLogs
}

func newWorld(t *testing.T, s resilience.Settings) *world {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	w := &world{Guards: resilience.NewGuards(s, zap.New(core)), t: t, logs: logs}
	t.Cleanup(w.Close)
	return w
}

func (w *world) metric(name string, labels ...string) float64 {
	w.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(w.t, registry.Register(w.Guards))
	families, err := registry.Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			all := map[string]string{}
			for _, l := range m.GetLabel() {
				all[l.GetName()] = l.GetValue()
			}
			match := f.GetName() == name
			for i := 0; i < len(labels); i += 2 {
				match = match && all[labels[i]] == labels[i+1]
			}
			if match {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	w.t.Fatalf("there is no %s %v", name, labels)
	return 0
}

func (w *world) outcome(o string) float64 {
	return w.metric("shop_upstream_requests_total", "upstream", "payments", "outcome", o)
}

// through sends a request that is passed on.
func through(t *testing.T, rt http.RoundTripper, method, target string) (int, error) {
	t.Helper()
	res, err := rt.RoundTrip(httptest.NewRequestWithContext(t.Context(), method, target, nil))
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}
