package main

import (
	"context"
	"strconv"
	"time"

	"shop/internal/catalog/catalogapi"
	"shop/internal/customers/customersapi"
	"shop/internal/gateway"
	"shop/internal/inventory/inventoryapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/resilience"
	"shop/internal/shipping/shippingapi"
)

// upstream turns the settings of questions to other processes into what they mean. Errors: exitError with exitConfiguration.
func (s settings) upstream() (resilience.Settings, error) {
	var r resilience.Settings
	for _, d := range []struct {
		to              *time.Duration
		variable, value string
	}{
		{&r.Timeout, "SHOP_UPSTREAM_TIMEOUT", s.UpstreamTimeout}, {&r.Window, "SHOP_BREAKER_WINDOW", s.BreakerWindow}, {&r.HalfOpen, "SHOP_BREAKER_HALF_OPEN_AFTER", s.BreakerHalfOpen},
	} {
		var err error
		if *d.to, err = time.ParseDuration(d.value); err != nil || *d.to < time.Millisecond || *d.to > time.Hour {
			return r, configError("%s: %q is no time from 1ms to 1h", d.variable, d.value)
		}
	}
	for _, n := range []struct {
		to              *int
		least, most     int
		variable, value string
	}{
		{&r.Concurrency, 8, 100_000, "SHOP_UPSTREAM_CONCURRENCY", s.UpstreamConcurrency}, {&r.Retries, 0, 10, "SHOP_UPSTREAM_RETRIES", s.UpstreamRetries},
		{&r.Failures, 1, 100, "SHOP_BREAKER_FAILURES", s.BreakerFailures}, {&r.MinCalls, 1, 1_000_000, "SHOP_BREAKER_MIN_CALLS", s.BreakerMinCalls},
	} {
		var err error
		if *n.to, err = strconv.Atoi(n.value); err != nil || *n.to < n.least || *n.to > n.most {
			return r, configError("%s: %q is no whole number from %d to %d", n.variable, n.value, n.least, n.most)
		}
	}
	return r, nil
}

// upstreams are the guards of what this process asks of others. They are made with the first question.
func (h *host) upstreams() *resilience.Guards {
	if h.guards == nil {
		h.guards = resilience.NewGuards(h.cfg.upstream, h.log)
	}
	return h.guards
}

// caller asks the process that hosts a context which is not hosted here; nil when nobody said where that is. One for each context: its bulkhead counts all questions.
func (h *host) caller(name string) *resilience.Caller {
	at := h.cfg.front.elsewhere[name]
	if at == nil {
		return nil
	}
	if h.callers[name] == nil {
		if h.callers == nil {
			h.callers = map[string]*resilience.Caller{}
		}
		h.callers[name] = h.upstreams().Caller(name, at, resilience.CallerOptions{Authorization: h.authorization})
	}
	return h.callers[name]
}

// authorization is that of the caller whose request leads to a question; of a question that no request leads to, this process's own.
func (h *host) authorization(ctx context.Context) string {
	if token := gateway.OnBehalf(ctx); token != "" {
		return token
	}
	if h.cfg.token != "" {
		return "Bearer " + h.cfg.token
	}
	return ""
}

// What one context answers another: the context itself where it is hosted here, else the one elsewhere behind its guard; nil when there is neither.

func (h *host) prices() catalogapi.Prices {
	if h.catalog != nil {
		return h.catalog
	}
	if c := h.caller("catalog"); c != nil {
		return catalogapi.NewRemote(c)
	}
	return nil
}

func (h *host) stock() inventoryapi.Queries {
	if h.inventory != nil {
		return h.inventory
	}
	if c := h.caller("inventory"); c != nil {
		return inventoryapi.NewRemote(c)
	}
	return nil
}

func (h *host) paid() paymentsapi.Queries {
	if h.payments != nil {
		return h.payments
	}
	if c := h.caller("payments"); c != nil {
		return paymentsapi.NewRemote(c)
	}
	return nil
}

func (h *host) shipped() shippingapi.Queries {
	if h.shipping != nil {
		return h.shipping
	}
	if c := h.caller("shipping"); c != nil {
		return shippingapi.NewRemote(c)
	}
	return nil
}

func (h *host) profiles() customersapi.Queries {
	if h.customers != nil {
		return h.customers
	}
	if c := h.caller("customers"); c != nil {
		return customersapi.NewRemote(c)
	}
	return nil
}

// ordered answers for orders. One that is elsewhere is asked only where all else that belongs to an order can be asked too: its details are then put together here; else that process
// does it.
func (h *host) ordered() ordersapi.Queries {
	if h.orders != nil {
		return h.orders
	}
	c := h.caller("orders")
	if c == nil || h.stock() == nil || h.paid() == nil || h.shipped() == nil || h.profiles() == nil {
		return nil
	}
	return ordersapi.NewRemote(c)
}
