package orders

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, pgtest.IgnoreServer()) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// shop is the orders context at work: on a database, between neighbours that do what the test tells them, behind a real HTTP server. Its clock stands
// still until the test moves it.
type shop struct {
	t         testing.TB
	db        *sqldb.DB
	bus       bus.Transport
	clock     *clock.Fake
	deadlines Deadlines
	m         *Module

	metrics *prometheus.Registry // of the replica that was made last

	catalog   *catalog
	heard     *hearing // what the neighbours were told
	inventory *inventory
	payments  *payments
	shipping  *shipping
	listener  *listener // what others hear of orders

	url    string
	client *http.Client
}

// quick are deadlines that are looked at all the time.
var quick = Deadlines{Look: 10 * time.Millisecond, Grace: time.Millisecond}

// eachShop runs the test on both kinds of database.
func eachShop(t *testing.T, test func(t *testing.T, s *shop)) {
	t.Helper()
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) { test(t, openShop(t, url)) })
}

func openShop(t testing.TB, url string) *shop {
	t.Helper()
	return openShopOn(t, url, bus.NewMemory())
}

func openShopOn(t testing.TB, url string, transport bus.Transport) *shop {
	t.Helper()
	return openShopWith(t, url, transport, quick)
}

func openShopWith(t testing.TB, url string, transport bus.Transport, deadlines Deadlines) *shop {
	t.Helper()
	s := &shop{t: t, db: dbtest.Open(t, "orders", url), bus: transport, clock: clock.NewFake(noon), deadlines: deadlines, catalog: newCatalog(), heard: &hearing{}}
	t.Cleanup(func() { require.NoError(t, s.bus.Close()) })
	s.inventory, s.payments, s.shipping = newInventory(s), newPayments(s), newShipping(s)
	s.listener = listen(t, s.bus)
	s.m = s.module(s.db)
	for _, n := range []*neighbour{s.inventory.neighbour, s.payments.neighbour, s.shipping.neighbour} {
		s.start(n.ep)
	}
	s.start(s.m)
	s.url, s.client = serve(t, s.m)
	return s
}

// behave makes all neighbours keep to their contracts again.
func (s *shop) behave() {
	for _, n := range []*neighbour{s.inventory.neighbour, s.payments.neighbour, s.shipping.neighbour} {
		n.behaves()
	}
}

// module makes another replica of orders in this shop.
func (s *shop) module(db *sqldb.DB) *Module {
	s.metrics = prometheus.NewRegistry()
	return New(Needs{DB: db, Bus: s.bus, Prices: s.catalog, Inventory: s.inventory, Payments: s.payments, Shipping: s.shipping,
		Log: zap.NewNop(), Clock: s.clock, Deadlines: s.deadlines, Metrics: s.metrics})
}

// start starts something and stops it when the test ends.
func (s *shop) start(x interface {
	Start(context.Context) error
	Stop(context.Context) error
}) {
	require.NoError(s.t, x.Start(s.t.Context()))
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(s.t, x.Stop(ctx))
	})
}

// serve puts a module behind a server on a loopback port.
func serve(t testing.TB, m *Module) (string, *http.Client) {
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	m.Routes(edge)
	server := httptest.NewServer(edge.Handler())
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return server.URL, &http.Client{Transport: transport, Timeout: patience}
}

// reply is an answer of the server.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// call sends a request. body is text, something that is encoded as JSON, or nil; headers are pairs of name and value.
func (s *shop) call(method, path string, body any, headers ...string) reply {
	s.t.Helper()
	var content []byte
	switch b := body.(type) {
	case nil:
	case string:
		content = []byte(b)
	default:
		var err error
		content, err = json.Marshal(b)
		require.NoError(s.t, err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(content))
	require.NoError(s.t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(r)
	require.NoError(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return reply{s.t, resp.StatusCode, resp.Header, answer}
}

func (s *shop) get(path string, headers ...string) reply {
	s.t.Helper()
	return s.call(http.MethodGet, path, nil, headers...)
}

// is requires a status and gives the reply back.
func (r reply) is(status int) reply {
	r.t.Helper()
	require.Equal(r.t, status, r.status, string(r.body))
	return r
}

// as reads the body, which must have no field that T does not have.
func as[T any](r reply) T {
	r.t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	require.NoError(r.t, d.Decode(&v), string(r.body))
	return v
}

func (r reply) order() orderBody {
	r.t.Helper()
	return as[orderBody](r)
}

// refused requires a problem of this status and code.
func (r reply) refused(status int, code string) {
	r.t.Helper()
	r.is(status)
	require.Equal(r.t, "application/problem+json", r.header.Get("Content-Type"))
	require.Equal(r.t, code, as[web.Problem](r).Code, string(r.body))
}

// basket is what a test orders, before it changes something: 20.00 EUR.
func basket() placeBody {
	return placeBody{
		CustomerID: "cus_1", Items: []itemBody{{"TEA", 2}, {"CUP", 1}}, PaymentMethod: "pm_test_ok", Email: "ann@example.org",
		Address: shippingapi.Address{Name: "Ann", Line1: "1 High Street", City: "London", PostalCode: "N1", Country: "GB"},
	}
}

var lastKey atomic.Int64

// freshKey is an Idempotency-Key that nobody used.
func freshKey() string { return fmt.Sprintf("key-%d", lastKey.Add(1)) }

// place orders a basket; its process goes on by itself.
func (s *shop) place() string {
	s.t.Helper()
	return s.call(http.MethodPost, "/v1/orders", basket(), "Idempotency-Key", freshKey()).is(http.StatusCreated).order().ID
}

func (s *shop) read(id string) orderBody {
	s.t.Helper()
	return s.get("/v1/orders/" + id).is(http.StatusOK).order()
}

func (s *shop) saga(id string) sagaBody {
	s.t.Helper()
	return as[sagaBody](s.get("/v1/orders/" + id + "/saga").is(http.StatusOK))
}

func (s *shop) cancel(id string) reply {
	s.t.Helper()
	return s.call(http.MethodPost, "/v1/orders/"+id+"/cancel", `{"reason":"changed my mind"}`)
}

// eventually waits for something. It looks again and again, since what happens is not always told.
func (s *shop) eventually(what string, happened func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-deadline.C:
			require.FailNow(s.t, "waited in vain: "+what)
		}
	}
}

// until waits for an order to get somewhere.
func (s *shop) until(id string, there func(o orderBody) bool) orderBody {
	s.t.Helper()
	var o orderBody
	s.eventually("order "+id, func() bool {
		o = s.read(id)
		return there(o)
	})
	return o
}

func (s *shop) untilStatus(id string, status Status) orderBody {
	s.t.Helper()
	return s.until(id, func(o orderBody) bool { return o.Status == string(status) })
}

// untilStep waits for a step of the process to get into a state.
func (s *shop) untilStep(id string, step stepName, state stepState) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s %s", step, state), func() bool {
		o, err := s.replayed(id)
		require.NoError(s.t, err)
		return o.Steps[step].State == state
	})
}

