package gateway_test

import (
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/gateway"
	"shop/internal/platform/resilience"
)

func TestAContextThatDoesNotAnswerIsNotAskedForAWhile(t *testing.T) {
	s := resilience.Default()
	s.MinCalls, s.HalfOpen = 4, time.Hour
	guards := resilience.NewGuards(s, nil)
	var heard atomic.Int64
	base, err := url.Parse(upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if heard.Add(1); r.Method == http.MethodPost {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	require.NoError(t, err)
	e := open(t, gateway.Needs{Elsewhere: map[string]*url.URL{"orders": base, "payments": base}, Guards: guards})
	for range 20 {
		require.Equal(t, http.StatusInternalServerError, e.send("GET", "/v1/orders/x", "").StatusCode, "a context may answer with what it wants")
	}
	require.EqualValues(t, 20, heard.Load())
	for range 19 {
		res := e.send("POST", "/v1/orders", "{}")
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.Contains(t, res.text, "may have been done")
	}
	require.EqualValues(t, 39, heard.Load(), "each was sent once")
	e.send("POST", "/v1/orders", "{}")
	for _, method := range []string{"GET", "POST", "DELETE"} {
		res := e.send(method, "/v1/orders/x", "{}")
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.Contains(t, res.text, `"code":"upstream_unavailable"`)
		require.Contains(t, res.text, "cannot be reached", "nothing was done")
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		require.NoError(t, err)
		require.InDelta(t, 3600, seconds, 60)
	}
	require.EqualValues(t, 40, heard.Load())
	require.Equal(t, resilience.Open, guards.Breaker("orders", resilience.Proxied).State())
	require.Equal(t, http.StatusInternalServerError, e.send("GET", "/v1/payments/x", "").StatusCode, "other contexts have their own")
}

func TestAContextThatIsBackIsAskedAgain(t *testing.T) {
	s := resilience.Default()
	s.MinCalls, s.HalfOpen = 2, 20*time.Millisecond
	var well atomic.Bool
	base, err := url.Parse(upstream(t, func(http.ResponseWriter, *http.Request) {
		if !well.Load() {
			panic(http.ErrAbortHandler)
		}
	}))
	require.NoError(t, err)
	guards := resilience.NewGuards(s, nil)
	e := open(t, gateway.Needs{Elsewhere: map[string]*url.URL{"orders": base}, Guards: guards})
	b := guards.Breaker("orders", resilience.Proxied)
	for b.State() == resilience.Closed {
		require.Equal(t, http.StatusServiceUnavailable, e.send("POST", "/v1/orders", "{}").StatusCode)
	}
	well.Store(true)
	require.Eventually(t, func() bool { return e.send("POST", "/v1/orders", "{}").StatusCode == http.StatusOK }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, resilience.Closed, b.State())
}
