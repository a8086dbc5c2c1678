package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shop/internal/customers/customersapi"
	"shop/internal/gateway"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/resilience"
)

func TestACustomerWhoseProfileIsElsewhereIsAskedForWithTheCallersToken(t *testing.T) {
	status, asked := http.StatusOK, 0
	at := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		assert.Equal(t, "/v1/customers/cus_ann", r.URL.Path)
		assert.Equal(t, "Bearer of-ann", r.Header.Get("Authorization"))
		assert.Regexp(t, "^00-4bf92f3577b34da6a3ce929d0e0e4736-", r.Header.Get("Traceparent"))
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(customersapi.Customer{ID: "cus_ann", Name: "Ann", Addresses: []customersapi.Address{}})
	})
	base, err := url.Parse(at)
	require.NoError(t, err)
	guards := resilience.NewGuards(resilience.Default(), nil)
	defer guards.Close()
	needs := newShop().needs()
	needs.Customers = customersapi.NewRemote(guards.Caller("customers", base, resilience.CallerOptions{Authorization: gateway.OnBehalf}))
	e := open(t, needs, authtest.Trust, gateway.Remember)
	details := func() map[string]any {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/v1/orders/"+annsOrder+"/details", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer of-ann")
		r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		res, err := e.Client().Do(authtest.As(r, ann))
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		var body map[string]any
		require.NoError(t, json.NewDecoder(res.Body).Decode(&body))
		return body
	}
	status = http.StatusServiceUnavailable
	require.Equal(t, []any{"customer"}, details()["unavailable"])
	status = http.StatusOK
	require.Equal(t, "Ann", details()["customer"].(map[string]any)["name"], "that it failed is not kept")
	require.Equal(t, "Ann", details()["customer"].(map[string]any)["name"])
	require.Equal(t, 3, asked, "after the 503 it was asked once more; then it is kept")
}
