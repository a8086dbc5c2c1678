package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// document is an OpenAPI document that a test changes.
type document tree

func (d document) at(keys ...string) tree {
	v := tree(d)
	for _, k := range keys {
		v = v[k].(tree)
	}
	return v
}

func (d document) operation(path, method string) tree { return d.at("paths", path, method) }
func (d document) schema(name string) tree            { return d.at("components", "schemas", name) }
func (d document) field(schema, field string) tree {
	return d.schema(schema)["properties"].(tree)[field].(tree)
}

func (d document) parameter(path, method, name string) tree {
	parameters := d.operation(path, method)["parameters"].([]any)
	return parameters[slices.IndexFunc(parameters, func(p any) bool { return p.(tree)["name"] == name })].(tree)
}

func (d document) require(schema, field string) {
	s := d.schema(schema)
	s["required"] = append(s["required"].([]any), field)
}

func (d document) relax(schema, field string) {
	s := d.schema(schema)
	s["required"] = slices.DeleteFunc(s["required"].([]any), func(f any) bool { return f == field })
}

// published is what the tests need of the first version.
func published(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../api/openapi-v1.json")
	require.NoError(t, err)
	var d tree
	require.NoError(t, json.Unmarshal(b, &d))
	needed := []string{"/v1/orders", "/v1/orders/{id}", "/v1/products", "/v1/products/batch", "/v1/customers"}
	maps.DeleteFunc(d["paths"].(tree), func(path string, _ any) bool { return !slices.Contains(needed, path) })
	return indented(t, ofVersion(d, "v1"))
}

func changed(t *testing.T, change func(d document)) []byte {
	t.Helper()
	var d document
	require.NoError(t, json.Unmarshal(published(t), &d))
	change(d)
	return indented(t, d)
}

func TestEachWayToBreakAClientIsNoticed(t *testing.T) {
	const orders, order = "/v1/orders", "/v1/orders/{id}"
	for name, change := range map[string]func(d document){
		"an address is gone":   func(d document) { delete(d.at("paths"), orders) },
		"an operation is gone": func(d document) { delete(d.at("paths", orders), "post") },
		"an answer lacks a field": func(d document) {
			delete(d.schema("OrderBody")["properties"].(tree), "total")
			d.relax("OrderBody", "total")
		},
		"an answer lacks an optional field":     func(d document) { delete(d.schema("OrderBody")["properties"].(tree), "email") },
		"a field of an answer may be missing":   func(d document) { d.relax("OrderBody", "total") },
		"a field of an answer may be null":      func(d document) { d.field("OrderBody", "version")["type"] = []any{"integer", "null"} },
		"a field of an answer has another type": func(d document) { d.field("OrderBody", "version")["type"] = "string" },
		"an answer says something new":          func(d document) { s := d.field("OrderBody", "status"); s["enum"] = append(s["enum"].([]any), "lost") },
		"a request needs a field":               func(d document) { d.require("OrderPlaceBody", "email") },
		"a request loses a field":               func(d document) { delete(d.schema("OrderPlaceBody")["properties"].(tree), "metadata") },
		"a request may have fewer lines":        func(d document) { d.field("OrderPlaceBody", "items")["maxItems"] = 10 },
		"a request may have a shorter text":     func(d document) { d.field("OrderPlaceBody", "payment_method")["maxLength"] = 10 },
		"a request's text has another pattern":  func(d document) { d.field("OrderItemBody", "sku")["pattern"] = "^[a-z]+$" },
		"a request's number is narrower":        func(d document) { d.field("OrderItemBody", "quantity")["maximum"] = 10 },
		"a parameter is gone":                   func(d document) { o := d.operation(orders, "get"); o["parameters"] = o["parameters"].([]any)[1:] },
		"a parameter is needed": func(d document) {
			o := d.operation(orders, "get")
			o["parameters"] = append(o["parameters"].([]any), tree{"name": "shop", "in": "query", "required": true, "schema": tree{"type": "string"}})
		},
		"a parameter knows a value less": func(d document) {
			s := d.parameter(orders, "get", "status")["schema"].(tree)
			s["enum"] = s["enum"].([]any)[1:]
		},
		"a parameter has another default": func(d document) { d.parameter(orders, "get", "limit")["schema"].(tree)["default"] = 10 },
		"a parameter has a smaller limit": func(d document) { d.parameter(orders, "get", "limit")["schema"].(tree)["maximum"] = 100 },
		"an id has another pattern":       func(d document) { d.parameter(order, "get", "id")["schema"].(tree)["pattern"] = "^[0-9]+$" },
		"success has another status": func(d document) {
			r := d.operation(orders, "post")["responses"].(tree)
			r["202"] = r["201"]
			delete(r, "201")
		},
		"an answer lacks a header":    func(d document) { delete(d.operation(order, "get")["responses"].(tree)["200"].(tree), "headers") },
		"a token is needed":           func(d document) { d.operation("/v1/products", "get")["security"] = []any{tree{"bearer": []any{}}} },
		"it is not for one role more": func(d document) { o := d.operation("/v1/customers", "get"); o["x-roles"] = []any{"operator"} },
		"it is for one role only":     func(d document) { d.operation(orders, "get")["x-roles"] = []any{"operator"} },
	} {
		t.Run(name, func(t *testing.T) { require.NotEmpty(t, breaks(t, published(t), changed(t, change))) })
	}
}

func TestWhatOnlyAddsIsNoBreak(t *testing.T) {
	for name, change := range map[string]func(d document){
		"nothing":                    func(document) {},
		"an answer has a field more": func(d document) { d.schema("OrderBody")["properties"].(tree)["weight"] = tree{"type": "integer"} },
		"a request may have a field more": func(d document) {
			d.schema("OrderPlaceBody")["properties"].(tree)["gift"] = tree{"type": "boolean"}
		},
		"a request need not have a field": func(d document) { d.relax("OrderPlaceBody", "payment_method") },
		"a request may be longer":         func(d document) { d.field("OrderPlaceBody", "items")["maxItems"] = 5000 },
		"an operation more":               func(d document) { d.at("paths")["/v1/gifts"] = tree{"get": d.operation("/v1/products", "get")} },
		"other words":                     func(d document) { d.operation("/v1/orders", "get")["summary"] = "All orders" },
		"no token is needed": func(d document) {
			d.operation("/v1/orders", "get")["security"] = []any{tree{}, tree{"bearer": []any{}}}
		},
		"it is for one role more":    func(d document) { d.operation("/v1/products/batch", "post")["x-roles"] = []any{"operator", "service"} },
		"an operation is deprecated": func(d document) { d.operation("/v1/orders", "get")["deprecated"] = true },
		"a parameter more": func(d document) {
			o := d.operation("/v1/orders", "get")
			o["parameters"] = append(o["parameters"].([]any), tree{"name": "shop", "in": "query", "schema": tree{"type": "string"}})
		},
	} {
		t.Run(name, func(t *testing.T) { require.Empty(t, breaks(t, published(t), changed(t, change))) })
	}
}
