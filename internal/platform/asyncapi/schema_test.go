package asyncapi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/asyncapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/money"
)

type About struct {
	Reference string `json:"reference" minLength:"1"`
	Note      string `json:"note,omitempty"`
}

type part struct {
	SKU      string `json:"sku" pattern:"^[A-Z]+$"`
	Quantity int64  `json:"quantity" minimum:"1" doc:"Units"`
}

type sold struct {
	About
	Why    string            `json:"why" enum:"asked,lost"`
	Total  money.Money       `json:"total" doc:"With tax"`
	Refund *money.Money      `json:"refund,omitempty"`
	Parts  []part            `json:"parts" maxItems:"3"`
	At     time.Time         `json:"at"`
	Ended  *time.Time        `json:"ended,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Back   money.Money       `json:"back,omitzero"`
	hidden string
}

func (sold) MessageType() bus.Type { return bus.NewEvent("stall", "thing.sold", 1) }
func (s sold) MessageKey() string  { return s.Reference + s.hidden }

func TestASchemaSaysWhatTheStructSays(t *testing.T) {
	text, err := json.Marshal(asyncapi.MessageSchema(bus.Describe[sold]("A thing was sold.")))
	require.NoError(t, err)
	const money = `{"type":"object","required":["amount","currency"],"properties":{
		"amount":{"type":"integer","format":"int64","description":"Amount in minor units (cents)","examples":[1999]},
		"currency":{"type":"string","pattern":"^([A-Z]{3})?$","description":"ISO 4217 code; empty only with the amount 0","examples":["EUR"]}}`
	require.JSONEq(t, `{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id": "urn:shop:message:shop.stall.thing.sold.v1",
		"title": "sold", "description": "A thing was sold.",
		"x-kind": "event", "x-topic": "shop.stall.events", "x-key": "reference",
		"type": "object",
		"required": ["at", "parts", "reference", "total", "why"],
		"properties": {
			"reference": {"type": "string", "minLength": 1},
			"note": {"type": "string"},
			"why": {"type": "string", "enum": ["asked", "lost"]},
			"total": `+money+`, "description": "With tax"},
			"refund": `+money+`},
			"back": `+money+`},
			"parts": {"type": "array", "maxItems": 3, "items": {"type": "object", "required": ["quantity", "sku"], "properties": {
				"sku": {"type": "string", "pattern": "^[A-Z]+$"},
				"quantity": {"type": "integer", "format": "int64", "minimum": 1, "description": "Units"}}}},
			"at": {"type": "string", "format": "date-time"},
			"ended": {"type": "string", "format": "date-time"},
			"labels": {"type": "object", "additionalProperties": {"type": "string"}}
		}
	}`, string(text))
}
