package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/metrics"
)

// Some of the currencies of ISO 4217, beside EUR: more than have series of their own.
var manyCurrencies = strings.Fields("AED AUD BGN BHD BRL CAD CHF CLP CNY COP CZK DKK EGP GBP HKD HUF IDR ILS INR ISK JOD JPY KES KRW KWD MAD MXN MYR NGN NOK NZD PEN PHP PKR " +
	"PLN QAR RON RSD SAR SEK SGD THB TND TRY TWD UAH USD UYU VND XAF ZAR")

// crowd is a shop with clients who try everything.
type crowd struct {
	t       *testing.T
	host    *host
	signer  *auth.Signer
	handler http.Handler
	staff   string
}

func openCrowd(t *testing.T) *crowd {
	t.Helper()
	cfg := config{addr: "127.0.0.1:0", data: t.TempDir(), hosted: contextNames(), databases: map[string]string{}, busURL: memoryBus, service: "shop"}
	for _, name := range databaseNames() {
		cfg.databases[name] = sqlitePrefix + cfg.data
	}
	cfg.front.most, cfg.front.limits.Customer, cfg.front.limits.Address, cfg.front.limits.Failures = 512, 12000, 12000, 60
	h, err := openHost(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, h.start(t.Context()))
	t.Cleanup(func() { require.NoError(t, h.stop()) })
	signer, err := cfg.developmentSigner()
	require.NoError(t, err)
	c := &crowd{t: t, host: h, signer: signer, handler: h.api.Handler}
	c.staff = c.token(auth.Principal{Role: auth.Operator, Subject: "operator"})
	return c
}

func (c *crowd) token(who auth.Principal) string {
	token, err := c.signer.Sign(who, time.Now(), time.Hour)
	require.NoError(c.t, err)
	return token
}

// send asks the handler that the port serves, from an address of the test's choice.
func (c *crowd) send(address, token, method, path string, body any, headers ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	content, err := json.Marshal(body)
	require.NoError(c.t, err)
	r, err := http.NewRequestWithContext(c.t.Context(), method, "http://shop"+path, bytes.NewReader(content))
	require.NoError(c.t, err)
	r.RemoteAddr = address
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return w
}

// wander asks for what is not there: other paths, ids, methods, query strings, customers and tokens in every round and for every i.
func (c *crowd) wander(round, i int) {
	n, address := fmt.Sprintf("%d-%d", round, i), fmt.Sprintf("10.%d.%d.%d:4711", round, i/250, i%250)
	customer := c.token(auth.Principal{Role: auth.Customer, Subject: "cus_" + n})
	for _, ask := range []struct{ token, method, path string }{
		{"", "GET", "/" + n}, {"", "GET", "/v1/" + n + "/%2e%2e/x"}, {"", "POST", "/v1/orders;" + n}, {"", "GET", "/v1/products/" + n},
		{"", "GET", "/v1/products?limit=" + n}, {"", "GET", "/docs/" + n}, {"", "M" + strings.ReplaceAll(n, "-", "X"), "/v1/orders"}, {"", "DELETE", "/v1/products/" + n},
		{"bad." + n, "GET", "/v1/orders"}, {customer, "GET", "/v1/orders/ord_" + n}, {customer, "GET", "/v1/orders?cursor=" + n}, {customer, "GET", "/v1/orders/ord_" + n + "/events"},
		{customer, "GET", "/v1/payments?order_id=" + n}, {customer, "GET", "/v1/customers/cus_" + n}, {c.staff, "GET", "/v1/inventory/SKU" + n}, {c.staff, "GET", "/v1/notifications?order_id=" + n},
	} {
		c.send(address, ask.token, ask.method, ask.path, nil, "X-Request-Id", n, "User-Agent", n, "Traceparent", "00-"+strings.Repeat("a", 20)+n)
	}
}

// unlucky is how many clients in a round come to know all ways in which an order ends.
const unlucky = 8

