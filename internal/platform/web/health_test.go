package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/platform/web"
)

type readiness struct {
	Status string
	Checks []struct {
		Name, Status string
		DurationMS   float64 `json:"duration_ms"`
	}
}

func ready(t *testing.T, h *web.Health) (int, readiness) {
	t.Helper()
	w := httptest.NewRecorder()
	h.Ready(w, httptest.NewRequest(http.MethodGet, "/readyz?verbose", nil))
	var r readiness
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r))
	return w.Code, r
}

func TestAProcessIsReadyWhenEveryCheckPasses(t *testing.T) {
	s := open(t)
	s.edge.Health.Add("orders.database", func(context.Context) error { return nil })
	a := s.send(t, "GET", "/readyz", "")
	a.is(t, http.StatusOK, `{"status":"ok"}`)
	require.Regexp(t, `^{"status":"ok","checks":\[{"name":"orders.database","status":"ok","duration_ms":[0-9.]+}\]}$`, s.send(t, "GET", "/readyz?verbose", "").body)
}

func TestWhatIsGoodToKnowIsToldAndChangesNothing(t *testing.T) {
	s := open(t)
	var state atomic.Value
	state.Store("closed")
	s.edge.Health.Inform("payments.questions", func() string { return state.Load().(string) })
	s.send(t, "GET", "/readyz?verbose", "").is(t, http.StatusOK, `{"status":"ok","notes":[{"name":"payments.questions","status":"closed"}]}`)
	state.Store("open")
	s.send(t, "GET", "/readyz?verbose", "").is(t, http.StatusOK, `{"status":"ok","notes":[{"name":"payments.questions","status":"open"}]}`)
	s.send(t, "GET", "/readyz", "").is(t, http.StatusOK, `{"status":"ok"}`)
}

func TestAProcessThatLacksWhatItCanDoWithoutForAWhileIsReadyAndDegraded(t *testing.T) {
	s := open(t)
	s.edge.Health.Watch("orders.bus", func(context.Context) error { return errors.New("not connected") })
	s.send(t, "GET", "/readyz", "").is(t, http.StatusOK, `{"status":"degraded"}`)
	require.Contains(t, s.send(t, "GET", "/readyz?verbose", "").body, `{"name":"orders.bus","status":"failing"`)
	s.edge.Health.Add("orders.database", func(context.Context) error { return errors.New("gone") })
	s.send(t, "GET", "/readyz", "").is(t, http.StatusServiceUnavailable, `{"status":"failing"}`)
}

func TestOneFailingCheckMakesItNotReadyButLeavesItAlive(t *testing.T) {
	s := open(t)
	var down atomic.Bool
	down.Store(true)
	s.edge.Health.Add("a", func(context.Context) error { return nil })
	s.edge.Health.Add("b", func(context.Context) error {
		if down.Load() {
			return errors.New("dial tcp 10.0.0.1: secret")
		}
		return nil
	})
	s.edge.Health.Add("c", func(context.Context) error {
		if down.Load() {
			panic("secret")
		}
		return nil
	})
	a := s.send(t, "GET", "/readyz?verbose", "")
	require.Equal(t, 503, a.StatusCode)
	require.Contains(t, a.body, `{"name":"b","status":"failing"`)
	require.Contains(t, a.body, `{"name":"c","status":"failing"`)
	require.NotContains(t, a.body, "secret")
	require.Equal(t, 200, s.send(t, "GET", "/livez", "").StatusCode)
	require.Len(t, s.logs.FilterMessage("not ready").All(), 2, "the reason is in the log")

	down.Store(false)
	require.Eventually(t, func() bool { return s.send(t, "GET", "/readyz", "").StatusCode == http.StatusOK }, 5*time.Second, 20*time.Millisecond)
	require.Len(t, s.logs.FilterMessage("ready again").All(), 2)
	require.Len(t, s.logs.FilterMessage("not ready").All(), 2, "only changes are logged")
}

