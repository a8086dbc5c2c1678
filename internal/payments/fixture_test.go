package payments

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"shop/internal/payments/internal/provider"
	"shop/internal/payments/internal/testpsp"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/web"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// till is payments at work, with the provider it talks to and a caller that sends it commands and hears its events.
type till struct {
	*caller
	t      *testing.T
	url    string
	db     *sqldb.DB
	psp    *testpsp.Provider
	bus    *bus.Memory
	module *Module
	api    http.Handler
}

// eachTill runs the test on both kinds of database, each with a provider that keeps its books in a database of the same kind.
func eachTill(t *testing.T, needs Needs, test func(t *testing.T, x *till)) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		x.open(needs)
		test(t, x)
	})
}

// eachClosedTill is eachTill with everything but a running module.
func eachClosedTill(t *testing.T, test func(t *testing.T, x *till)) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) { test(t, closedTill(t, url)) })
}

func closedTill(t *testing.T, url string) *till {
	x := &till{t: t, url: url, db: dbtest.Open(t, "payments", url), bus: bus.NewMemory()}
	x.psp = testpsp.New(dbtest.Open(t, "testpsp", url), clock.System)
	x.psp.Slow = 100 * time.Millisecond
	t.Cleanup(func() { require.NoError(t, x.bus.Close()) })
	x.caller = newCaller(t, dbtest.Open(t, "platform", url), x.bus)
	return x
}

// open starts a module; a field of needs that is set counts.
func (x *till) open(needs Needs) *Module {
	x.t.Helper()
	needs.DB, needs.Bus, needs.Log = x.db, x.bus, zaptest.NewLogger(x.t, zaptest.Level(zap.WarnLevel))
	if needs.Provider == nil {
		needs.Provider = x.psp
	}
	if needs.Deadline == 0 {
		needs.Deadline = 20 * time.Second // so that a test of something prompt fails when the reconciler has to do it, after twice that time
	}
	m := New(needs)
	require.NoError(x.t, m.Start(x.t.Context()))
	x.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(x.t.Context()), patience)
		defer cancel()
		require.NoError(x.t, m.Stop(ctx))
	})
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	m.Routes(edge)
	x.module, x.api = m, edge.Handler()
	return m
}

// stop ends the module before the test does.
func (x *till) stop() {
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	require.NoError(x.t, x.module.Stop(ctx))
}

// request is one of an operator, unless the headers, pairs of name and value, say of whom.
func (x *till) request(method, path, key, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(x.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	x.api.ServeHTTP(w, r)
	return w
}

// payment is the one of the reference, as payments tells it.
func (x *till) payment(reference string) paymentsapi.Payment {
	x.t.Helper()
	found, err := x.module.Payments(x.t.Context(), []string{reference})
	require.NoError(x.t, err)
	require.Len(x.t, found, 1)
	return found[0]
}

// requireBalanced demands that every invariant holds and that the ledger's successful charges are exactly those of the references.
func (x *till) requireBalanced(charged ...string) {
	x.t.Helper()
	findings, err := x.module.Audit(x.t.Context())
	require.NoError(x.t, err)
	require.Empty(x.t, findings)
	var references []string
	for _, c := range x.ledger() {
		if c.Status == provider.Captured {
			references = append(references, c.Reference)
		}
	}
	require.ElementsMatch(x.t, charged, references)
}

func (x *till) ledger() []provider.Charge {
	x.t.Helper()
	charges, err := x.psp.Charges(x.t.Context(), "", 100_000)
	require.NoError(x.t, err)
	return charges
}

// caller is a context that uses payments.
type caller struct {
	t        *testing.T
	db       *sqldb.DB
	endpoint *bus.Endpoint

	mu     sync.Mutex
	heard  map[string][]bus.Body
	signal chan struct{} // closed with each event, and replaced
}

func newCaller(t *testing.T, db *sqldb.DB, transport bus.Transport) *caller {
	c := &caller{t: t, db: db, heard: map[string][]bus.Body{}, signal: make(chan struct{})}
	c.endpoint = bus.NewEndpoint(bus.Config{Context: "orders", DB: db, Transport: transport, Log: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))})
	listen[paymentsapi.PaymentCaptured](c)
	listen[paymentsapi.PaymentDeclined](c)
	listen[paymentsapi.PaymentCancelled](c)
	listen[paymentsapi.PaymentCancelFailed](c)
	listen[paymentsapi.PaymentRefunded](c)
	require.NoError(t, c.endpoint.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		require.NoError(t, c.endpoint.Stop(ctx))
	})
	return c
}

func listen[E bus.Body](c *caller) {
	bus.On(c.endpoint, func(_ context.Context, tx *sqldb.Tx, e E) error {
		tx.AfterCommit(func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.heard[e.MessageKey()] = append(c.heard[e.MessageKey()], e)
			close(c.signal)
			c.signal = make(chan struct{})
		})
		return nil
	})
}

// send sends commands, all of them in one transaction.
func (c *caller) send(commands ...bus.Body) {
	c.t.Helper()
	require.NoError(c.t, c.db.Write(c.t.Context(), "commands", func(ctx context.Context, tx *sqldb.Tx) error {
		return c.endpoint.Publish(ctx, tx, commands...)
	}))
}

// answers waits until n events about the reference were heard, and returns them.
func (c *caller) answers(reference string, n int) []bus.Body {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		heard, signal := c.heard[reference], c.signal
		c.mu.Unlock()
		if len(heard) >= n {
			return heard
		}
		select {
		case <-signal:
		case <-deadline:
			require.Failf(c.t, "no answer", "%s: heard %v, not %d events", reference, heard, n)
		}
	}
}

// heardOf is about how many references events were heard.
func (c *caller) heardOf() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.heard)
}

// answer is the only event about the reference.
func (c *caller) answer(reference string) bus.Body {
	c.t.Helper()
	heard := c.answers(reference, 1)
	require.Len(c.t, heard, 1)
	return heard[0]
}

// settle waits until no payment and no refund is undecided.
func (x *till) settle() {
	x.t.Helper()
	require.Eventually(x.t, func() bool {
		var open int
		err := x.db.Get(x.t.Context(), &open, `SELECT (SELECT count(*) FROM payments WHERE next_attempt_at > 0) + (SELECT count(*) FROM refunds WHERE next_attempt_at > 0)`)
		return err == nil && open == 0
	}, patience, 10*time.Millisecond, "something is never decided")
}

func euros(cents int64) money.Money { return money.Money{Amount: cents, Currency: "EUR"} }

func take(reference, method string) paymentsapi.TakePayment {
	return paymentsapi.TakePayment{Reference: reference, CustomerID: "cus_1", Amount: euros(1999), Method: method}
}

func cancel(reference string) paymentsapi.CancelPayment {
	return paymentsapi.CancelPayment{Reference: reference, Reason: "customer_request"}
}
