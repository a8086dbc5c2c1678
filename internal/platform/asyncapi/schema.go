package asyncapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"shop/internal/platform/bus"
	"shop/internal/platform/money"
)

// tree is JSON.
type tree = map[string]any

// MessageSchema is the JSON Schema (2020-12) of a message's body, whole in itself. Beside what is standard it names the key, the topic and the kind of the message, which are
// as much a part of what was promised as the fields are.
func MessageSchema(m bus.Message) map[string]any {
	s := bodySchema(m.Body)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = "urn:shop:message:" + m.Type.String()
	s["title"] = m.Body.Name()
	s["description"] = m.About
	s["x-kind"] = strings.TrimSuffix(string(m.Type.Kind), "s")
	s["x-topic"] = m.Type.Topic()
	s["x-key"] = m.Key
	return s
}

// amount is what money.Money is in a message, where an amount of nothing may have no currency.
type amount struct {
	Amount   int64  `json:"amount" doc:"Amount in minor units (cents)" example:"1999"`
	Currency string `json:"currency" doc:"ISO 4217 code; empty only with the amount 0" pattern:"^([A-Z]{3})?$" example:"EUR"`
}

// bodySchema reads a struct with its tags (json, doc, enum, pattern, …) as the OpenAPI documents do. A field is required unless it is left out when empty. Fields that are not
// named are allowed: the next version of the program may send them.
func bodySchema(t reflect.Type) tree {
	const prefix = "#/"
	registry := huma.NewMapRegistry(prefix, func(t reflect.Type, _ string) string {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		return t.PkgPath() + "." + t.Name()
	})
	registry.RegisterTypeAlias(reflect.TypeFor[money.Money](), reflect.TypeFor[amount]())
	encode := func(s *huma.Schema) tree {
		text, err := json.Marshal(s)
		if err != nil { // an example that has no JSON form: a defect in a tag
			panic(fmt.Sprintf("asyncapi: the schema of %v: %v", t, err))
		}
		var encoded tree
		_ = json.Unmarshal(text, &encoded) // it was encoded just now
		return encoded
	}
	return standAlone(encode(huma.SchemaFromType(registry, t)), func(ref string) tree { return encode(registry.SchemaFromRef(ref)) }).(tree)
}

// standAlone puts what is referred to in place of the reference, opens objects to fields that are not known yet, and makes of nullable what JSON Schema calls so.
func standAlone(v any, resolve func(ref string) tree) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = standAlone(v[i], resolve)
		}
	case tree:
		if ref, ok := v["$ref"].(string); ok {
			target := resolve(ref)
			delete(v, "$ref")
			for name, value := range v { // what the field says of itself, such as its description
				target[name] = value
			}
			return standAlone(target, resolve)
		}
		if v["additionalProperties"] == false {
			delete(v, "additionalProperties")
		}
		if types, ok := v["type"].([]any); ok && len(types) == 2 && types[0] == "array" {
			v["type"] = types[0] // an empty list is [] in every message, whatever this process says of its answers
		}
		if required, ok := v["required"].([]any); ok { // in an order that moving a field does not change
			slices.SortFunc(required, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
		for name := range v {
			v[name] = standAlone(v[name], resolve)
		}
	}
	return v
}
