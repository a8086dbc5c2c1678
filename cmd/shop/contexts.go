package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"shop/internal/catalog"
	"shop/internal/customers"
	"shop/internal/inventory"
	"shop/internal/notifications"
	"shop/internal/orders"
	"shop/internal/payments"
	"shop/internal/platform/audit"
	"shop/internal/platform/bus"
	"shop/internal/platform/web"
	"shop/internal/shipping"
)

// module is a context, hosted in this process.
type module interface {
	audit.Auditor
	Routes(*web.Edge)
	Start(context.Context) error
	Stop(context.Context) error
	Endpoint() *bus.Endpoint
}

// contextSpec is one context of the map.
type contextSpec struct {
	name   string
	beside []string // databases beside its own, which has its name
	asks   []string // contexts whose answers it needs at once, through their *api
	sends  []string // contexts to which it sends commands
	hears  []string // contexts whose events it hears
	build  func(*host) module
}

// contextMap is the map of the system: every context, what it needs, and where that lives. A context comes after those it asks.
var contextMap = []contextSpec{
	{
		name: "catalog",
		build: func(h *host) module {
			h.catalog = catalog.New(catalog.Needs{DB: h.db("catalog"), Bus: h.bus, Log: h.log, Clock: h.clock})
			return h.catalog
		},
	},
	{
		name: "customers",
		build: func(h *host) module {
			h.customers = customers.New(customers.Needs{DB: h.db("customers"), Bus: h.bus, Log: h.log, Clock: h.clock})
			return h.customers
		},
	},
	{
		name: "inventory",
		build: func(h *host) module {
			h.inventory = inventory.New(inventory.Needs{DB: h.db("inventory"), Bus: h.bus, Log: h.log, Clock: h.clock, Metrics: h.metrics})
			return h.inventory
		},
	},
	{
		name:   "payments",
		beside: []string{"testpsp"}, // the books of the test provider, apart from ours as a real provider's are
		build: func(h *host) module {
			h.payments = payments.New(payments.Needs{
				DB: h.db("payments"), Bus: h.bus, Log: h.log, Clock: h.clock, Metrics: h.metrics,
				Provider: payments.NewTestProvider(h.db("testpsp"), h.clock),
			})
			return h.payments
		},
	},
	{
		name: "shipping",
		build: func(h *host) module {
			h.shipping = shipping.New(shipping.Needs{DB: h.db("shipping"), Bus: h.bus, Log: h.log, Clock: h.clock})
			return h.shipping
		},
	},
	{
		name:  "orders",
		asks:  []string{"catalog", "inventory", "payments", "shipping"},
		sends: []string{"inventory", "payments", "shipping"},
		hears: []string{"inventory", "payments", "shipping"},
		build: func(h *host) module {
			h.orders = orders.New(orders.Needs{
				DB: h.db("orders"), Bus: h.bus, Log: h.log, Clock: h.clock, Metrics: h.metrics,
				Prices:    h.prices(),
				Inventory: h.stock(),
				Payments:  h.paid(),
				Shipping:  h.shipped(),
			})
			return h.orders
		},
	},
	{
		name:  "notifications",
		hears: []string{"orders", "customers"},
		build: func(h *host) module {
			return notifications.New(notifications.Needs{DB: h.db("notifications"), Bus: h.bus, Log: h.log, Clock: h.clock, Mail: h.cfg.mail, Metrics: h.metrics})
		},
	},
}

// checkHosting refuses a set of contexts that cannot work: with a bus that reaches only this process, what is said to a context of another would be lost; and who needs answers at
// once must know whom to ask.
func checkHosting(hosted []string, elsewhere map[string]*url.URL, busURL string) error {
	here := func(name string) bool { return slices.Contains(hosted, name) }
	for _, c := range contextMap {
		for _, other := range c.talks() {
			if busURL == memoryBus && here(c.name) != here(other) {
				in, out := c.name, other
				if !here(in) {
					in, out = out, in
				}
				return fmt.Errorf("%s is hosted here and %s is not, but they talk, and the bus %s reaches only this process; host both or neither, or name a broker in SHOP_BUS_URL", in, out, memoryBus)
			}
		}
		for _, other := range c.asks {
			if here(c.name) && !here(other) && elsewhere[other] == nil {
				return fmt.Errorf("%s is hosted here and needs the answers of %s; host that too, or say in %s where it is", c.name, other, contextVariable(other))
			}
		}
	}
	return nil
}

// talks are the contexts with which messages are exchanged.
func (c contextSpec) talks() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(c.sends, c.hears))))
}

// topics are those whose messages the context has to get.
func (c contextSpec) topics() []string {
	var topics []string
	for _, other := range contextMap {
		if slices.Contains(other.sends, c.name) && !slices.Contains(topics, bus.Topic(c.name, bus.Command)) {
			topics = append(topics, bus.Topic(c.name, bus.Command))
		}
	}
	for _, other := range c.hears {
		topics = append(topics, bus.Topic(other, bus.Event))
	}
	slices.Sort(topics)
	return topics
}

func contextNames() []string {
	var names []string
	for _, c := range contextMap {
		names = append(names, c.name)
	}
	return names
}

// databaseNames are all databases, each under the context that owns it.
func databaseNames() []string {
	var names []string
	for _, c := range contextMap {
		names = append(names, c.databaseNames()...)
	}
	return names
}

func (c contextSpec) databaseNames() []string { return append([]string{c.name}, c.beside...) }

// hostedSpecs are the entries of the map that this process hosts.
func hostedSpecs(hosted []string) []contextSpec {
	return slices.DeleteFunc(slices.Clone(contextMap), func(c contextSpec) bool { return !slices.Contains(hosted, c.name) })
}
