package orders

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/web"
)

// as is a request of a customer, with more headers.
func (s *shop) as(customer, method, path string, body any, headers ...string) reply {
	s.t.Helper()
	return s.call(method, path, body, append(authtest.AsCustomer(customer), headers...)...)
}

// placeAs orders a basket as its customer, who does not say who they are.
func (s *shop) placeAs(customer, key string) orderBody {
	s.t.Helper()
	own := with(func(b *placeBody) { b.CustomerID = "" })
	return s.as(customer, http.MethodPost, "/v1/orders", own, "Idempotency-Key", key).is(http.StatusCreated).order()
}

func TestACustomerDoesNotSeeAnothersOrder(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		o := s.placeAs("ann", freshKey())
		nowhere := newID(t.Context())
		for _, path := range []string{"/v1/orders/ID", "/v1/orders/ID?as_of=2096-01-01T00:00:00Z", "/v1/orders/ID/events"} {
			s.as("ann", http.MethodGet, strings.Replace(path, "ID", o.ID, 1), nil).is(http.StatusOK)
			others := s.as("bob", http.MethodGet, strings.Replace(path, "ID", o.ID, 1), nil, "If-None-Match", web.ETag(o.Version))
			others.refused(http.StatusNotFound, "order_not_found")
			missing := s.as("bob", http.MethodGet, strings.Replace(path, "ID", nowhere, 1), nil)
			require.Equal(t, as[web.Problem](missing).Detail, as[web.Problem](others).Detail, "as if missing")
			require.Empty(t, others.header.Get("ETag"))
		}
		s.call(http.MethodGet, "/v1/orders/"+o.ID, nil, authtest.AsService()...).is(http.StatusOK)
		s.as("bob", http.MethodPost, "/v1/orders/"+o.ID+"/cancel", `{}`).refused(http.StatusNotFound, "order_not_found")
		require.Equal(t, []string{"order.placed"}, s.history(o.ID), "it goes on")
		s.as("ann", http.MethodPost, "/v1/orders/"+o.ID+"/cancel", `{}`).is(http.StatusAccepted)
		require.Contains(t, string(s.get("/v1/orders/"+o.ID+"/events").body), `"by":"customer"`)
	})
}

func TestACustomersListHasTheirOwnOrdersOnly(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		mine, theirs := s.placeAs("ann", freshKey()).ID, s.placeAs("bob", freshKey()).ID
		ids := func(query string, headers ...string) []string {
			found := []string{}
			for _, o := range as[web.Page[listItem]](s.get("/v1/orders"+query, headers...).is(http.StatusOK)).Data {
				found = append(found, o.ID)
			}
			return found
		}
		require.Equal(t, []string{mine}, ids("", authtest.AsCustomer("ann")...))
		require.Equal(t, []string{mine}, ids("?customer_id=ann", authtest.AsCustomer("ann")...))
		require.Empty(t, ids("?customer_id=bob", authtest.AsCustomer("ann")...))
		require.Empty(t, ids("?customer_id=guest", authtest.AsCustomer("guest")...))
		require.Equal(t, []string{theirs, mine}, ids(""))
		require.Equal(t, []string{theirs, mine}, ids("", authtest.AsService()...))
		require.Equal(t, []string{theirs}, ids("?customer_id=bob"))
	})
}

func TestACustomerOrdersForThemselves(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		inTheNameOf := func(customer string) placeBody { return with(func(b *placeBody) { b.CustomerID = customer }) }
		for _, foreign := range []string{"bob", "guest", "Ann"} {
			r := s.as("ann", http.MethodPost, "/v1/orders", inTheNameOf(foreign), "Idempotency-Key", freshKey())
			r.refused(http.StatusUnprocessableEntity, "foreign_customer")
			require.Equal(t, "body.customer_id", as[web.Problem](r).Errors[0].Location)
		}
		require.Empty(t, as[web.Page[listItem]](s.get("/v1/orders")).Data, "nothing is stored")

		key := freshKey()
		o := s.placeAs("auth0|4711~a=b+c@example.org", key)
		require.Equal(t, "auth0|4711~a=b+c@example.org", o.CustomerID)
		named := s.as(o.CustomerID, http.MethodPost, "/v1/orders", inTheNameOf(o.CustomerID), "Idempotency-Key", key).is(http.StatusCreated)
		require.Equal(t, o.ID, named.order().ID, "to say it is to say nothing new")
		require.Len(t, as[web.Page[listItem]](s.get("/v1/orders?customer_id="+url.QueryEscape(o.CustomerID))).Data, 1)

		long := strings.Repeat("x", 255)
		require.Equal(t, long, s.placeAs(long, freshKey()).CustomerID)
		s.as("ann", http.MethodPost, "/v1/orders", inTheNameOf(long+"x"), "Idempotency-Key", freshKey()).refused(http.StatusUnprocessableEntity, "invalid_input")
		service := s.call(http.MethodPost, "/v1/orders", inTheNameOf("ann"), append(authtest.AsService(), "Idempotency-Key", freshKey())...)
		require.Equal(t, "ann", service.is(http.StatusCreated).order().CustomerID)
	})
}

func TestAnotherCustomersIdempotencyKeyIsAnotherKey(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		key := freshKey()
		first, second := s.placeAs("ann", key), s.placeAs("bob", key)
		require.NotEqual(t, first.ID, second.ID)
		require.Equal(t, "bob", second.CustomerID)
		require.Equal(t, first.ID, s.placeAs("ann", key).ID)
	})
}

func TestTheProcessOfAnOrderIsForOperators(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		id := s.placeAs("ann", freshKey()).ID
		for _, headers := range [][]string{authtest.AsCustomer("ann"), authtest.AsService()} {
			s.get("/v1/orders/"+id+"/saga", headers...).refused(http.StatusForbidden, "forbidden")
			s.call(http.MethodPost, "/v1/orders/"+id+"/saga/force", `not even JSON`, headers...).refused(http.StatusForbidden, "forbidden")
		}
		for _, path := range []string{"/v1/orders", "/v1/orders/" + id, "/v1/orders/" + id + "/events", "/v1/orders/" + id + "/saga"} {
			s.get(path, authtest.AsNobody()...).refused(http.StatusUnauthorized, "unauthorized")
		}
		s.call(http.MethodPost, "/v1/orders", basket(), append(authtest.AsNobody(), "Idempotency-Key", freshKey())...).refused(http.StatusUnauthorized, "unauthorized")
	})
}

func TestNobodyOwnsAGuestsOrder(t *testing.T) {
	require.NoError(t, mayAct(auth.Principal{Role: auth.Operator, Subject: "x"}, auth.Guest))
	for _, p := range []auth.Principal{{}, {Role: auth.Customer}, {Role: auth.Customer, Subject: auth.Guest}, {Role: "owner", Subject: auth.Guest}} {
		require.ErrorIs(t, mayAct(p, auth.Guest), ErrNotFound)
		require.ErrorIs(t, mayAct(p, ""), ErrNotFound)
	}
}
