package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shop/internal/platform/bus"
)

const (
	// relayLag is the age at which an undelivered message makes the process not ready. It is long on purpose: while a broker is down for a minute,
	// orders can still be taken, and taking the process from the load balancer would lose them.
	relayLag = 5 * time.Minute
	// schemaFresh is how long it is believed that the schema is there.
	schemaFresh = time.Minute
)

// watch registers what tells how the process is: its readiness checks and its metrics.
func (h *host) watch(r prometheus.Registerer) {
	registerMetrics(r, h)
	for _, b := range h.upstreams().Breakers() { // open ones are no reason to send requests elsewhere: orders are taken without payments
		h.health.Inform(b.Upstream()+"."+b.Traffic(), func() string { return string(b.State()) })
	}
	for _, db := range h.databases {
		h.health.Add(db.name+".database", db.Ping)
		h.health.Add(db.name+".migrations", schemaCheck(db))
	}
	for _, m := range h.modules {
		h.health.Add(m.name+".relay", relayCheck(m.Endpoint()))
		asked := func(context.Context) error { return h.bus.Declare(bus.Topic(m.name, bus.Event)) } // known already: asks whether the bus takes it
		if h.cfg.busURL == memoryBus {
			h.health.Add(m.name+".bus", asked)
		} else { // while a broker is away, orders are taken and what is to be said waits in the outbox: until the relay's check says that it has waited too long
			h.health.Watch(m.name+".bus", asked)
		}
	}
}

func schemaCheck(db *database) func(context.Context) error {
	var checked atomic.Int64 // Unix nanoseconds; prepare saw it at the start
	checked.Store(time.Now().UnixNano())
	return func(ctx context.Context) error {
		now := time.Now().UnixNano()
		if now-checked.Load() < int64(schemaFresh) {
			return nil
		}
		pending, err := db.pending(ctx)
		if err != nil {
			return err
		}
		if len(pending) > 0 {
			return errBehind(pending)
		}
		checked.Store(now)
		return nil
	}
}

func relayCheck(e *bus.Endpoint) func(context.Context) error {
	return func(ctx context.Context) error {
		pending, oldest, err := e.Backlog(ctx)
		if err == nil && oldest > relayLag {
			err = fmt.Errorf("%d messages wait to be delivered, the oldest for %s", pending, oldest.Round(time.Second))
		}
		return err
	}
}
