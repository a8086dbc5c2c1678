package customers

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/web"
)

const patience = 30 * time.Second

var (
	operator = auth.Principal{Role: auth.Operator, Subject: "olga"}
	service  = auth.Principal{Role: auth.Service, Subject: "web-shop"}
	ada      = auth.Principal{Role: auth.Customer, Subject: "auth0|ada"}
	bob      = auth.Principal{Role: auth.Customer, Subject: "cus_bob"}
)

// desk is the context behind its edge, with somebody who hears its events.
type desk struct {
	*Module
	t        *testing.T
	handler  http.Handler
	listener *bus.Endpoint

	mu    sync.Mutex
	heard map[string][]bus.Body // by customer
}

// atDesk runs the test once on each kind of database, and ends it with the audit.
func atDesk(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) { atDeskWith(t, url, test) })
}

// atOneDesk is atDesk for what does not depend on the kind of database: on SQLite alone, which takes a tenth of the time.
func atOneDesk(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	atDeskWith(t, "sqlite:"+t.TempDir(), test)
}

func atDeskWith(t *testing.T, url string, test func(t *testing.T, d *desk)) {
	t.Helper()
	transport := bus.NewMemory()
	d := &desk{t: t, heard: map[string][]bus.Body{}, Module: New(Needs{DB: dbtest.Open(t, "customers", url), Bus: transport, Clock: clock.System})}
	d.listener = bus.NewEndpoint(bus.Config{Context: "platform", DB: dbtest.Open(t, "platform", url), Transport: transport})
	hear[customersapi.CustomerRegistered](d)
	hear[customersapi.CustomerChanged](d)
	hear[customersapi.CustomerErased](d)
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	d.Routes(edge)
	d.handler = edge.Handler()
	require.NoError(t, d.listener.Start(t.Context()))
	require.NoError(t, d.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, d.Stop(ctx))
		require.NoError(t, d.listener.Stop(ctx))
	})
	test(t, d)
	findings, err := d.Audit(t.Context())
	require.NoError(t, err)
	require.Empty(t, findings)
}

func hear[E bus.Body](d *desk) {
	bus.On(d.listener, func(_ context.Context, tx *sqldb.Tx, e E) error {
		tx.AfterCommit(func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.heard[e.MessageKey()] = append(d.heard[e.MessageKey()], e)
		})
		return nil
	})
}

// story is what was told of a customer, once everything has been.
func (d *desk) story(customer string) []bus.Body {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		n, _, err := d.endpoint.Backlog(d.t.Context())
		return err == nil && n == 0
	}, patience, 2*time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard[customer]
}

type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// ask sends a request of somebody's; headers are pairs.
func (d *desk) ask(who auth.Principal, method, target, body string, headers ...string) reply {
	r := httptest.NewRequestWithContext(d.t.Context(), method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, authtest.As(r, who))
	return reply{d.t, w.Code, w.Header(), w.Body.String()}
}

// is requires the status and reads the answer.
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

const adasProfile = `{"name":"Ada Lovelace","email":"Ada@Example.org","phone":"+44 20 7946 0000"}`

// adaRegistered is Ada's profile, made by herself.
func (d *desk) adaRegistered() customersapi.Customer {
	d.t.Helper()
	return is[customersapi.Customer](d.ask(ada, http.MethodPost, "/v1/customers", adasProfile), http.StatusCreated)
}

const adasPath = "/v1/customers/auth0%7Cada"
