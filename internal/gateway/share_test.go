package gateway_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/gateway"
	"shop/internal/platform/auth"
	"shop/internal/platform/flags"
	"shop/internal/platform/web"
)

// both is a process that hosts orders and payments, and leads a share of the requests for them to another that does too.
type both struct {
	entry
	flags   *flags.Flags
	path    string // of the file of flags
	log     *observer.ObservedLogs
	metrics *prometheus.Registry
}

// share opens both: here and there answer what is asked of orders and payments. A request says who asks with the headers Role and Subject.
func share(t *testing.T, text string, here, there http.HandlerFunc) *both {
	t.Helper()
	return shareEdge(t, text, there, func(e *web.Edge) {
		for _, under := range []string{"orders", "payments", "products"} {
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				for _, path := range []string{"", "/{id}", "/{id}/{what}"} {
					e.Router.Method(method, "/v1/"+under+path, here)
				}
			}
		}
	})
}

// shareEdge is share with whatever is registered to answer here.
func shareEdge(t *testing.T, text string, there http.HandlerFunc, register func(*web.Edge)) *both {
	t.Helper()
	core, log := observer.New(zap.InfoLevel)
	b := &both{path: filepath.Join(t.TempDir(), "flags.json"), log: log, metrics: prometheus.NewRegistry()}
	b.t = t
	b.flag(text)
	var err error
	b.flags, err = flags.Open(b.path, flags.Options{Known: []string{gateway.FlagOf("orders"), gateway.FlagOf("payments")}, Every: 2 * time.Millisecond})
	require.NoError(t, err)
	base, err := url.Parse(upstream(t, there))
	require.NoError(t, err)
	m, err := gateway.New(gateway.Needs{Shared: map[string]*url.URL{"orders": base, "payments": base}, Flags: b.flags, Log: zap.New(core), Metrics: b.metrics})
	require.NoError(t, err)
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{askedBy, m.Share}})
	m.Routes(edge)
	register(edge)
	b.entry = entry{httptest.NewServer(edge.Handler()), t}
	t.Cleanup(func() {
		b.Close()
		m.Stop()
		b.flags.Close()
	})
	return b
}

func askedBy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := auth.Principal{Role: auth.Role(r.Header.Get("Role")), Subject: r.Header.Get("Subject")}
		next.ServeHTTP(w, r.WithContext(auth.With(r.Context(), who)))
	})
}

// flag replaces the file at once.
func (b *both) flag(text string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(b.path+".new", []byte(text), 0o600))
	require.NoError(b.t, os.Rename(b.path+".new", b.path))
}

func (b *both) eventually(what string, is func() bool) {
	b.t.Helper()
	require.Eventually(b.t, is, 20*time.Second, 2*time.Millisecond, what)
}

// metric is the value of a counter with these labels, in the order of their names.
func (b *both) metric(name string, labels ...string) int {
	b.t.Helper()
	families, err := b.metrics.Gather()
	require.NoError(b.t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if family.GetName() == name && fmt.Sprint(values) == fmt.Sprint(labels) {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}

// says answers with a text, and in the header At.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("At", text)
		_, _ = io.WriteString(w, text)
	}
}

func orderID(i int) string { return fmt.Sprintf("ord_%026d", i) }

