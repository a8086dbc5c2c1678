package asyncapi_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/asyncapi"
	"shop/internal/platform/asyncapi/asyncapitest"
	"shop/internal/platform/bus"
)

type sell struct {
	Reference string `json:"reference"`
}

func (sell) MessageType() bus.Type { return bus.NewCommand("stall", "thing.sell", 1) }
func (s sell) MessageKey() string  { return s.Reference }

type unsaid struct{ sell }

func (unsaid) MessageType() bus.Type { return bus.NewEvent("stall", "thing.unsaid", 1) }

func application(bus string, parties ...asyncapi.Party) asyncapi.Application {
	return asyncapi.Application{
		Title: "stalls", Version: "1", Description: "Who sells.", Bus: bus, Messages: messages, Parties: parties,
	}
}

var (
	messages = []bus.Message{bus.Describe[sell]("Sell a thing."), bus.Describe[sold]("A thing was sold.")}
	stall    = asyncapi.Party{Name: "stall", Sends: []bus.Type{sold{}.MessageType()}, Receives: []bus.Type{sell{}.MessageType()}}
	owner    = asyncapi.Party{Name: "owner", Sends: []bus.Type{sell{}.MessageType()}, Receives: []bus.Type{sold{}.MessageType()}}
)

// said is what the tests look at in a document.
type said struct {
	Servers    map[string]struct{ Host, Protocol string }
	Channels   map[string]struct{ Messages map[string]any }
	Operations map[string]struct {
		Action, Summary string
		Channel         ref
		Messages        []ref
	}
	Components struct{ Messages map[string]any }
}

type ref struct {
	To string `json:"$ref"`
}

func read(t *testing.T, a asyncapi.Application) said {
	t.Helper()
	text := asyncapi.Document(a)
	require.Equal(t, string(text), string(asyncapi.Document(a)))
	asyncapitest.Validate(t, text)
	var s said
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}

func TestADocumentSaysWhoSendsAndWhoReceives(t *testing.T) {
	d := read(t, application("nats://localhost:4222", stall, owner))
	require.Len(t, d.Channels, 2)
	require.Len(t, d.Operations, 4)
	require.Len(t, d.Components.Messages, 2)
	tells := d.Operations["stall.send.shop.stall.events"]
	require.Equal(t, "send", tells.Action)
	require.Equal(t, "#/channels/shop.stall.events", tells.Channel.To)
	require.Equal(t, []ref{{"#/channels/shop.stall.events/messages/shop.stall.thing.sold.v1"}}, tells.Messages)
	require.Equal(t, "stall tells what happened", tells.Summary)
	require.Equal(t, "owner hears what stall tells", d.Operations["owner.receive.shop.stall.events"].Summary)
	require.Equal(t, "owner tells stall what to do", d.Operations["owner.send.shop.stall.commands"].Summary)
	require.Equal(t, "stall does what it is told", d.Operations["stall.receive.shop.stall.commands"].Summary)
}

func TestADocumentLeavesOutWhatNobodyHereSendsOrReceives(t *testing.T) {
	d := read(t, application("memory:", asyncapi.Party{Name: "ear", Receives: []bus.Type{sold{}.MessageType()}}))
	require.Len(t, d.Channels, 1)
	require.Len(t, d.Operations, 1)
	require.Contains(t, d.Components.Messages, "shop.stall.thing.sold.v1")
	require.NotContains(t, d.Components.Messages, "shop.stall.thing.sell.v1")
	require.Empty(t, read(t, application("memory:")).Channels)
}

func TestAMessageThatNoLanguageListsIsADefect(t *testing.T) {
	require.PanicsWithValue(t, "asyncapi: no description of shop.stall.thing.unsaid.v1", func() {
		asyncapi.Document(application("memory:", asyncapi.Party{Name: "ear", Receives: []bus.Type{unsaid{}.MessageType()}}))
	})
}

func TestADocumentNamesBrokersAndNoSecrets(t *testing.T) {
	type server = struct{ Host, Protocol string }
	for url, want := range map[string]map[string]server{
		"memory:":                                     nil,
		"nats://localhost:4222":                       {"broker": {"localhost:4222", "nats"}},
		"tls://ann:secret@nats.example.org":           {"broker": {"nats.example.org", "nats"}},
		"kafka://a:9092,b:9092?sasl=secret":           {"broker": {"a:9092", "kafka"}, "broker-2": {"b:9092", "kafka"}},
		"amqp://ann:secret@[::1]:5672/shop":           {"broker": {"[::1]:5672", "amqp"}},
		"amqps://ann:secret%2C1234@mq.example.org":    {"broker": {"mq.example.org", "amqps"}},
		"nats://ann:secret@a:1,nats://ann:secret@b:2": {"broker": {"a:1", "nats"}},
		"nats://ann:secret":                           nil,
		"ftp://ann:secret@example.org":                nil,
	} {
		a := application(url, stall)
		require.NotContains(t, string(asyncapi.Document(a)), "secret", url)
		require.Equal(t, want, read(t, a).Servers, url)
	}
}
