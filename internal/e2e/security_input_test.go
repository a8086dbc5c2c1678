package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// openAPI is as much of the document as the attacks read.
type openAPI struct {
	Paths map[string]map[string]struct {
		Roles     []string `json:"x-roles"`
		Security  []map[string][]string
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref                  string `json:"$ref"`
	Properties           map[string]schema
	Items                *schema
	AdditionalProperties any
	OneOf                []schema
	Type                 any
}

// document is what the process that hosts the shop says of itself.
func (f *fortress) document(t *testing.T) (d openAPI) {
	t.Helper()
	a := f.behind.do("GET", "/openapi.json", nil)
	require.Equal(t, 200, a.Status)
	require.NoError(t, json.Unmarshal(a.Raw, &d))
	return d
}

// Every operation that the document names is tried by those it is not for, so that none can be forgotten. The bodies are nonsense: who may not ask is told so before they are
// looked at.
func (f *fortress) attackFunctions(t *testing.T) {
	fill := strings.NewReplacer("{id}", "ord_01jd3q6k9v8xw2n4t7ryz5abcd", "{sku}", "MUG", "{action}", "force", "{address_id}", "adr_01jd3q6k9v8xw2n4t7ryz5abcd")
	tried := 0
	for path, operations := range f.document(t).Paths {
		for method, op := range operations {
			method, path := strings.ToUpper(method), fill.Replace(path)
			require.NotContains(t, path, "{", "a parameter that this test does not know")
			if f.front != f.behind && strings.HasSuffix(path, "/details") {
				continue // see attackObjects
			}
			public := slices.ContainsFunc(op.Security, func(s map[string][]string) bool { return len(s) == 0 })
			if !public {
				tried++
				f.run(t, []attack{{name: "nobody: " + method + " " + path, method: method, path: path, body: "{{", want: 401, code: "unauthorized"}})
			}
			for who, role := range map[string]string{"bob": "customer", "robot": "service"} {
				if len(op.Roles) > 0 && !slices.Contains(op.Roles, role) {
					tried++
					f.run(t, []attack{{name: "a " + role + ": " + method + " " + path, who: who, method: method, path: path, body: "{{", want: 403, code: "forbidden"}})
				}
			}
		}
	}
	require.Greater(t, tried, 40)

	f.run(t, []attack{
		{name: "another method by header", who: "ann", method: "GET", path: "/v1/customers/ann", headers: []string{"X-HTTP-Method-Override", "DELETE", "X-Method-Override", "DELETE"}, want: 200},
		{name: "another method by query", who: "ann", method: "GET", path: "/v1/customers/ann?_method=DELETE", want: 200},
		{name: "and it still is there", who: "ann", method: "GET", path: "/v1/customers/ann", want: 200},
		{name: "a method that is not there", who: "staff", method: "DELETE", path: "/v1/orders/{order}", want: 405, code: "method_not_allowed"},
		{name: "a method that nobody knows", who: "staff", method: "PROPFIND", path: "/v1/orders", want: 405},
		{name: "OPTIONS", method: "OPTIONS", path: "/v1/orders", headers: []string{"Origin", "null", "Access-Control-Request-Method", "POST"}, want: 405},
		{name: "a null origin", who: "ann", method: "GET", path: "/v1/orders", headers: []string{"Origin", "null"}, want: 200},
		{name: "another origin", who: "ann", method: "GET", path: "/v1/orders", headers: []string{"Origin", "https://evil.example"}, want: 200},
		{name: "a user by header", method: "GET", path: "/v1/orders/{order}", headers: []string{"X-User-Id", "ann", "X-Forwarded-User", "ann", "X-Role", "operator", "X-Subject", "ann"}, want: 401},
		{name: "another user by header", who: "bob", method: "GET", path: "/v1/orders/{order}", headers: []string{"X-User-Id", "ann", "X-Role", "operator"}, want: 404},
		{name: "another address by header", who: "bob", method: "GET", path: "/v1/products", headers: []string{"X-Original-URL", "/v1/customers", "X-Rewrite-URL", "/v1/customers"}, want: 200},
		{name: "metrics", who: "staff", method: "GET", path: "/metrics", want: 404},
		{name: "pprof", who: "staff", method: "GET", path: "/debug/pprof/", want: 404},
		{name: "a goroutine dump", who: "staff", method: "GET", path: "/debug/pprof/goroutine?debug=2", want: 404},
		{name: "expvar", who: "staff", method: "GET", path: "/debug/vars", want: 404},
		{name: "what is internal", who: "staff", method: "GET", path: "/internal/orders", want: 404},
		{name: "a file of the data directory", who: "staff", method: "GET", path: "/data/development-key.pem", want: 404},
	})
}

// What decides about money and rights is not the sender's to say.
func (f *fortress) attackProperties(t *testing.T) {
	order := func(name string, change func(o map[string]any), want int, code string) attack {
		return attack{name: name, who: "ann", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", "p " + name}, body: orderText(change), want: want, code: code}
	}
	set := func(field string, value any) func(o map[string]any) {
		return func(o map[string]any) { o[field] = value }
	}
	item := func(field string, value any) func(o map[string]any) {
		return func(o map[string]any) { o["items"].([]map[string]any)[0][field] = value }
	}
	rename := func(from, to string) func(o map[string]any) {
		return func(o map[string]any) { o[to] = o[from]; delete(o, from) }
	}
	money := map[string]any{"amount": 1, "currency": "EUR"}
	text := func(name, body string, want int, code string) attack {
		return attack{name: name, who: "ann", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", "p " + name}, body: body, want: want, code: code}
	}
	whole := orderText(nil)
	before := f.count(t)
	f.run(t, []attack{
		order("a total", set("total", money), 422, "unknown_field"),
		order("a status", set("status", "confirmed"), 422, "unknown_field"),
		order("a payment status", set("payment_status", "captured"), 422, "unknown_field"),
		order("an id", set("id", "ord_01jd3q6k9v8xw2n4t7ryz5abcd"), 422, "unknown_field"),
		order("an owner", set("owner", "bob"), 422, "unknown_field"),
		order("a role", set("role", "operator"), 422, "unknown_field"),
		order("a version", set("version", 9), 422, "unknown_field"),
		order("a price of a line", item("unit_price", money), 422, "unknown_field"),
		order("a price under its short name", item("price", 1), 422, "unknown_field"),
		order("a discount", item("discount", 100), 422, "unknown_field"),
		order("another's id", set("customer_id", "bob"), 422, "foreign_customer"),
		order("a prototype", set("__proto__", map[string]any{"role": "operator"}), 422, "unknown_field"),
		order("another case", rename("items", "Items"), 422, "unknown_field"),
		order("another case of a small field", rename("payment_method", "PAYMENT_METHOD"), 422, "unknown_field"),
		order("no lines", set("items", []any{}), 422, "invalid_input"),
		order("lines that are no list", set("items", "MUG"), 422, "invalid_input"),
		order("null", set("items", nil), 422, "invalid_input"),
		order("a method that is a list", set("payment_method", []string{"pm_test_ok"}), 422, "invalid_input"),
		order("a country that is none", set("shipping_address", map[string]any{"name": "A", "line1": "1", "city": "X", "country": "Nowhere"}), 422, "invalid_input"),
		text("a key twice", strings.Replace(whole, `"payment_method"`, `"payment_method":"pm_test_declined","payment_method"`, 1), 400, "duplicate_key"),
		text("a key twice, once escaped", strings.Replace(whole, `"payment_method"`, `"payment_\u006dethod":"pm_test_declined","payment_method"`, 1), 400, "duplicate_key"),
		text("more after the end", whole+`{"items":[]}`, 400, "malformed_json"),
		text("a comma too many", strings.Replace(whole, "}", ",}", 1), 400, "malformed_json"),
		text("a comment", "/* */"+whole, 400, "malformed_json"),
		text("a byte order mark", "\ufeff"+whole, 400, "malformed_json"),
		text("a list", "["+whole+"]", 422, "invalid_input"),
		text("nothing", "", 400, "body_required"),
		text("half of it", whole[:len(whole)/2], 400, "malformed_json"),
		{name: "a role in a profile", who: "ann", method: "PATCH", path: "/v1/customers/ann", body: `{"role":"operator"}`, want: 422, code: "unknown_field"},
		{name: "another id in a profile", who: "ann", method: "PATCH", path: "/v1/customers/ann", body: `{"id":"bob"}`, want: 422, code: "unknown_field"},
		{name: "a profile for another", who: "bob", method: "POST", path: "/v1/customers", body: `{"id":"ann2","name":"B","email":"b@example.org"}`, want: 422},
		{name: "a refund with a status", who: "staff", method: "POST", path: "/v1/payments/{payment}/refunds", headers: []string{"Idempotency-Key", "p1"}, body: `{"amount":1,"status":"succeeded"}`, want: 422},
		{name: "a product with a version", who: "staff", method: "PUT", path: "/v1/products/MUG2", body: `{"name":"M","price":{"amount":1,"currency":"EUR"},"version":7}`, want: 422},
		{name: "no key where there must be one", who: "ann", method: "POST", path: "/v1/orders", body: whole, want: 400, code: "idempotency_key_missing"},
		{name: "a key that is too long", who: "ann", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", strings.Repeat("k", 256)}, body: whole, want: 400, code: "idempotency_key_invalid"},
	})
	require.Equal(t, before, f.count(t), "none of this became an order")

	t.Run("answers have no field that the document does not name", func(t *testing.T) {
		d := f.document(t)
		for path, pattern := range map[string]string{
			"/v1/orders/{order}": "/v1/orders/{id}", "/v1/orders": "", "/v1/orders/{order}/saga": "/v1/orders/{id}/saga", "/v1/orders/{order}/events": "/v1/orders/{id}/events",
			"/v1/payments/{payment}": "/v1/payments/{id}", "/v1/payments?order_id={order}": "/v1/payments", "/v1/shipments/{shipment}": "/v1/shipments/{id}",
			"/v1/customers/ann": "/v1/customers/{id}", "/v1/customers": "", "/v1/products/MUG": "/v1/products/{sku}", "/v1/products": "", "/v1/inventory/MUG": "/v1/inventory/{sku}",
			"/v1/notifications": "",
		} {
			if pattern == "" {
				pattern = path
			}
			if f.front != f.behind && strings.HasPrefix(path, "/v1/products/") {
				continue // this process has products of its own, and not this one
			}
			for _, who := range []string{"staff", "ann"} {
				a := f.send(t, attack{who: who, method: "GET", path: path})
				if who == "ann" && a.Status == 403 {
					continue
				}
				require.Equal(t, 200, a.Status, "%s: %s", path, a.Raw)
				s := d.Paths[pattern]["get"].Responses["200"].Content["application/json"].Schema
				require.Empty(t, d.undocumented(s, a.Body, ""), path)
			}
		}
	})
}

// undocumented are the paths to what the schema does not name.
func (d openAPI) undocumented(s schema, value any, at string) (found []string) {
	if s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	switch v := value.(type) {
	case map[string]any:
		if s.Properties == nil && (s.AdditionalProperties != nil || s.Type == nil) {
			return nil // keys of the client, or any JSON
		}
		for name, field := range v {
			property, ok := s.Properties[name]
			if !ok && name != "$schema" {
				found = append(found, at+"."+name)
				continue
			}
			found = append(found, d.undocumented(property, field, at+"."+name)...)
		}
	case []any:
		for _, element := range v {
			if s.Items != nil {
				found = append(found, d.undocumented(*s.Items, element, at+"[]")...)
			}
		}
	}
	return found
}

// count is how many orders there are.
func (f *fortress) count(t *testing.T) int {
	a := f.send(t, attack{who: "staff", method: "GET", path: "/v1/orders?limit=200"})
	require.Equal(t, 200, a.Status)
	require.Equal(t, false, a.Body["has_more"])
	return len(a.Body["data"].([]any))
}

func (f *fortress) attackResources(t *testing.T) {
	post := func(name, body string, want int, code string, headers ...string) attack {
		return attack{name: name, who: "ann", method: "POST", path: "/v1/orders", body: body, want: want, code: code, headers: append([]string{"Idempotency-Key", "r " + name}, headers...)}
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write(make([]byte, 100<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	nested := func(depth int) string {
		return `{"items":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
	}
	list := func(query string) attack {
		return attack{name: "a list of " + query, who: "ann", method: "GET", path: "/v1/orders?" + query, want: 422, code: "invalid_input"}
	}
	f.run(t, []attack{
		post("a body over 1 MiB", `{"x":"`+strings.Repeat("x", 1<<20)+`"}`, 413, "body_too_large"),
		post("a body of 1 MiB", `{"x":"`+strings.Repeat("x", 1<<20-8)+`"}`, 422, "unknown_field"),
		post("depth 33", nested(32), 400, "too_deep"),
		post("depth 10,000", nested(10_000), 400, "too_deep"),
		post("100,000 lines", `{"items":[`+strings.Repeat("{},", 99_999)+`{}]}`, 422, "invalid_input"),
		post("100,000 fields", `{`+manyFields(100_000)+`}`, 413, ""),
		post("10,000 fields", `{`+manyFields(10_000)+`}`, 422, "unknown_field"),
		post("a number with 100,000 digits", `{"items":[{"sku":"MUG","quantity":1`+strings.Repeat("0", 100_000)+`}]}`, 422, "invalid_input"),
		post("a gzip bomb", bomb.String(), 415, "unsupported_encoding", "Content-Encoding", "gzip"),
		post("gzip that is not said to be", bomb.String()[:1000], 400, "malformed_json"),
		post("a form", "items=1", 415, "unsupported_media_type", "Content-Type", "application/x-www-form-urlencoded"),
		post("text", "{}", 415, "unsupported_media_type", "Content-Type", "text/plain"),
		post("XML", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>", 415, "unsupported_media_type", "Content-Type", "application/xml"),
		list("limit=1000000000"), list("limit=201"), list("limit=0"), list("limit=-1"), list("limit=99999999999999999999"), list("limit=1e2"), list("limit=ten"),
		{name: "a cursor that is too long", who: "ann", method: "GET", path: "/v1/orders?after=" + strings.Repeat("A", 513), want: 422},
		{name: "a long address", who: "ann", method: "GET", path: "/v1/products?q=" + strings.Repeat("a", 20_000), want: 422},
		{name: "many SKUs", who: "ann", method: "GET", path: "/v1/products?" + strings.Repeat("sku=a&", 5_000), want: 422},
		{name: "many SKUs of the stock", who: "ann", method: "GET", path: "/v1/inventory?" + strings.Repeat("sku=a&", 5_000), want: 422},
		{name: "an endless wait", who: "ann", method: "GET", path: "/v1/orders", headers: []string{"Prefer", "wait=999999999999"}, want: 200},
	})
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"field` + strconv.Itoa(i) + `":1`)
	}
	return b.String()
}
