package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/catalog"
	"shop/internal/customers"
	"shop/internal/inventory"
	"shop/internal/notifications"
	"shop/internal/orders"
	"shop/internal/payments"
	"shop/internal/platform/audit"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/web"
	"shop/internal/shipping"
)

// house is the whole shop within the test's process, over real databases and real HTTP: what `shop serve` puts together, with its parts in reach.
type house struct {
	t       testing.TB
	URL     string // of the API
	dbs     map[string]*sqldb.DB
	bus     *bus.Memory
	modules []module
	server  *httptest.Server
	client  *http.Client
	stopped bool
}

type module interface {
	audit.Auditor
	Routes(*web.Edge)
	Start(context.Context) error
	Stop(context.Context) error
}

// openHouse starts a shop on the databases at url. transport, when not nil, comes between the contexts and the memory bus.
func openHouse(t testing.TB, url string, transport func(bus.Transport) bus.Transport) *house {
	t.Helper()
	h := &house{t: t, dbs: map[string]*sqldb.DB{}, bus: bus.NewMemory()}
	for _, name := range databases {
		h.dbs[name] = dbtest.Open(t, name, url)
	}
	var tr bus.Transport = h.bus
	if transport != nil {
		tr = transport(tr)
	}
	log := zap.NewNop()
	cat := catalog.New(catalog.Needs{DB: h.dbs["catalog"], Bus: tr, Log: log, Clock: clock.System})
	inv := inventory.New(inventory.Needs{DB: h.dbs["inventory"], Bus: tr, Log: log, Clock: clock.System})
	pay := payments.New(payments.Needs{DB: h.dbs["payments"], Bus: tr, Log: log, Clock: clock.System, Provider: payments.NewTestProvider(h.dbs["testpsp"], clock.System)})
	shp := shipping.New(shipping.Needs{DB: h.dbs["shipping"], Bus: tr, Log: log, Clock: clock.System})
	ord := orders.New(orders.Needs{DB: h.dbs["orders"], Bus: tr, Log: log, Clock: clock.System, Prices: cat, Inventory: inv, Payments: pay, Shipping: shp})
	cus := customers.New(customers.Needs{DB: h.dbs["customers"], Bus: tr, Log: log, Clock: clock.System})
	ntf := notifications.New(notifications.Needs{DB: h.dbs["notifications"], Bus: tr, Log: log, Clock: clock.System})
	h.modules = []module{cat, cus, inv, pay, shp, ntf, ord}
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	for _, m := range h.modules {
		m.Routes(edge)
		require.NoError(t, m.Start(context.Background()))
	}
	h.server = httptest.NewServer(edge.Handler())
	h.URL = h.server.URL
	h.client = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256, MaxConnsPerHost: 256}}
	t.Cleanup(h.stop)
	return h
}

// stop ends the shop in the order of `shop serve`. The databases are closed by the test's cleanup.
func (h *house) stop() {
	if h.stopped {
		return
	}
	h.stopped = true
	h.server.Close()
	h.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for i := len(h.modules) - 1; i >= 0; i-- {
		require.NoError(h.t, h.modules[i].Stop(ctx))
	}
	require.NoError(h.t, h.bus.Close())
}

type answer struct {
	Status int
	Header http.Header
	Body   map[string]any
	Raw    []byte
}

// do sends one request; headers are pairs.
func (h *house) do(method, path string, body any, headers ...string) answer {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(h.t, err)
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, h.URL+path, r)
	require.NoError(h.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := h.client.Do(req)
	require.NoError(h.t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(h.t, err)
	a := answer{Status: res.StatusCode, Raw: raw}
	_ = json.Unmarshal(raw, &a.Body) // an answer that is no object stays raw
	return a
}

// product puts a product into the catalog and units of it into stock.
func (h *house) product(sku string, price, units int64) {
	h.t.Helper()
	a := h.do("PUT", "/v1/products/"+sku, map[string]any{"name": "Product " + sku, "price": map[string]any{"amount": price, "currency": "EUR"}})
	require.Contains(h.t, []int{200, 201}, a.Status, string(a.Raw))
	if units > 0 {
		a = h.do("POST", "/v1/inventory/"+sku+"/movements", map[string]any{"quantity": units, "reason": "received"}, "Idempotency-Key", "stock-"+sku)
		require.Equal(h.t, 201, a.Status, string(a.Raw))
	}
}

func orderOf(method string, lines ...any) map[string]any {
	items := []map[string]any{}
	for i := 0; i+1 < len(lines); i += 2 {
		items = append(items, map[string]any{"sku": lines[i], "quantity": lines[i+1]})
	}
	return map[string]any{"customer_id": "cus_1", "items": items, "payment_method": method, "shipping_address": map[string]any{
		"name": "Ada Lovelace", "line1": "12 St James Square", "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"}}
}

// place orders and waits for the outcome.
func (h *house) place(key string, body map[string]any) answer {
	h.t.Helper()
	a := h.do("POST", "/v1/orders", body, "Idempotency-Key", key, "Prefer", "wait=20")
	require.Equal(h.t, 201, a.Status, string(a.Raw))
	return a
}

// eventually waits until the condition holds; it is looked at often and never taken for failed early.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			require.FailNow(t, "did not happen: "+what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// orderIs waits until an order has the status and, if given, the saga state.
func (h *house) orderIs(id, status, saga string) answer {
	h.t.Helper()
	var a answer
	eventually(h.t, fmt.Sprintf("order %s is %s %s", id, status, saga), func() bool {
		a = h.do("GET", "/v1/orders/"+id, nil)
		if a.Body["status"] != status {
			return false
		}
		return saga == "" || h.do("GET", "/v1/orders/"+id+"/saga", nil).Body["state"] == saga
	})
	return a
}

// quiet waits until no order is under way and no outbox holds anything, then audits.
func (h *house) quiet() {
	h.t.Helper()
	ctx := context.Background()
	eventually(h.t, "all orders have an outcome and all outboxes are empty", func() bool {
		var open int
		require.NoError(h.t, h.dbs["orders"].Get(ctx, &open, `SELECT count(*) FROM order_summaries WHERE saga_state IN ('running', 'compensating')`))
		for name, db := range h.dbs {
			if name != "testpsp" {
				var n int
				require.NoError(h.t, db.Get(ctx, &n, `SELECT count(*) FROM outbox`))
				open += n
			}
		}
		return open == 0
	})
	for _, m := range h.modules {
		found, err := m.Audit(ctx)
		require.NoError(h.t, err)
		require.Empty(h.t, found)
	}
}

// count is a number from one context's database.
func (h *house) count(context_, query string, args ...any) int64 {
	h.t.Helper()
	var n int64
	require.NoError(h.t, h.dbs[context_].Get(context.Background(), &n, query, args...))
	return n
}
