package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/web"
)

func TestAContextThatDoesNotAnswerInTimeIsNotWaitedFor(t *testing.T) {
	left := make(chan time.Duration, 2)
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		left <- 0
	}))
	defer upstream.Close()
	base, err := url.Parse(upstream.URL)
	require.NoError(t, err)
	m, err := New(Needs{})
	require.NoError(t, err)
	defer m.Stop()
	edge := web.New(web.Options{})
	m.lead(edge, route{"orders", []string{"orders"}, 50 * time.Millisecond}, base)
	entry := httptest.NewServer(edge.Handler())
	defer entry.Close()

	get := func(prefer string) (string, time.Duration) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, entry.URL+"/v1/orders", nil)
		require.NoError(t, err)
		r.Header.Set("Prefer", prefer)
		began := time.Now()
		res, err := entry.Client().Do(r)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		<-left // the context is told that nobody waits
		return string(body), time.Since(began)
	}
	body, _ := get("")
	require.Contains(t, body, `"code":"upstream_unavailable"`)
	_, took := get("wait=1")
	require.GreaterOrEqual(t, took, time.Second, "what the caller allows comes on top")
}

func TestAnAnswerThatIsTooLongFails(t *testing.T) {
	b := &bounded{io.NopCloser(io.LimitReader(endless{}, 11)), 10}
	_, err := io.ReadAll(b)
	require.ErrorIs(t, err, errAnswerTooLong)
	b = &bounded{io.NopCloser(io.LimitReader(endless{}, 10)), 10}
	all, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Len(t, all, 10)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAPartThatPanicsIsAnErrorOfThatPart(t *testing.T) {
	p := ask(t.Context(), func(context.Context) (int, error) { panic("no") })
	_, err := p.get(t.Context())
	require.ErrorContains(t, err, "panic: no")
}
