package e2e

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is another's is answered exactly as what does not exist.
func (f *fortress) attackObjects(t *testing.T) {
	const missing = "/01jd3q6k9v8xw2n4t7ryz5abcd"
	for _, path := range []string{
		"/v1/orders/{order}", "/v1/orders/{order}?as_of=2100-01-01T00:00:00Z", "/v1/orders/{order}/events", "/v2/orders/{order}", "/v1/orders/{order}/details",
		"/v1/payments/{payment}", "/v1/payments/{payment}/refunds", "/v1/shipments/{shipment}", "/v1/customers/ann", "/v1/customers/ann/addresses",
	} {
		if f.front != f.behind && path == "/v1/orders/{order}/details" {
			continue // the process that is asked puts details together only when it hosts orders; it leads to the one that does, which is asked alone above
		}
		f.run(t, []attack{
			{name: "its owner reads " + path, who: "ann", method: "GET", path: path, want: 200},
			{name: "the shop's staff reads " + path, who: "staff", method: "GET", path: path, want: 200},
			{name: "another reads " + path, who: "bob", method: "GET", path: path, want: 404},
			{name: "another asks whether it changed " + path, who: "bob", method: "GET", path: path, headers: []string{"If-None-Match", `"1"`}, want: 404},
			{name: "nobody reads " + path, method: "GET", path: path, want: 401, code: "unauthorized"},
			{name: "one who calls himself a guest reads " + path, who: "guest", method: "GET", path: path, want: 401, code: "invalid_token"},
		})
	}

	none := func(t *testing.T, a answer) { require.Empty(t, a.Body["data"], string(a.Raw)) }
	f.run(t, []attack{
		{name: "another lists", who: "bob", method: "GET", path: "/v1/orders", want: 200, check: none},
		{name: "another lists the owner's", who: "bob", method: "GET", path: "/v1/orders?customer_id=ann", want: 200, check: none},
		{name: "another lists both's", who: "bob", method: "GET", path: "/v1/orders?customer_id=bob&customer_id=ann", want: 200, check: none},
		{name: "another lists the payments", who: "bob", method: "GET", path: "/v1/payments?order_id={order}", want: 200, check: none},
		{name: "another lists the shipments", who: "bob", method: "GET", path: "/v1/shipments?order_id={order}", want: 200, check: none},
		{name: "another lists all payments", who: "bob", method: "GET", path: "/v1/payments", want: 422},
		{name: "another cancels", who: "bob", method: "POST", path: "/v1/orders/{order}/cancel", body: `{}`, want: 404},
		{name: "another changes the profile", who: "bob", method: "PATCH", path: "/v1/customers/ann", body: `{"email":"bob@example.org"}`, want: 404},
		{name: "another adds an address", who: "bob", method: "POST", path: "/v1/customers/ann/addresses",
			body: `{"name":"B","line1":"1","city":"X","country":"GB"}`, want: 404},
		{name: "another erases", who: "bob", method: "DELETE", path: "/v1/customers/ann", want: 404},
		{name: "another orders in the owner's name", who: "bob", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", "in-anns-name"},
			body: orderText(func(o map[string]any) { o["customer_id"] = "ann" }), want: 422, code: "foreign_customer"},
		{name: "another's key is another key", who: "bob", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", "secret-basket"},
			body: orderText(nil), want: 201, check: func(t *testing.T, a answer) {
				require.NotEqual(t, f.order, a.Body["id"])
				require.Equal(t, "bob", a.Body["customer_id"])
			}},
		{name: "a key of the owner's shows the owner nothing new", who: "ann", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", "secret-basket"},
			body: orderText(nil), want: 422, code: "idempotency_key_reused"},
	})

	t.Run("not even the words differ", func(t *testing.T) {
		for path, nothing := range map[string]string{
			"/v1/orders/{order}": "/v1/orders/ord_" + missing[1:], "/v1/payments/{payment}": "/v1/payments/pay_" + missing[1:], "/v1/shipments/{shipment}": "/v1/shipments/shp_" + missing[1:],
			"/v1/customers/ann": "/v1/customers/nobody",
		} {
			hidden := f.send(t, attack{who: "bob", method: "GET", path: path})
			absent := f.send(t, attack{who: "bob", method: "GET", path: nothing})
			for _, a := range []answer{hidden, absent} {
				require.Equal(t, 404, a.Status, string(a.Raw))
				delete(a.Body, "trace_id")
				delete(a.Body, "instance")
			}
			require.Equal(t, absent.Body, hidden.Body)
		}
	})
}

// orderText is an order of one mug, changed.
func orderText(change func(o map[string]any)) string {
	o := own("pm_test_ok", "MUG", 1)
	if change != nil {
		change(o)
	}
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // the test's own mistake
	}
	return string(b)
}
