package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shop/internal/gateway"
	"shop/internal/platform/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// entry is a gateway behind a real port.
type entry struct {
	*httptest.Server
	t *testing.T
}

func open(t *testing.T, needs gateway.Needs, use ...func(http.Handler) http.Handler) entry {
	t.Helper()
	m, err := gateway.New(needs)
	require.NoError(t, err)
	edge := web.New(web.Options{Use: use})
	m.Routes(edge)
	require.NoError(t, m.Start(t.Context()))
	s := httptest.NewServer(edge.Handler())
	t.Cleanup(func() {
		s.Close()
		m.Stop()
	})
	return entry{s, t}
}

// elsewhere is a gateway that knows orders at an address.
func elsewhere(t *testing.T, address string) entry {
	t.Helper()
	base, err := url.Parse(address)
	require.NoError(t, err)
	return open(t, gateway.Needs{Elsewhere: map[string]*url.URL{"orders": base}})
}

// upstream is a context elsewhere that does as it is told.
func upstream(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

type reply struct {
	*http.Response
	text string
}

func (e entry) send(method, path, body string, headers ...string) reply {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), method, e.URL+path, strings.NewReader(body))
	require.NoError(e.t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	res, err := e.Client().Do(r)
	require.NoError(e.t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(e.t, err)
	return reply{res, string(text)}
}

// raw sends bytes that net/http would not, and gives the answer.
func (e entry) raw(text string) reply {
	e.t.Helper()
	conn, err := net.Dial("tcp", e.Listener.Addr().String())
	require.NoError(e.t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(e.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(e.t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(e.t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(e.t, err)
	_ = res.Body.Close()
	return reply{res, string(body)}
}

func TestARequestGoesToTheContextThatIsElsewhere(t *testing.T) {
	var got *http.Request
	var body []byte
	e := elsewhere(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Location", "/v1/orders/ord_1")
		w.Header().Set("Cache-Control", "no-cache")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"ord_1"}`)
	}))
	res := e.send("POST", "/v1/orders?a=b&c=%26", `{"items":[]}`, "Authorization", "Bearer x", "Idempotency-Key", "k", "Prefer", "wait=1", "Content-Type", "application/json",
		"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	require.Equal(t, http.StatusCreated, res.StatusCode)
	require.JSONEq(t, `{"id":"ord_1"}`, res.text)
	require.Equal(t, "/v1/orders/ord_1", res.Header.Get("Location"))
	require.Equal(t, []string{"no-cache"}, res.Header["Cache-Control"])

	require.Equal(t, "/v1/orders?a=b&c=%26", got.RequestURI)
	require.JSONEq(t, `{"items":[]}`, string(body))
	require.EqualValues(t, len(body), got.ContentLength)
	for name, want := range map[string]string{"Authorization": "Bearer x", "Idempotency-Key": "k", "Prefer": "wait=1", "Content-Type": "application/json", "X-Forwarded-For": "127.0.0.1"} {
		require.Equal(t, []string{want}, got.Header[name], name)
	}
	require.Regexp(t, "^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$", got.Header.Get("Traceparent"), "the trace goes on")
	require.NotContains(t, got.Header.Get("Traceparent"), "00f067aa0ba902b7")
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", res.Header.Get("X-Request-Id"))
}

func TestEveryAddressOfAContextLeadsToItInEveryVersion(t *testing.T) {
	e := elsewhere(t, upstream(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("At", r.Method+" "+r.RequestURI) }))
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		for _, path := range []string{"/v1/orders", "/v2/orders", "/v1/orders/ord_1", "/v2/orders/ord_1/cancel", "/v1/orders/auth0%7C1?x=%2e%2e/"} {
			require.Equal(t, method+" "+path, e.send(method, path, "").Header.Get("At"))
		}
	}
	for _, path := range []string{"/", "/v1", "/v3/orders", "/v1/ordersandmore", "/v1/payments", "/v1/products/x", "/internal/orders", "/metrics", "/debug/pprof/", "/readyz/orders"} {
		res := e.send("GET", path, "")
		require.Equal(t, http.StatusNotFound, res.StatusCode, path)
		require.Contains(t, res.text, `"code":"not_found"`, path)
		require.Empty(t, res.Header.Get("At"), path)
	}
	for _, method := range []string{"TRACE", "CONNECT", "OPTIONS", "PROPFIND"} {
		res := e.raw(method + " /v1/orders HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
		require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode, method)
		require.Empty(t, res.Header.Get("At"), method)
	}
}

func TestWhatAClientCouldPretendStaysAtTheGateway(t *testing.T) {
	var got http.Header
	e := elsewhere(t, upstream(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	res := e.raw("GET /v1/orders HTTP/1.1\r\nHost: evil.example\r\nConnection: close, X-User-Id, Upgrade\r\nUpgrade: websocket\r\nX-User-Id: admin\r\nX-Role: operator\r\n" +
		"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\nTrue-Client-Ip: 10.0.0.1\r\n" +
		"X-Request-Id: mine\r\nX-HTTP-Method-Override: DELETE\r\nX-Original-Url: /admin\r\nTransfer-Encoding: chunked\r\nTe: trailers\r\nProxy-Authorization: Basic eA==\r\n" +
		"Cookie: session=1\r\nTracestate: a=b\r\nBaggage: user=admin\r\nAccept: application/json\r\n\r\n0\r\n\r\n")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "1.1 shop", got.Get("Via"))
	got.Del("Traceparent")
	got.Del("Via")
	require.Equal(t, http.Header{"Accept": {"application/json"}, "X-Forwarded-For": {"127.0.0.1"}}, got)
}

func TestWhatAnAnswerSaysOfItsMachineStaysAtTheGateway(t *testing.T) {
	inner := web.New(web.Options{})
	inner.Router.Get("/v1/orders", func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range []string{"Server", "X-Powered-By", "Via", "Set-Cookie", "X-Request-Id", "Ratelimit", "Connection", "Keep-Alive", "Trailer"} {
			w.Header().Set(name, "inner")
		}
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("Link", "</v1/orders?after=x>; rel=\"next\"")
	})
	quota := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("RateLimit", "ours")
			next.ServeHTTP(w, r)
		})
	}
	base, err := url.Parse(upstream(t, inner.Handler().ServeHTTP))
	require.NoError(t, err)
	e := open(t, gateway.Needs{Elsewhere: map[string]*url.URL{"orders": base}}, quota)
	res := e.send("GET", "/v1/orders", "")
	for name, values := range res.Header {
		require.Len(t, values, 1, name)
		require.NotContains(t, values[0], "inner", name)
	}
	for _, name := range []string{"Server", "Via", "Set-Cookie", "X-Powered-By"} {
		require.Empty(t, res.Header.Get(name), name)
	}
	require.Equal(t, "ours", res.Header.Get("RateLimit"))
	require.Equal(t, `"1"`, res.Header.Get("ETag"))
	require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
}

func TestAPathThatCouldMeanSomethingElseThereIsNotThere(t *testing.T) {
	var reached atomic.Int64
	e := elsewhere(t, upstream(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	for _, path := range []string{
		"/v1/orders/../payments", "/v1/orders/..", "/v1/orders/.", "/v1/orders/./x", "/v1/orders/%2e%2e/payments", "/v1/orders/%2E%2E/%2e%2e/internal", "/v1/orders/.%2e/x",
		"/v1/orders//x", "//v1/orders", "/v1//orders", "/v1/orders/;x", "/v1/orders;x=1/y", "/v1/orders/x%3by", "/v1/orders/..%2fpayments", "/v1/orders/a%2Fb", "/v1/orders/a%5cb",
		"/v1/orders/a\\b", "/v1/orders/..;/payments", "/v1/./orders", "/v1/%6frders/..", "http://evil.example/v1/orders/../x",
	} {
		res := e.raw("GET " + path + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
		require.Equal(t, http.StatusNotFound, res.StatusCode, path)
	}
	require.Equal(t, http.StatusBadRequest, e.raw("GET /v1/orders/%00 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").StatusCode)
	require.Zero(t, reached.Load())
}

func TestABodyThatIsTooLongIsRefusedBeforeTheContextHearsOfIt(t *testing.T) {
	var reached atomic.Int64
	e := elsewhere(t, upstream(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	long := strings.Repeat("x", 1<<20+1)
	require.Equal(t, http.StatusRequestEntityTooLarge, e.send("POST", "/v1/orders", long).StatusCode)
	res := e.raw("POST /v1/orders HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n" + long + "\r\n0\r\n\r\n")
	require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
	require.Zero(t, reached.Load())
}

func TestAContextThatIsDownIsAProblemOfItsOwn(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	res := elsewhere(t, dead.URL).send("POST", "/v1/orders", "{}", "Idempotency-Key", "k")
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
	require.Contains(t, res.text, `"code":"upstream_unavailable"`)
	require.Contains(t, res.text, "cannot be reached")
	require.NotContains(t, res.text, "127.0.0.1", "where it is is nobody's business")
	require.Equal(t, "1", res.Header.Get("Retry-After"))
}

func TestProcessesThatLeadToEachOtherEndTheCircle(t *testing.T) {
	var hops atomic.Int64
	var first entry
	first = elsewhere(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		first.Config.Handler.ServeHTTP(w, r)
	}))
	res := first.send("GET", "/v1/orders", "")
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.EqualValues(t, 4, hops.Load())
}

func TestARequestWithEffectsIsSentOnceWhateverHappens(t *testing.T) {
	for name, headers := range map[string][]string{"with a key": {"Idempotency-Key", "k"}, "without": nil} {
		t.Run(name, func(t *testing.T) {
			var posts atomic.Int64
			e := elsewhere(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet { // leaves a connection that is kept
					return
				}
				posts.Add(1)
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_ = conn.Close() // before a byte of the answer
				}
			}))
			require.Equal(t, http.StatusOK, e.send("GET", "/v1/orders/x", "").StatusCode)
			res := e.send("POST", "/v1/orders", "{}", headers...)
			require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
			require.Contains(t, res.text, "may have been done")
			require.EqualValues(t, 1, posts.Load())
		})
	}
}

func TestAnAnswerThatBreaksOffIsNotTakenForAWhole(t *testing.T) {
	e := elsewhere(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	res, err := e.Client().Get(e.URL + "/v1/orders")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	require.Error(t, err)
}

func TestACallerWhoLeavesTakesTheRequestWithThem(t *testing.T) {
	arrived, gone := make(chan struct{}), make(chan struct{})
	e := elsewhere(t, upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(gone)
	}))
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+"/v1/orders", nil)
	require.NoError(t, err)
	go func() {
		<-arrived
		leave()
	}()
	_, err = e.Client().Do(r)
	require.ErrorIs(t, err, context.Canceled)
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Fatal(errors.New("the context goes on for nobody"))
	}
}