// buy places an order in a currency. The unlucky pay in EUR and place three more: one that they cancel for a reason of their own, one that is declined and one for which there is no stock.
func (c *crowd) buy(round, i int, currency string) {
	n := fmt.Sprintf("%d-%d", round, i)
	if i < unlucky {
		currency = "EUR"
	}
	sku, key := "SKU"+n, func(what string) []string { return []string{"Idempotency-Key", what + n, "Prefer", "wait=20"} }
	c.must(http.StatusCreated, c.send("127.0.0.1:1", c.staff, "PUT", "/v1/products/"+sku, object{"name": n, "price": object{"amount": 100, "currency": currency}}))
	stock := object{"movements": []object{{"sku": sku, "quantity": 10, "reason": "received", "reference": n}}}
	c.must(http.StatusOK, c.send("127.0.0.1:1", c.staff, "POST", "/v1/inventory/batch", stock, "Idempotency-Key", n))
	customer := c.token(auth.Principal{Role: auth.Customer, Subject: "buyer_" + n})
	order := func(what, method string, quantity int) (id string) {
		w := c.send("127.0.0.1:1", customer, "POST", "/v1/orders", object{
			"items": []object{{"sku": sku, "quantity": quantity}}, "payment_method": method, "metadata": object{"n": n},
			"shipping_address": object{"name": n, "line1": n, "city": n, "postal_code": "10115", "country": "DE"},
		}, key(what)...)
		c.must(http.StatusCreated, w)
		var placed struct {
			ID string `json:"id"`
		}
		require.NoError(c.t, json.Unmarshal(w.Body.Bytes(), &placed))
		return placed.ID
	}
	order("keep", "pm_test_ok", 1)
	if i >= unlucky {
		return
	}
	c.must(http.StatusAccepted, c.send("127.0.0.1:1", customer, "POST", "/v1/orders/"+order("cancel", "pm_test_ok", 1)+"/cancel", object{"reason": "I " + n + " changed my mind"}))
	order("decline", "pm_test_declined", 1)
	order("short", "pm_test_ok", 100)
}

func (c *crowd) must(status int, w *httptest.ResponseRecorder) {
	c.t.Helper()
	require.Equal(c.t, status, w.Code, w.Body.String())
}

// load lets the crowd in: each round brings other names for everything.
func (c *crowd) load(round, clients int, currencies []string) {
	c.t.Helper()
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part; i < clients; i += 4 {
				c.wander(round, i)
			}
			for i := part; i < len(currencies); i += 4 {
				c.buy(round, i, currencies[i])
			}
		})
	}
	all.Wait()
	require.NoError(c.t, c.host.settle(c.t.Context()))
}

// series are the metrics that there are now, by name.
func (c *crowd) series() map[string][]*dto.Metric {
	c.t.Helper()
	families, err := c.host.metrics.Gather()
	require.NoError(c.t, err)
	all := map[string][]*dto.Metric{}
	for _, f := range families {
		all[f.GetName()] = f.GetMetric()
	}
	return all
}

// routes are the patterns that the edge has, and "" for all else.
func (c *crowd) routes() map[string]bool {
	all := map[string]bool{"": true}
	require.NoError(c.t, chi.Walk(c.handler.(*chi.Mux), func(_, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		all[route] = true
		return nil
	}))
	return all
}

func TestTheNumberOfSeriesDoesNotDependOnWhatClientsSend(t *testing.T) {
	c := openCrowd(t)
	const clients, some = 120, metrics.MaxCurrencies + unlucky
	c.load(1, clients, manyCurrencies[:some])
	first := c.series()
	c.load(2, clients, manyCurrencies[some:])
	second := c.series()

	routes := c.routes()
	size := func(of metrics.Domain) int {
		return map[metrics.Domain]int{
			metrics.Contexts: len(databaseNames()), metrics.Topics: 2 * len(contextNames()), metrics.Routes: len(routes), metrics.Statuses: 70,
			metrics.Currencies: metrics.MaxCurrencies + 1, metrics.Caches: 1, metrics.Programs: 1,
		}[of]
	}
	for name, series := range second {
		require.LessOrEqual(t, len(series), len(first[name]), "%s has grown", name)
		d := metrics.Find(name)
		if d == nil {
			require.True(t, strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_"), "%s is not in the table", name)
			continue
		}
		require.LessOrEqual(t, len(series), d.Bound(size), name)
		for _, m := range series {
			require.Len(t, m.GetLabel(), len(d.Labels), name)
			for _, l := range d.Labels {
				value := labelOf(m, l.Prometheus())
				require.True(t, len(l.Values) == 0 || slices.Contains(l.Values, value), "%s: %s is %q", name, l.Name, value)
				require.True(t, l.Of != metrics.Routes || routes[value], "%s: no route is %q", name, value)
			}
		}
	}
	require.Len(t, second["shop_orders_revenue_total"], metrics.MaxCurrencies+1)
	answered := uint64(0)
	for _, m := range second["http_server_request_duration_seconds"] {
		answered += m.GetHistogram().GetSampleCount()
	}
	require.Greater(t, answered, uint64(2*clients*16), "the load was counted")
	reasons := map[string]float64{}
	for _, m := range second["shop_orders_cancelled_total"] {
		reasons[labelOf(m, "reason")] = m.GetCounter().GetValue()
	}
	const n = float64(2 * unlucky)
	require.Equal(t, map[string]float64{"out_of_stock": n, "payment_declined": n, "customer_request": n, "timed_out": 0, "failed": 0}, reasons)
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}
