package customersapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/customers"
	"shop/internal/customers/customersapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/web"
)

// carrier passes on who asks, as a token would.
type carrier struct{ next http.RoundTripper }

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	return c.next.RoundTrip(authtest.As(r.Clone(r.Context()), auth.From(r.Context())))
}

func TestTheRemoteAnswersLikeTheHeart(t *testing.T) {
	dbtest.Each(t, "customers", func(t *testing.T, db *sqldb.DB) {
		heart := customers.New(customers.Needs{DB: db, Bus: bus.NewMemory(), Clock: clock.System})
		edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
		heart.Routes(edge)
		server := httptest.NewServer(edge.Handler())
		defer server.Close()
		client := &http.Client{Transport: carrier{http.DefaultTransport}}
		post := func(body string) {
			w := httptest.NewRecorder()
			edge.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/customers", strings.NewReader(body)))
			require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
		}
		post(`{"id":"auth0|ada","name":"Ada","email":"ada@example.org","addresses":[{"name":"Ada","line1":"1","city":"London","country":"GB","default":true}]}`)
		post(`{"id":"bob","name":"Bob","email":"bob@example.org"}`)
		post(`{"id":"eve","name":"Eve","email":"eve@example.org"}`)
		w := httptest.NewRecorder()
		edge.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/v1/customers/eve", nil))
		require.Equal(t, http.StatusNoContent, w.Code)

		remote := customersapi.NewRemote(server.URL+"/", client)
		asked := []string{"bob", "nobody", "auth0|ada", "eve", "bob"}
		for who, want := range map[auth.Principal]int{
			{Role: auth.Operator, Subject: "olga"}: 2, {Role: auth.Customer, Subject: "auth0|ada"}: 1, {Role: auth.Customer, Subject: "carl"}: 0,
		} {
			ctx := auth.With(t.Context(), who)
			here, err := heart.Customers(ctx, asked)
			require.NoError(t, err)
			there, err := remote.Customers(ctx, asked)
			require.NoError(t, err)
			require.Len(t, there, want)
			slices.SortFunc(there, func(a, b customersapi.Customer) int { return len(b.ID) - len(a.ID) })
			require.Equal(t, here, there)
		}
	})
}

func TestFaultsSurviveTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		kind   fault.Kind
		code   string
	}{
		"forbidden":   {fault.New(fault.Forbidden, "forbidden", "not for you"), fault.Forbidden, "forbidden"},
		"nobody":      {fault.New(fault.Unauthorized, "unauthorized", "who?"), fault.Unauthorized, "unauthorized"},
		"too many":    {fault.New(fault.TooMany, "rate_limited", "slow down"), fault.TooMany, "rate_limited"},
		"down":        {sqldb.ErrUnavailable, fault.Unavailable, "database_unavailable"},
		"a defect":    {errors.New("secret"), fault.Internal, "internal"},
		"a malformed": {fault.New(fault.Malformed, "m", "x").With(fault.Field{Location: "path.id", Detail: "expected more"}), fault.Malformed, "m"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { web.WriteProblem(w, r, c.answer) }))
			defer server.Close()
			_, err := customersapi.NewRemote(server.URL, server.Client()).Customers(t.Context(), []string{"a", "b"})
			f := fault.As(err)
			require.NotNil(t, f, "%v", err)
			require.Equal(t, c.kind, f.Kind)
			require.Equal(t, c.code, f.Code)
			if want := fault.As(c.answer); want != nil {
				require.Equal(t, want.Message, f.Message)
				require.Equal(t, want.Fields, f.Fields)
			}
		})
	}
}

func TestWhatIsNoAnswerOfCustomersIsNone(t *testing.T) {
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	remote := customersapi.NewRemote(server.URL, server.Client())
	ask := func(ctx context.Context) fault.Kind {
		_, err := remote.Customers(ctx, []string{"a"})
		require.NotNil(t, fault.As(err), "%v", err)
		return fault.KindOf(err)
	}
	for _, body := range []string{"", "{}", "<html>", `{"id":"b"}`} {
		answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
		require.Equal(t, fault.Internal, ask(t.Context()), body)
	}
	answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	require.Equal(t, fault.Unavailable, ask(t.Context()))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, fault.Unavailable, ask(gone))
	server.Close()
	require.Equal(t, fault.Unavailable, ask(t.Context()))
}
