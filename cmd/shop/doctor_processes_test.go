package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/cmd/shop/internal/rest"
	"shop/internal/platform/auth"
	"shop/internal/platform/bus/natsbus/natstest"
	"shop/internal/platform/clock"
)

// runningShop is a shop in this process with a data directory of its own, and what the doctor needs to examine it.
func runningShop(t *testing.T, change func(*config)) (h *host, environ, args []string) {
	t.Helper()
	cfg := config{addr: "127.0.0.1:0", adminAddr: "127.0.0.1:0", hosted: contextNames(), databases: map[string]string{}, data: t.TempDir(), busURL: memoryBus}
	cfg.front.elsewhere = map[string]*url.URL{}
	var err error
	cfg.signer, err = auth.NewSigner()
	require.NoError(t, err)
	change(&cfg)
	for _, name := range databaseNames() {
		cfg.databases[name] = sqlitePrefix + cfg.data
	}
	h, err = openHost(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, h.start(t.Context()))
	t.Cleanup(func() { require.NoError(t, h.stop()) })
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(h.modules, func(m hosted) bool { return !m.Endpoint().Leading() })
	}, 20*time.Second, 5*time.Millisecond, "it leads all its contexts")
	environ = []string{"SHOP_DATA=" + cfg.data, "SHOP_BUS_URL=" + cfg.busURL}
	for name, at := range cfg.front.elsewhere {
		environ = append(environ, contextVariable(name)+"="+at.String())
	}
	return h, environ, []string{"--contexts", strings.Join(cfg.hosted, ","), "--addr", strings.TrimPrefix(h.api.url(), "http://"), "--admin-addr", strings.TrimPrefix(h.adminURL(), "http://")}
}

func TestTheDoctorWorksBesideAShopThatRuns(t *testing.T) {
	h, environ, args := runningShop(t, func(*config) {})
	before, err := os.ReadDir(h.cfg.data)
	require.NoError(t, err)
	e := doctorSays(t, environ, args...)
	require.Equal(t, exitOK, e.code, e.output)
	e.requires("process", passed, "is ready", "")
	e.requires("version", passed, version, "")
	e.requires("orders.messages", passed, "a process relays them", "")
	after, err := os.ReadDir(h.cfg.data)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(before), fmt.Sprint(after), "it leaves nothing")

	h.health.SetStopping()
	doctorSays(t, environ, args...).requires("process", warned, "is stopping", "")
}

func TestTheDoctorSaysWhatIsWrongWithTheProcess(t *testing.T) {
	answers := map[string]string{"/readyz": `{"status":"ok"}`}
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(answers[r.URL.Path])) }))
	defer admin.Close()
	at := strings.TrimPrefix(admin.URL, "http://")
	says := func() examined {
		return doctorSays(t, []string{"SHOP_DATA=" + t.TempDir()}, "--admin-addr", at)
	}
	answers["/metrics"] = "# HELP x\nshop_build_info{go=\"go1\",version=\"v0.0.1\"} 1\n"
	e := says()
	require.Equal(t, exitOK, e.code, e.output)
	e.requires("version", warned, "the process is v0.0.1, and this program is "+version, "restart the process")

	answers["/log-level"] = `{"level":"debug","configured":"info","until":null}`
	says().requires("log", warned, "stays so", "shop log-level info")
	answers["/log-level"] = `{"level":"debug","configured":"info","until":"2026-01-02T03:04:05Z"}`
	says().requires("log", passed, "until 2026-01-02T03:04:05Z", "")

	answers["/readyz"] = `{"status":"degraded","checks":[{"name":"orders.bus","status":"failing"}],"notes":[{"name":"payments.questions","status":"open"},{"name":"catalog.questions","status":"closed"}]}`
	e = says()
	e.requires("process", warned, "degraded: orders.bus", "")
	e.requires("breakers", warned, "payments.questions open", "docs/explanation/when-a-context-is-away.md")
	answers["/readyz"] = `{"status":"failing","checks":[{"name":"orders.database","status":"failing"}]}`
	e = says()
	require.Equal(t, exitFailed, e.code)
	e.requires("process", failed, "takes no requests: orders.database", "")

	answers["/readyz"] = "welcome"
	e = says()
	require.Equal(t, exitFailed, e.code)
	e.requires("ports", failed, at+" is taken: what answers is no shop", "SHOP_ADMIN_ADDR")
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	e = doctorSays(t, []string{"SHOP_DATA=" + t.TempDir()}, "--addr", other.Addr().String())
	require.Equal(t, exitFailed, e.code)
	e.requires("ports", failed, other.Addr().String()+" is taken", "SHOP_ADDR")
}

