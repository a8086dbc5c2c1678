package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/web"
)

// counter is a shop's counter: each request is worked on until it is released.
type counter struct {
	http.Handler
	metrics *prometheus.Registry
	worked  atomic.Int64
	most    atomic.Int64
	release chan struct{} // one for each request
}

// The client of a test's request is its header; one that begins with "staff" is staff. Those to /wait only wait.
func newCounter(o web.BoundOptions) *counter {
	c := &counter{metrics: prometheus.NewRegistry(), release: make(chan struct{})}
	o.Metrics = c.metrics
	o.Client = func(r *http.Request) (string, bool) {
		name := r.Header.Get("Client")
		return name, strings.HasPrefix(name, "staff")
	}
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{web.NewBound(o).Middleware}})
	edge.Router.Get("/{what}", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			web.OnlyWaits(r.Context())
		} else {
			c.most.Store(max(c.most.Load(), c.worked.Add(1)))
			defer c.worked.Add(-1)
		}
		<-c.release
	})
	c.Handler = edge.Handler()
	return c
}

// come sends a request; its answer follows.
func (c *counter) come(client, path string) <-chan *httptest.ResponseRecorder {
	return c.comeWith(context.Background(), client, path)
}

func (c *counter) comeWith(ctx context.Context, client, path string) <-chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	r := httptest.NewRequest(http.MethodGet, path, nil).WithContext(ctx)
	r.Header.Set("Client", client)
	go func() {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		answer <- w
	}()
	synctest.Wait()
	return answer
}

// finish ends n requests and all that come to work because of it.
func (c *counter) finish(n int) {
	for range n {
		c.release <- struct{}{}
		synctest.Wait()
	}
}

func (c *counter) empty(t *testing.T) {
	t.Helper()
	families, err := c.metrics.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if strings.HasSuffix(f.GetName(), "_requests") {
			require.Zero(t, f.GetMetric()[0].GetGauge().GetValue(), f.GetName())
		}
	}
}

func answered(t *testing.T, answer <-chan *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	t.Helper()
	select {
	case w := <-answer:
		return w
	default:
		t.Fatal("not answered")
		return nil
	}
}

func TestWhatIsTooMuchIsRefusedAfterAMomentAndTheRestIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(web.BoundOptions{Max: 4, Share: 4})
		var in []<-chan *httptest.ResponseRecorder
		for range 4 {
			in = append(in, c.come("ann", "/work"))
		}
		late := c.come("bob", "/work")
		<-time.After(99 * time.Millisecond)
		require.Empty(t, late)
		<-time.After(2 * time.Millisecond)
		synctest.Wait()
		w := answered(t, late)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Contains(t, w.Body.String(), `"code":"overloaded"`)
		require.Equal(t, "1", w.Header().Get("Retry-After"))

		patient := c.come("bob", "/work")
		c.finish(5)
		for _, answer := range append(in, patient) {
			require.Equal(t, http.StatusOK, answered(t, answer).Code)
		}
		require.EqualValues(t, 4, c.most.Load())
		c.empty(t)
	})
}

func TestAFloodOfOneClientLeavesTheOthersTheirTurn(t *testing.T) {
	for flood, ahead := range map[string]int{
		"flood":       2 + 2,     // what is worked on of it, and the two
		"staff flood": 8 + 1 + 2, // the same, and one more of it whose turn was before theirs
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCounter(web.BoundOptions{Max: 8, Share: 2})
			var many []<-chan *httptest.ResponseRecorder
			for range 100 {
				many = append(many, c.come(flood, "/work"))
			}
			ann := c.come("ann", "/work")
			bob := c.come("bob", "/work")
			if flood == "flood" {
				require.EqualValues(t, 4, c.worked.Load(), "beyond its share a client waits, though there is room")
			}
			c.finish(ahead)
			require.Equal(t, http.StatusOK, answered(t, ann).Code)
			require.Equal(t, http.StatusOK, answered(t, bob).Code)
			for left := true; left; {
				select {
				case c.release <- struct{}{}:
					synctest.Wait()
				default:
					left = false
				}
			}
			refused := 0
			for _, answer := range many {
				if answered(t, answer).Code == http.StatusServiceUnavailable {
					refused++
				}
			}
			require.Greater(t, refused, 80, "a queue without end")
			c.empty(t)
		})
	}
}

func TestWhoOnlyWaitsTakesNobodysPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(web.BoundOptions{Max: 2, Share: 2, Waiting: 80})
		var waiting []<-chan *httptest.ResponseRecorder
		for range 10 {
			waiting = append(waiting, c.come("ann", "/wait"))
		}
		c.come("bob", "/work")
		c.come("bob", "/work")
		require.EqualValues(t, 2, c.worked.Load())
		c.finish(12)
		for _, answer := range waiting {
			require.Equal(t, http.StatusOK, answered(t, answer).Code)
		}
		for range 10 { // an eighth of all may be one client's
			c.come("ann", "/wait")
		}
		full := []<-chan *httptest.ResponseRecorder{c.come("ann", "/wait"), c.come("ann", "/wait"), c.come("bob", "/work")}
		<-time.After(time.Second)
		synctest.Wait()
		require.Equal(t, http.StatusServiceUnavailable, answered(t, full[2]).Code, "waiting without end")
		c.finish(12)
		c.empty(t)
	})
}

func TestACallerWhoLeavesGivesUpTheirPlaceInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(web.BoundOptions{Max: 1})
		c.come("ann", "/work")
		ctx, leave := context.WithCancel(t.Context())
		gone := c.comeWith(ctx, "bob", "/work")
		leave()
		synctest.Wait()
		require.Equal(t, http.StatusServiceUnavailable, answered(t, gone).Code)
		eve := c.come("eve", "/work")
		c.finish(2)
		require.Equal(t, http.StatusOK, answered(t, eve).Code)
		c.empty(t)
	})
}

func TestHealthIsAnsweredWhateverTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(web.BoundOptions{Max: 1})
		c.come("ann", "/work")
		require.Equal(t, http.StatusOK, answered(t, c.come("orchestrator", "/livez")).Code)
		require.Equal(t, http.StatusOK, answered(t, c.come("orchestrator", "/readyz")).Code)
		c.finish(1)
	})
}

func BenchmarkABound(b *testing.B) {
	bound := web.NewBound(web.BoundOptions{Client: func(*http.Request) (string, bool) { return "customer:ann", false }})
	h := bound.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "") }))
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
