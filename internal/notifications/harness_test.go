package notifications

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/notifications/notificationsapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/web"
)

const patience = 30 * time.Second

// desk is the context at work, with somebody who tells it what happens elsewhere.
type desk struct {
	*Module
	t         *testing.T
	url       string
	transport *bus.Memory
	time      *clock.Fake
	api       http.Handler
	teller    *bus.Endpoint
	tellerDB  *sqldb.DB
}

// atDesk runs the test once on each kind of database, and ends it with the audit. needs makes what the module shall have; it may be nil.
func atDesk(t *testing.T, needs func(t *testing.T) Needs, test func(t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) { atDeskWith(t, url, needs, test) })
}

// atOneDesk is atDesk for what does not depend on the kind of database: on SQLite alone, which takes a tenth of the time.
func atOneDesk(t *testing.T, needs func(t *testing.T) Needs, test func(t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	atDeskWith(t, "sqlite:"+t.TempDir(), needs, test)
}

func atDeskWith(t *testing.T, url string, needs func(t *testing.T) Needs, test func(t *testing.T, d *desk)) {
	t.Helper()
	d := &desk{t: t, url: url, transport: bus.NewMemory(), time: clock.NewFake(time.Now()), tellerDB: dbtest.Open(t, "platform", url)}
	d.teller = bus.NewEndpoint(bus.Config{Context: "platform", DB: d.tellerDB, Transport: d.transport})
	var n Needs
	if needs != nil {
		n = needs(t)
	}
	d.Module = d.open(n)
	require.NoError(t, d.teller.Start(t.Context()))
	t.Cleanup(func() { d.stop(d.teller.Stop) })
	require.NoError(t, d.Start(t.Context()))
	test(t, d)
	d.audit()
}

// mailing are the needs of a module that writes through the inbox.
func mailing(b *inbox) Needs { return Needs{Mail: b.mail(Plain)} }

// open makes a module on the desk's database, which is not started yet.
func (d *desk) open(n Needs) *Module {
	d.t.Helper()
	n.DB, n.Bus, n.Clock = dbtest.Open(d.t, "notifications", d.url), d.transport, d.time
	if n.Poll == 0 {
		n.Poll = 2 * time.Millisecond
	}
	if n.Log == nil {
		n.Log = zap.NewNop()
	}
	m := New(n)
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	m.Routes(edge)
	d.api = edge.Handler()
	d.t.Cleanup(func() { d.stop(m.Stop) })
	return m
}

func (d *desk) stop(stop func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(d.t, stop(ctx))
}

func (d *desk) audit() {
	d.t.Helper()
	findings, err := d.Audit(d.t.Context())
	require.NoError(d.t, err)
	require.Empty(d.t, findings)
}

// tell publishes what happened elsewhere, and waits until it was heard.
func (d *desk) tell(events ...bus.Body) {
	d.t.Helper()
	require.NoError(d.t, d.tellerDB.Write(d.t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		return d.teller.Publish(ctx, tx, events...)
	}))
	require.Eventually(d.t, func() bool {
		n, _, err := d.teller.Backlog(d.t.Context())
		return err == nil && n == 0
	}, patience, 2*time.Millisecond)
}

func eur(cents int64) money.Money { return money.Money{Amount: cents, Currency: "EUR"} }

// order is what an event says of an order; the customer has the id cus_ and the order's.
func order(id, email string) ordersapi.Summary {
	return ordersapi.Summary{OrderID: id, CustomerID: "cus_" + id, Email: email, Total: eur(2000), ItemCount: 2}
}

func orderConfirmedBy(id, email string) ordersapi.OrderConfirmed {
	return ordersapi.OrderConfirmed{Summary: order(id, email)}
}

// until waits until the notification has the status.
func (d *desk) until(id, status string) notificationsapi.Notification {
	d.t.Helper()
	var n notificationsapi.Notification
	require.Eventually(d.t, func() bool {
		r, err := d.notification(d.t.Context(), id)
		n = r.view()
		return err == nil && n.Status == status
	}, patience, 2*time.Millisecond, "%s does not become %s", id, status)
	return n
}

type reply struct {
	t      *testing.T
	status int
	body   string
}

func (d *desk) ask(who auth.Principal, method, target string) reply {
	w := httptest.NewRecorder()
	d.api.ServeHTTP(w, authtest.As(httptest.NewRequestWithContext(d.t.Context(), method, target, nil), who))
	return reply{d.t, w.Code, w.Body.String()}
}

func is[T any](r reply, status int) T {
	r.t.Helper()
	require.Equal(r.t, status, r.status, r.body)
	var v T
	require.NoError(r.t, json.Unmarshal([]byte(r.body), &v), r.body)
	return v
}

func (r reply) problem(status int, code string) {
	r.t.Helper()
	require.Equal(r.t, code, is[web.Problem](r, status).Code)
}

var operator = auth.Principal{Role: auth.Operator, Subject: "olga"}
