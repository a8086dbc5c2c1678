package asyncapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"shop/internal/platform/bus"
)

// Party is one who sends and receives: a context. What it sends and receives are types of Application.Messages.
type Party struct {
	Name     string // also that of its consumer group
	Sends    []bus.Type
	Receives []bus.Type
}

// Application is what a document describes: the parties of one process, and the messages that they may exchange with each other and with those elsewhere.
type Application struct {
	Title, Version, Description string
	Bus                         string // URL of what carries the messages; secrets in it stay out of the document
	Messages                    []bus.Message
	Parties                     []Party
}

// Document is the application as an AsyncAPI 3.0.0 document, in JSON: a channel for each topic that a party uses, with the messages that a party sends or receives there, and an
// operation for each party, topic and direction. It is the same, byte for byte, for the same application.
func Document(a Application) []byte {
	d := document{channels: tree{}, operations: tree{}, messages: tree{}, known: map[string]bus.Message{}}
	for _, m := range a.Messages {
		d.known[m.Type.String()] = m
	}
	for _, p := range a.Parties {
		d.operate(p.Name, "send", p.Sends)
		d.operate(p.Name, "receive", p.Receives)
	}
	all := tree{
		"asyncapi":           "3.0.0",
		"info":               tree{"title": a.Title, "version": a.Version, "description": a.Description},
		"defaultContentType": "application/json",
		"channels":           d.channels,
		"operations":         d.operations,
		"components":         tree{"messages": d.messages, "schemas": tree{"attributes": attributes()}},
	}
	if servers := serversOf(a.Bus); len(servers) > 0 {
		all["servers"] = servers
	}
	text, err := json.Marshal(all)
	if err != nil { // all of it came from JSON, or is text
		panic(fmt.Sprintf("asyncapi: %v", err))
	}
	return text
}

// document is one that is being written.
type document struct {
	channels, operations, messages tree
	known                          map[string]bus.Message
}

// operate adds what a party does in one direction: an operation for each topic.
func (d document) operate(party, action string, types []bus.Type) {
	topics := map[string][]bus.Type{}
	for _, t := range types {
		topics[t.Topic()] = append(topics[t.Topic()], t)
	}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		types := topics[topic]
		slices.SortFunc(types, func(a, b bus.Type) int { return strings.Compare(a.String(), b.String()) })
		channel := d.channel(types[0])
		var messages []any
		for _, t := range types {
			name := t.String()
			d.message(name)
			channel["messages"].(tree)[name] = refer("components", "messages", name)
			messages = append(messages, refer("channels", topic, "messages", name))
		}
		d.operations[party+"."+action+"."+topic] = tree{
			"action": action, "channel": refer("channels", topic), "messages": messages,
			"summary": summary(party, action, types[0]), "tags": []any{tree{"name": party}},
		}
	}
}

func summary(party, action string, t bus.Type) string {
	switch {
	case action == "receive" && t.Kind == bus.Command:
		return party + " does what it is told"
	case action == "receive":
		return party + " hears what " + t.Context + " tells"
	case t.Kind == bus.Command:
		return party + " tells " + t.Context + " what to do"
	}
	return party + " tells what happened"
}

// channel is that of a type's topic.
func (d document) channel(t bus.Type) tree {
	if c, ok := d.channels[t.Topic()].(tree); ok {
		return c
	}
	about := "What happened in " + t.Context + ". "
	if t.Kind == bus.Command {
		about = "What " + t.Context + " shall do. "
	}
	c := tree{
		"address": t.Topic(), "messages": tree{},
		"description": about + "Messages of one key (the attribute ce_subject) arrive in their order; each arrives at least once, and has the same ce_id whenever it does.",
	}
	d.channels[t.Topic()] = c
	return c
}

func (d document) message(name string) {
	m, ok := d.known[name]
	if !ok { // somebody has a handler of a type that no language lists
		panic("asyncapi: no description of " + name)
	}
	payload := MessageSchema(m)
	for _, said := range []string{"$schema", "$id", "title", "description", "x-kind", "x-topic", "x-key"} {
		delete(payload, said) // the message and its channel say it
	}
	d.messages[name] = tree{
		"name": name, "title": m.Body.Name(), "summary": m.About, "contentType": "application/json",
		"headers":       tree{"allOf": []any{refer("components", "schemas", "attributes"), tree{"properties": tree{"ce_type": tree{"const": name}}}}},
		"correlationId": tree{"location": "$message.header#/correlation_id", "description": "The first message of the conversation"},
		"payload":       payload,
		"x-key":         m.Key,
	}
}

// attributes is the schema of the headers that every message carries: the CloudEvents 1.0 attributes, and where it comes from.
func attributes() tree {
	text := func(about string) tree { return tree{"type": "string", "description": about} }
	at := text("When it happened, UTC")
	at["format"] = "date-time"
	spec := text("The version of CloudEvents")
	spec["const"] = "1.0"
	return tree{
		"type":     "object",
		"required": []any{"ce_id", "ce_source", "ce_specversion", "ce_subject", "ce_time", "ce_type", "content-type"},
		"properties": tree{
			"ce_id":          text("The message; the same each time it arrives"),
			"ce_type":        text("What the message is, with its version"),
			"ce_source":      text("The context that sent it: /shop/orders"),
			"ce_subject":     text("The key: what the message is about. Messages of one key keep their order"),
			"ce_time":        at,
			"ce_specversion": spec,
			"content-type":   tree{"type": "string", "const": "application/json"},
			"traceparent":    text("W3C Trace Context; may be empty"),
			"correlation_id": text("The first message of the conversation"),
			"causation_id":   text("The message whose handler sent this one; empty when a request did"),
		},
	}
}

func refer(path ...string) tree {
	return tree{"$ref": "#/" + strings.Join(path, "/")} // no name has a / or ~
}