func TestChecksRunInParallelAndASlowOneIsNotWaitedFor(t *testing.T) {
	core, _ := observer.New(zap.DebugLevel)
	h := web.NewHealth(zap.New(core))
	release := make(chan struct{})
	var hung, runs atomic.Int32
	for range 5 {
		h.Add("hangs", func(context.Context) error {
			hung.Add(1)
			<-release // ignores its context
			return nil
		})
	}
	h.Add("fine", func(context.Context) error { runs.Add(1); return nil })
	start := time.Now()
	status, r := ready(t, h)
	require.Equal(t, 503, status)
	require.Less(t, time.Since(start), 3*time.Second, "one deadline for all")
	require.Equal(t, "failing", r.Checks[0].Status)
	require.Equal(t, "ok", r.Checks[5].Status)

	require.Eventually(t, func() bool { ready(t, h); return runs.Load() >= 3 }, 10*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 5, hung.Load(), "a check that hangs is not started again")
	close(release)
	require.Eventually(t, func() bool { status, _ := ready(t, h); return status == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
}

func TestManyWhoAskCauseOneRun(t *testing.T) {
	h := web.NewHealth(zap.NewNop())
	var runs atomic.Int32
	h.Add("counted", func(context.Context) error { runs.Add(1); return nil })
	for range 50 {
		status, _ := ready(t, h)
		require.Equal(t, 200, status)
	}
	require.Less(t, runs.Load(), int32(10))
}

func TestAStoppingProcessIsNotReadyAtOnce(t *testing.T) {
	s := open(t)
	require.Equal(t, 200, s.send(t, "GET", "/readyz", "").StatusCode)
	s.edge.Health.SetStopping()
	a := s.send(t, "GET", "/readyz", "")
	a.is(t, http.StatusServiceUnavailable, `{"status":"stopping"}`)
	require.Equal(t, 200, s.send(t, "GET", "/livez", "").StatusCode)
}

func TestRequestsAreCountedByRouteAndNotByAddress(t *testing.T) {
	s := open(t)
	for _, id := range []string{"ord_1", "ord_2", "ord_3"} {
		s.send(t, "GET", "/v1/orders/"+id, "")
	}
	for _, path := range []string{"/a", "/b", "/c"} {
		s.send(t, "GET", path, "")
	}
	s.send(t, "FOO", "/a", "")
	s.send(t, "BAR", "/a", "")
	require.Eventually(t, func() bool { return samples(t, s.metrics, "GET", "", "404") == 3 }, 5*time.Second, time.Millisecond)
	require.EqualValues(t, 1, samples(t, s.metrics, "GET", "/v1/orders/{id}", "200"))
	require.EqualValues(t, 2, samples(t, s.metrics, "GET", "/v1/orders/{id}", "404"))
	require.EqualValues(t, 2, samples(t, s.metrics, "_OTHER", "", "404"))
}

// samples counts the requests in http_server_request_duration_seconds.
func samples(t *testing.T, g prometheus.Gatherer, method, route, status string) uint64 {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "http_server_request_duration_seconds" && labels["http_request_method"] == method &&
				labels["http_route"] == route && labels["http_response_status_code"] == status {
				return m.GetHistogram().GetSampleCount()
			}
		}
	}
	return 0
}

func TestTheAdminPortServesMetricsHealthAndProfiles(t *testing.T) {
	registry := prometheus.NewRegistry()
	edge := web.New(web.Options{Metrics: registry})
	s := serve(t, edge)
	admin := &shop{Server: httptest.NewServer(web.Admin(edge.Health, registry))}
	t.Cleanup(admin.Close)

	s.send(t, "GET", "/livez", "")
	require.Eventually(t, func() bool { return samples(t, registry, "GET", "/livez", "200") == 1 }, 5*time.Second, time.Millisecond)
	require.Contains(t, admin.send(t, "GET", "/metrics", "").body, `http_server_request_duration_seconds_count{error_type="",http_request_method="GET",http_response_status_code="200",http_route="/livez",url_scheme="http"} 1`)
	for _, path := range []string{"/livez", "/readyz", "/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline"} {
		require.Equal(t, 200, admin.send(t, "GET", path, "").StatusCode, path)
	}
	edge.Health.SetStopping()
	require.Equal(t, 503, admin.send(t, "GET", "/readyz", "").StatusCode)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/vars"} {
		require.Equal(t, http.StatusNotFound, s.send(t, "GET", path, "").StatusCode, "not on the public port: %s", path)
	}
}