// replayed is the order as its events tell it.
func (s *shop) replayed(id string) (Order, error) {
	rows, err := s.m.store.history(s.t.Context(), id)
	if err != nil {
		return Order{}, err
	}
	orders, err := replay(rows)
	if err != nil {
		return Order{}, err
	}
	return orders[0], nil
}

// history are the names of an order's events.
func (s *shop) history(id string) []string {
	s.t.Helper()
	var names []string
	for i, e := range as[eventsBody](s.get("/v1/orders/" + id + "/events").is(http.StatusOK)).Data {
		require.EqualValues(s.t, i+1, e.Version)
		names = append(names, e.Type)
	}
	return names
}

// rest waits until no message is under way any more.
func (s *shop) rest() {
	s.t.Helper()
	endpoints := []*bus.Endpoint{s.m.Endpoint(), s.inventory.ep, s.payments.ep, s.shipping.ep}
	before := ""
	s.eventually("everybody is at rest", func() bool {
		for _, ep := range endpoints {
			pending, _, err := ep.Backlog(s.t.Context())
			require.NoError(s.t, err)
			if pending > 0 {
				before = ""
				return false
			}
		}
		now := fmt.Sprint(s.count("events"), s.heard.count())
		same := now == before
		before = now
		return same
	})
}

// count is how many rows a table has.
func (s *shop) count(table string) (n int) {
	s.t.Helper()
	queries := map[string]string{
		"events":           `SELECT count(*) FROM events`,
		"order_summaries":  `SELECT count(*) FROM order_summaries`,
		"outbox":           `SELECT count(*) FROM outbox`,
		"idempotency_keys": `SELECT count(*) FROM idempotency_keys`,
		"dead_letters":     `SELECT count(*) FROM dead_letters`,
	}
	require.NoError(s.t, s.db.Get(s.t.Context(), &n, queries[table]))
	return n
}

// sound requires that the audit finds nothing, and that no message failed for good.
func (s *shop) sound() {
	s.t.Helper()
	s.rest()
	found, err := s.m.Audit(s.t.Context())
	require.NoError(s.t, err)
	require.Empty(s.t, found)
	require.Zero(s.t, s.count("dead_letters"))
}

// commands requires what the neighbours were asked for about an order, in this order.
func (s *shop) commands(id string, want ...string) {
	s.t.Helper()
	answered, _ := s.heard.about(id)
	require.Equal(s.t, strings.Join(want, " "), strings.Join(answered, " "))
}

// notices requires what inventory was told beside, without an answer.
func (s *shop) notices(id string, want ...string) {
	s.t.Helper()
	_, unanswered := s.heard.about(id)
	require.Equal(s.t, strings.Join(want, " "), strings.Join(unanswered, " "))
}

func eur(amount int64) money.Money { return money.Money{Amount: amount, Currency: "EUR"} }

// placeMany orders n baskets at the same time; then, if it is not nil, is called with each order, on the goroutine that placed it.
func (s *shop) placeMany(n int, then func(i int, id string)) []string {
	s.t.Helper()
	ids := make([]string, n)
	var all sync.WaitGroup
	for worker := range 25 {
		all.Go(func() {
			for i := worker; i < n; i += 25 {
				ids[i] = s.place()
				if then != nil {
					then(i, ids[i])
				}
			}
		})
	}
	all.Wait()
	return ids
}