// answeredThere are the orders of the first n that are answered elsewhere.
func (b *both) answeredThere(n int) map[int]bool {
	b.t.Helper()
	chosen := map[int]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := worker; i < n; i += 8 {
				res, err := b.Client().Get(b.URL + "/v1/orders/" + orderID(i))
				if err != nil {
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				mu.Lock()
				chosen[i] = res.Header.Get("At") == "there"
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Len(b.t, chosen, n, "every request is answered")
	for i, there := range chosen {
		if !there {
			delete(chosen, i)
		}
	}
	return chosen
}

func TestAShareOfTheOrdersIsAnsweredElsewhereAndALargerShareHoldsASmallerOne(t *testing.T) {
	b := share(t, `{}`, says("here"), says("there"))
	const n = 600
	require.Empty(t, b.answeredThere(n), "without a flag")
	probe := func(percent string) map[int]bool {
		b.flag(`{"route.orders": {"percent": ` + percent + `}}`)
		b.eventually("the flag is read", func() bool {
			r, _ := b.flags.Rollout("route.orders")
			return fmt.Sprint(r.Percent) == percent
		})
		return b.answeredThere(n)
	}
	var smaller map[int]bool
	for _, percent := range []float64{10, 50, 100} {
		chosen := probe(fmt.Sprint(percent))
		p := percent / 100
		require.InDelta(t, n*p, len(chosen), 5*math.Sqrt(n*p*(1-p)), "%v%%", percent)
		for i := range smaller {
			require.True(t, chosen[i], "raising a share moves orders one way only")
		}
		smaller = chosen
	}
	first := probe("10")
	require.Empty(t, probe("0"))
	require.Equal(t, first, probe("10"), "the same orders as before")
	require.Equal(t, 7*n, b.metric("shop_shared_requests_total", "orders", "here")+b.metric("shop_shared_requests_total", "orders", "elsewhere"))
}

func TestWhatBelongsToAnOrderIsAnsweredWhereTheOrderIs(t *testing.T) {
	b := share(t, `{"route.payments": {"percent": 50}}`, says("here"), says("there"))
	at := func(path string, headers ...string) string { return b.send("GET", path, "", headers...).text }
	const shipment = "shp_00000000000000000000000000"
	sides := map[string]int{}
	for i := range 40 {
		side := at("/v1/payments?order_id=" + orderID(i))
		sides[side]++
		payment := strings.Replace(orderID(i), "ord", "pay", 1)
		require.Equal(t, at("/v1/payments/"+payment), at("/v1/payments/"+payment+"/refunds?order_id="+orderID(i+1)), "the first id counts")
		for name, headers := range map[string][]string{
			"a customer": {"Role", "customer", "Subject", "ann"}, "an operator": {"Role", "operator", "Subject", "o", "Idempotency-Key", fmt.Sprint(i)},
		} {
			require.Equal(t, side, at("/v1/payments?limit=3&order_id="+orderID(i)+"&shipment_id="+shipment, headers...), "whoever asks: %s", name)
		}
	}
	require.Len(t, sides, 2, "some are here and some there: %v", sides)
}

func TestWithoutAnIDItIsWhoAsksThatCounts(t *testing.T) {
	b := share(t, `{"route.orders": {"percent": 50}}`, says("here"), says("there"))
	sides := map[string]int{}
	for i := range 60 {
		customer := []string{"Role", "customer", "Subject", fmt.Sprint("cus_", i)}
		side := b.send("POST", "/v1/orders", "{}", append(customer, "Idempotency-Key", "a")...).text
		sides["customer "+side]++
		require.Equal(t, side, b.send("GET", "/v1/orders", "", customer...).text)
		require.Equal(t, side, b.send("POST", "/v1/orders", "{}", append(customer, "Idempotency-Key", "b")...).text)

		program := []string{"Role", "service", "Subject", "till", "Idempotency-Key", fmt.Sprint(i)}
		side = b.send("POST", "/v1/orders", "{}", program...).text
		sides["program "+side]++
		require.Equal(t, side, b.send("POST", "/v1/orders", "{}", program...).text, "a repetition goes where the first went")

		sides["nobody "+b.send("GET", "/v1/orders", "").text] = 1
	}
	require.Len(t, sides, 5, "customers and keys are shared, one address is not: %v", sides)
}

func TestListsAndTheKillSwitchWorkWhileItRuns(t *testing.T) {
	b := share(t, `{"route.orders": {"percent": 0, "allow": ["ann", "`+orderID(1)+`"], "deny": ["`+orderID(2)+`"]}}`, says("here"), says("there"))
	at := func(path, who string) string {
		return b.send("GET", "/v1/orders"+path, "", "Role", "customer", "Subject", who).text
	}
	require.Equal(t, "there", at("", "ann"))
	require.Equal(t, "there", at("/"+orderID(3), "ann"))
	require.Equal(t, "there", at("/"+orderID(1), "bob"))
	require.Equal(t, "here", at("/"+orderID(2), "ann"))
	require.Equal(t, "here", at("", "bob"))
	b.flag(`{"route.orders": {"percent": 100, "allow": ["ann"], "kill": true}}`)
	b.eventually("the kill switch", func() bool { return at("", "ann") == "here" })
	require.Equal(t, "here", at("", "bob"))
	b.flag(`{"route.orders": {"percent": 100`)
	b.flag(`{"route.orders": {"percent": 100}}`)
	b.eventually("it is lifted", func() bool { return at("", "bob") == "there" })
	b.flag(`{"route.orders": {"percent": 101}}`)
	require.Equal(t, "there", at("", "bob"), "a file that makes no sense changes nothing")
	require.NoError(t, os.Remove(b.path))
	require.Equal(t, "there", at("", "bob"))
}

func TestOnlyTheSharedContextIsShared(t *testing.T) {
	b := share(t, `{"route.orders": {"percent": 100}}`, says("here"), says("there"))
	for path, want := range map[string]string{
		"/v1/orders": "there", "/v2/orders/x": "there", "/v1/orders/x/y": "there", "/v1/products": "here", "/v1/payments": "here",
	} {
		require.Equal(t, want, b.send("GET", path, "").Header.Get("At"), path)
	}
	for _, path := range []string{"/v1/products/x/y/z", "/orders", "/v3/orders", "/v1", "/internal/orders", "/v1/ordersandmore"} {
		res := b.send("GET", path, "")
		require.Equal(t, http.StatusNotFound, res.StatusCode, path)
		require.Empty(t, res.Header.Get("At"), path)
	}
	for _, path := range []string{"/v1/orders/../payments", "/v1/orders/%2e%2e/payments", "/v1/orders//x", "/v1/orders/a%2Fb"} {
		require.Empty(t, b.raw("GET "+path+" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").Header.Get("At"), path)
	}
}

func TestWhatAClientCouldPretendStaysHereWhenARequestIsShared(t *testing.T) {
	var got http.Header
	var body string
	b := share(t, `{"route.orders": {"percent": 100}}`, says("here"), func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		text, _ := io.ReadAll(r.Body)
		body = string(text)
	})
	require.Equal(t, http.StatusOK, b.send("POST", "/v1/orders", `{"a":1}`, "Authorization", "Bearer x", "X-User-Id", "admin", "X-Forwarded-For", "10.0.0.1", "Idempotency-Key", "k").StatusCode)
	require.Equal(t, "Bearer x", got.Get("Authorization"))
	require.Equal(t, "k", got.Get("Idempotency-Key"))
	require.Equal(t, []string{"127.0.0.1"}, got["X-Forwarded-For"])
	require.Empty(t, got.Get("X-User-Id"))
	require.JSONEq(t, `{"a":1}`, body)
}

func TestProcessesThatShareWithEachOtherEndTheCircle(t *testing.T) {
	var hops atomic.Int64
	var first *both
	first = share(t, `{"route.orders": {"percent": 100}}`, says("here"), func(w http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		first.Config.Handler.ServeHTTP(w, r)
	})
	require.Equal(t, http.StatusServiceUnavailable, first.send("GET", "/v1/orders", "").StatusCode)
	require.EqualValues(t, 4, hops.Load())
}

func TestAReadFallsBackHereIfTheFlagAllowsItAndAWriteNever(t *testing.T) {
	for name, there := range map[string]http.HandlerFunc{
		"cuts": func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		},
		"says that it cannot": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		t.Run(name, func(t *testing.T) {
			var written atomic.Int64
			here := func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet && r.Method != http.MethodHead {
					written.Add(1)
				}
				says("here")(w, r)
			}
			b := share(t, `{"route.orders": {"percent": 100, "fallback": true}, "route.payments": {"percent": 100}}`, here, there)
			for range 3 {
				res := b.send("GET", "/v1/orders", "")
				require.Equal(t, http.StatusOK, res.StatusCode, res.text)
				require.Equal(t, "here", res.text)
			}
			require.Equal(t, http.StatusOK, b.send("HEAD", "/v1/orders", "").StatusCode)
			require.Equal(t, 4, b.metric("shop_shared_requests_total", "orders", "fallback"))
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
				require.GreaterOrEqual(t, b.send(method, "/v1/orders", "{}", "Idempotency-Key", "k").StatusCode, 502, method)
			}
			require.Zero(t, written.Load(), "a write goes one way")
			require.GreaterOrEqual(t, b.send("GET", "/v1/payments", "").StatusCode, 502, "not without the flag")
		})
	}
}

func TestHowAContextIsSharedCanBeSeen(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	_, err = f.WriteString(`{"route.orders": {"percent": 12.5, "mirror": true}}`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	open, err := flags.Open(f.Name(), flags.Options{Known: []string{"route.orders"}})
	require.NoError(t, err)
	defer open.Close()
	base, err := url.Parse("http://elsewhere:8080")
	require.NoError(t, err)
	m, err := gateway.New(gateway.Needs{Shared: map[string]*url.URL{"orders": base, "catalog": base}, Flags: open})
	require.NoError(t, err)
	defer m.Stop()
	require.Equal(t, map[string]gateway.Share{
		"orders": {URL: "http://elsewhere:8080", Flagged: true, Rollout: flags.Rollout{Percent: 12.5, Mirror: true}}, "catalog": {URL: "http://elsewhere:8080"},
	}, m.Shares())
}
