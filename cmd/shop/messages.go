package main

import (
	"slices"

	"shop/internal/catalog/catalogapi"
	"shop/internal/customers/customersapi"
	"shop/internal/inventory/inventoryapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/asyncapi"
	"shop/internal/platform/bus"
	"shop/internal/shipping/shippingapi"
)

// aboutAPI is said on the page that shows the API.
const aboutAPI = "What this process answers. What it sends and receives as messages is described at [/asyncapi.json](/asyncapi.json), in AsyncAPI 3.0."

// allMessages are the messages of all contexts, hosted here or not.
func allMessages() []bus.Message {
	return slices.Concat(catalogapi.Messages(), customersapi.Messages(), inventoryapi.Messages(), ordersapi.Messages(), paymentsapi.Messages(), shippingapi.Messages())
}

// asyncAPI is the document of what this process sends and receives, as /openapi.json is that of what it answers: the contexts that it hosts, and who hears and tells them.
func (h *host) asyncAPI() []byte {
	about := "What the contexts in this process tell each other and those elsewhere. Every message is a CloudEvent; its attributes are its headers. " +
		"Fields and messages are only added: leave alone what you do not know. What would break a reader gets a new version beside the old."
	if h.cfg.busURL == memoryBus {
		about += " Messages stay within this process: there is no server to connect to."
	}
	return asyncapi.Document(asyncapi.Application{
		Title: "shop", Version: version, Description: about, Bus: h.cfg.busURL, Messages: allMessages(), Parties: h.parties(),
	})
}

// parties are those in this process who send and receive messages.
func (h *host) parties() []asyncapi.Party {
	var all []asyncapi.Party
	for _, m := range h.modules {
		all = append(all, asyncapi.Party{Name: m.name, Sends: sentBy(m.name), Receives: m.Endpoint().Hears()})
	}
	if h.customers != nil { // see gatewayNeeds: it keeps profiles, and forgets those that change
		all = append(all, asyncapi.Party{Name: "gateway", Receives: sentBy("customers")})
	}
	return all
}

// sentBy are the types of message that a context sends: its own events, and the commands of those whom it directs.
func sentBy(context string) []bus.Type {
	spec := contextMap[slices.IndexFunc(contextMap, func(c contextSpec) bool { return c.name == context })]
	var types []bus.Type
	for _, m := range allMessages() {
		own := m.Type.Kind == bus.Event && m.Type.Context == context
		if own || m.Type.Kind == bus.Command && slices.Contains(spec.sends, m.Type.Context) {
			types = append(types, m.Type)
		}
	}
	return types
}
