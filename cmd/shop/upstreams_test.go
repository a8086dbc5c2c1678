package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/resilience"
)

func TestQuestionsToOthersAreGuardedAsTheSettingsSay(t *testing.T) {
	c, err := configured(t, nil)
	require.NoError(t, err)
	require.Equal(t, resilience.Default(), c.upstream, "the defaults are said once in each place, and are the same")
	c, err = configured(t, []string{"SHOP_UPSTREAM_TIMEOUT=1s", "SHOP_UPSTREAM_CONCURRENCY=8", "SHOP_UPSTREAM_RETRIES=0", "SHOP_BREAKER_FAILURES=100", "SHOP_BREAKER_MIN_CALLS=1",
		"SHOP_BREAKER_WINDOW=1m", "SHOP_BREAKER_HALF_OPEN_AFTER=5s"})
	require.NoError(t, err)
	require.Equal(t, resilience.Settings{Timeout: time.Second, Concurrency: 8, Failures: 100, MinCalls: 1, Window: time.Minute, HalfOpen: 5 * time.Second}, c.upstream)
	for setting, says := range map[string]string{
		"SHOP_UPSTREAM_TIMEOUT=0s":         `SHOP_UPSTREAM_TIMEOUT: "0s" is no time from 1ms to 1h`,
		"SHOP_UPSTREAM_TIMEOUT=3":          `SHOP_UPSTREAM_TIMEOUT: "3" is no time`,
		"SHOP_UPSTREAM_CONCURRENCY=7":      `SHOP_UPSTREAM_CONCURRENCY: "7" is no whole number from 8`,
		"SHOP_UPSTREAM_RETRIES=-1":         `SHOP_UPSTREAM_RETRIES: "-1" is no whole number from 0 to 10`,
		"SHOP_BREAKER_FAILURES=0":          `SHOP_BREAKER_FAILURES: "0" is no whole number from 1 to 100`,
		"SHOP_BREAKER_FAILURES=0.5":        `SHOP_BREAKER_FAILURES: "0.5" is no whole number`,
		"SHOP_BREAKER_MIN_CALLS=0":         `SHOP_BREAKER_MIN_CALLS: "0" is no whole number from 1`,
		"SHOP_BREAKER_WINDOW=a while":      `SHOP_BREAKER_WINDOW: "a while" is no time`,
		"SHOP_BREAKER_HALF_OPEN_AFTER=-1s": `SHOP_BREAKER_HALF_OPEN_AFTER: "-1s" is no time`,
	} {
		_, err := configured(t, []string{setting})
		require.ErrorContains(t, err, says)
	}
}

func TestWhoAsksMustKnowWhom(t *testing.T) {
	_, err := configured(t, []string{"SHOP_CONTEXTS=all,-catalog"})
	require.EqualError(t, err, "SHOP_CONTEXTS: orders is hosted here and needs the answers of catalog; host that too, or say in SHOP_CATALOG_URL where it is")
	_, err = configured(t, []string{"SHOP_CONTEXTS=all,-catalog", "SHOP_CATALOG_URL=http://catalog:8080"})
	require.NoError(t, err)
}

func TestAnAuditReadsDatabasesAndAsksNobody(t *testing.T) {
	require.NoError(t, checkAuditable(contextNames()))
	require.NoError(t, checkAuditable([]string{"payments"}))
	require.EqualError(t, checkAuditable([]string{"orders", "catalog", "inventory", "payments"}),
		"--contexts: orders is audited against the database of shipping; name that too, and where it is in SHOP_SHIPPING_DATABASE_URL")
	var stdout, stderr bytes.Buffer
	code := Run(t.Context(), []string{"audit", "--contexts", "orders,catalog,inventory,payments", "--data", t.TempDir()},
		[]string{"SHOP_BUS_URL=kafka://broker:9092", "SHOP_SHIPPING_URL=http://shipping:8080"}, &stdout, &stderr)
	require.Equal(t, exitConfiguration, code)
	require.Contains(t, stderr.String(), "orders is audited against the database of shipping")
}