func TestAContextThatIsNotWhereItIsSaidToBeIsFound(t *testing.T) {
	broker := natstest.Start(t)
	there, _, _ := runningShop(t, func(cfg *config) { cfg.hosted, cfg.busURL = []string{"catalog", "customers"}, broker.URL() })
	says := func(catalog string, at clock.Clock) examined {
		return doctorSaysAt(t, at, []string{"SHOP_DATA=" + t.TempDir(), "SHOP_BUS_URL=" + broker.URL(), "SHOP_CATALOG_URL=" + catalog}, "--contexts", "all,-catalog")
	}
	e := says(there.api.url(), clock.System)
	require.Equal(t, exitOK, e.code, e.output)
	e.requires("catalog.url", passed, "hosts it, and is ready", "")
	e.requires("clock", passed, "agrees with 2 others", "") // the broker's is one
	e = says(there.api.url(), clock.NewFake(time.Now().Add(-10*time.Second)))
	e.requires("clock", warned, "that of "+strings.TrimPrefix(there.api.url(), "http://"), "synchronize")
	e.requires("clock", warned, "that of the broker is 1", "synchronize")

	other, _, _ := runningShop(t, func(cfg *config) { cfg.hosted = []string{"catalog"} })
	e = doctorSays(t, []string{"SHOP_DATA=" + t.TempDir(), "SHOP_BUS_URL=" + broker.URL(), "SHOP_ORDERS_URL=" + other.api.url(), "SHOP_CATALOG_URL=" + other.api.url()}, "--contexts", "notifications")
	require.Equal(t, exitConfiguration, e.code)
	require.Equal(t, []string{"orders.url"}, e.failures())
	e.requires("orders.url", failed, "hosts catalog, and not orders", "correct SHOP_ORDERS_URL")

	e = says("http://"+freeAddress(t), clock.System)
	require.Equal(t, exitDependency, e.code)
	e.requires("catalog.url", failed, "refused", "SHOP_CATALOG_URL")
	nothing := httptest.NewServer(http.NotFoundHandler())
	defer nothing.Close()
	e = says(nothing.URL, clock.System)
	require.Equal(t, exitConfiguration, e.code)
	e.requires("catalog.url", failed, "is no shop", "SHOP_CATALOG_URL")
	there.health.SetStopping()
	says(there.api.url(), clock.System).requires("catalog.url", warned, "is stopping", "")
}

func TestTheDoctorSaysWhatIsWrongWithTheBroker(t *testing.T) {
	broker := natstest.Start(t)
	environ := []string{"SHOP_DATA=" + t.TempDir(), "SHOP_BUS_URL=" + broker.URL()}
	doctorSays(t, environ).requires("broker", warned, "has no topics of shop", "shop serve")
	conn, err := nats.Connect(broker.URL())
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	streams := func() (n int) {
		for range js.StreamNames(t.Context()).Name() {
			n++
		}
		return n
	}
	require.Zero(t, streams(), "the doctor makes nothing")
	transport, err := openBus(broker.URL(), "shop", zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, transport.Close())
	require.Equal(t, 2*len(contextMap), streams())
	doctorSays(t, environ).requires("broker", passed, fmt.Sprintf("has %d topics, and 0 messages wait", 2*len(contextMap)), "")

	for range queueLong + 1 {
		_, err := js.PublishAsync("shop.orders.events", nil)
		require.NoError(t, err)
	}
	<-js.PublishAsyncComplete()
	doctorSays(t, environ).requires("broker", warned, "many for notifications on shop.orders.events", "shop contexts")
	consumers, err := js.Stream(t.Context(), "shop_orders_events")
	require.NoError(t, err)
	require.NoError(t, consumers.DeleteConsumer(t.Context(), "notifications-g1"))
	e := doctorSays(t, environ)
	require.Equal(t, exitFailed, e.code)
	e.requires("broker", failed, "it keeps no messages for notifications on shop.orders.events", "restart a process")
	require.NoError(t, js.DeleteStream(t.Context(), "shop_payments_commands"))
	doctorSays(t, environ).requires("broker", failed, "it has no shop.payments.commands", "restart a process")
	broker.Stop()
	e = doctorSays(t, environ)
	require.Equal(t, exitDependency, e.code)
	e.requires("broker", failed, "does not answer", "docs/how-to/choose-a-broker.md")
}

// An order is placed, and those who have to do something for it never get to: they are elsewhere, and nobody starts them.
func TestAnOrderThatNobodyWorksOnIsFound(t *testing.T) {
	broker := natstest.Start(t)
	nobody, err := url.Parse("http://" + freeAddress(t))
	require.NoError(t, err)
	h, environ, args := runningShop(t, func(cfg *config) {
		cfg.hosted, cfg.busURL = []string{"catalog", "orders"}, broker.URL()
		for _, name := range []string{"inventory", "payments", "shipping", "customers", "notifications"} {
			cfg.front.elsewhere[name] = nobody
		}
	})
	client := rest.New(h.api.url(), 1)
	defer client.Close()
	client.Token, err = h.cfg.signer.Sign(auth.Principal{Role: auth.Operator, Subject: "test"}, time.Now(), time.Hour)
	require.NoError(t, err)
	_, err = client.Do(t.Context(), rest.Request{Method: http.MethodPut, Path: "/v1/products/MUG", Body: map[string]any{
		"name": "Mug", "description": "", "price": map[string]any{"amount": 900, "currency": "EUR"}, "active": true}}, nil)
	require.NoError(t, err)
	client.Token, err = h.cfg.signer.Sign(auth.Principal{Role: auth.Customer, Subject: "cus_1"}, time.Now(), time.Hour)
	require.NoError(t, err)
	var order struct{ ID string }
	_, err = client.Do(t.Context(), rest.Request{Method: http.MethodPost, Path: "/v1/orders", Key: "k", Body: map[string]any{
		"items": []any{map[string]any{"sku": "MUG", "quantity": 1}}, "payment_method": "pm_test_ok",
		"shipping_address": map[string]any{"name": "Ann", "line1": "1 Road", "city": "Town", "postal_code": "1", "country": "DE"}}}, &order)
	require.NoError(t, err)

	e := doctorSays(t, environ, args...)
	require.Equal(t, exitDependency, e.code)
	e.requires("inventory.url", failed, "refused", "start the process that hosts inventory")
	e.requires("orders.work", passed, "nothing waits longer", "")
	e = doctorSaysAt(t, clock.NewFake(time.Now().Add(4*time.Minute)), environ, args...)
	e.requires("orders.work", failed, "1 orders are past their deadline", "shop trace "+order.ID)
	require.FileExists(t, filepath.Join(h.cfg.data, "orders.db"))
}