// process is a shop that hosts some contexts, all with the same key.
type process struct {
	*host
	t      *testing.T
	signer *auth.Signer
}

func newProcess(t *testing.T, signer *auth.Signer, settings ...string) *process {
	t.Helper()
	cfg, err := configured(t, append([]string{"SHOP_ADDR=127.0.0.1:0", "SHOP_ADMIN_ADDR=127.0.0.1:0", "SHOP_DATA=" + t.TempDir()}, settings...))
	require.NoError(t, err)
	cfg.signer = signer
	h, err := openHost(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, h.start(t.Context()))
	t.Cleanup(func() { _ = h.stop() })
	return &process{h, t, signer}
}

// ask is a request of somebody's; of nobody's without a role.
func (p *process) ask(role auth.Role, method, path, body string, headers ...string) (int, http.Header, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.api.url()+path, strings.NewReader(body))
	require.NoError(p.t, err)
	if role != "" {
		token, err := p.signer.Sign(auth.Principal{Role: role, Subject: "cus_ann"}, time.Now(), time.Hour)
		require.NoError(p.t, err)
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	require.NoError(p.t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	return res.StatusCode, res.Header, string(b)
}

const tea = `{"items":[{"sku":"TEA","quantity":2}],"payment_method":"pm_test_ok","shipping_address":{"name":"Ann","line1":"1","city":"London","country":"GB"}}`

// The catalog and the customers are in a process of their own: they exchange no messages with orders, so it takes no broker.
func TestOrdersAsksACatalogThatIsElsewhereAndSellsNothingAtAGuessedPrice(t *testing.T) {
	signer, err := auth.NewSigner()
	require.NoError(t, err)
	catalog := newProcess(t, signer, "SHOP_CONTEXTS=catalog")
	at := catalog.api.url()
	orders := newProcess(t, signer, "SHOP_CONTEXTS=all,-catalog", "SHOP_CATALOG_URL="+at, "SHOP_BREAKER_MIN_CALLS=4", "SHOP_BREAKER_HALF_OPEN_AFTER=100ms", "SHOP_UPSTREAM_RETRIES=1")

	status, _, body := orders.ask(auth.Operator, "PUT", "/v1/products/TEA", `{"name":"Tea","price":{"amount":450,"currency":"EUR"}}`)
	require.Equal(t, http.StatusCreated, status, body)
	status, _, body = orders.ask(auth.Operator, "POST", "/v1/inventory/TEA/movements", `{"quantity":100,"reason":"received"}`, "Idempotency-Key", "stock")
	require.Equal(t, http.StatusCreated, status, body)
	status, _, body = orders.ask(auth.Customer, "POST", "/v1/orders", tea, "Idempotency-Key", "first", "Prefer", "wait=20")
	require.Equal(t, http.StatusCreated, status, body)
	require.Contains(t, body, `"status":"confirmed"`)
	require.Contains(t, body, `"total":{"amount":900,"currency":"EUR"}`)
	status, _, body = orders.ask(auth.Customer, "POST", "/v1/orders", strings.ReplaceAll(tea, "TEA", "AIR"), "Idempotency-Key", "air")
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, body, `"code":"unknown_sku"`)
	_, _, ready := orders.ask("", "GET", "/readyz?verbose", "")
	require.Contains(t, ready, `{"name":"catalog.questions","status":"closed"}`)

	require.NoError(t, catalog.stop())
	breaker := orders.upstreams().Breaker("catalog", resilience.Questions)
	for i := 0; breaker.State() == resilience.Closed; i++ {
		require.Less(t, i, 10, "it opens")
		status, header, body := orders.ask(auth.Customer, "POST", "/v1/orders", tea, "Idempotency-Key", "second")
		require.Equal(t, http.StatusServiceUnavailable, status, body)
		require.Contains(t, body, `"code":"catalog_unavailable"`)
		after, err := strconv.Atoi(header.Get("Retry-After"))
		require.NoError(t, err)
		require.Positive(t, after)
	}
	status, _, ready = orders.ask("", "GET", "/readyz?verbose", "")
	require.Equal(t, http.StatusOK, status, "orders can be read, cancelled and fulfilled meanwhile")
	require.NotContains(t, ready, `{"name":"catalog.questions","status":"closed"}`)
	status, _, body = orders.ask(auth.Customer, "POST", "/v1/orders", tea, "Idempotency-Key", "first")
	require.Equal(t, http.StatusCreated, status, "an order that is stored needs no prices: %s", body)
	_, _, body = orders.ask(auth.Customer, "GET", "/v1/orders", "")
	var list struct{ Data []json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	require.Len(t, list.Data, 1, "nothing was stored")

	again := newProcess(t, signer, "SHOP_CONTEXTS=catalog", "SHOP_ADDR="+strings.TrimPrefix(at, "http://"))
	status, _, body = again.ask(auth.Operator, "PUT", "/v1/products/TEA", `{"name":"Tea","price":{"amount":500,"currency":"EUR"}}`)
	require.Equal(t, http.StatusCreated, status, body)
	require.Eventually(t, func() bool {
		status, _, body = orders.ask(auth.Customer, "POST", "/v1/orders", tea, "Idempotency-Key", "second")
		return status == http.StatusCreated
	}, 30*time.Second, 20*time.Millisecond)
	require.Contains(t, body, `"total":{"amount":1000,"currency":"EUR"}`)
	require.Equal(t, resilience.Closed, breaker.State())
}

func TestTheEdgePutsDetailsTogetherOfContextsThatAreElsewhere(t *testing.T) {
	signer, err := auth.NewSigner()
	require.NoError(t, err)
	inner := newProcess(t, signer)
	var elsewhere []string
	for _, name := range contextNames() {
		if name != "catalog" {
			elsewhere = append(elsewhere, contextVariable(name)+"="+inner.api.url())
		}
	}
	edge := newProcess(t, signer, append(elsewhere, "SHOP_CONTEXTS=catalog")...)
	_, _, _ = inner.ask(auth.Operator, "PUT", "/v1/products/TEA", `{"name":"Tea","price":{"amount":450,"currency":"EUR"}}`)
	_, _, _ = inner.ask(auth.Operator, "POST", "/v1/inventory/TEA/movements", `{"quantity":100,"reason":"received"}`, "Idempotency-Key", "stock")
	status, _, body := inner.ask(auth.Customer, "POST", "/v1/orders", tea, "Idempotency-Key", "first", "Prefer", "wait=20")
	require.Equal(t, http.StatusCreated, status, body)
	var order struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(body), &order))
	path := "/v1/orders/" + order.ID + "/details"
	for _, role := range []auth.Role{auth.Customer, auth.Operator, auth.Service} {
		var here, there string
		require.Eventually(t, func() bool { // until the shipment is there, and does not come between the two
			_, _, here = edge.ask(role, "GET", path, "")
			_, _, there = inner.ask(role, "GET", path, "")
			return here == there && strings.Contains(here, `"shp_`)
		}, 30*time.Second, 10*time.Millisecond, "%s\n%s", bytes.NewBufferString(here), there)
		require.Contains(t, here, `"unavailable":[]`)
		require.Equal(t, role != auth.Customer, strings.Contains(here, "on_hand"))
	}
	require.NotEmpty(t, edge.upstreams().Breakers())
	status, _, body = edge.ask("", "GET", path, "")
	require.Equal(t, http.StatusUnauthorized, status, body)
	status, _, body = edge.ask(auth.Customer, "GET", "/v1/orders/ord_01jd3q6k9v8xw2n4t7ryz5none/details", "")
	require.Equal(t, http.StatusNotFound, status, body)
}
