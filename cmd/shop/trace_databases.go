package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"shop/cmd/shop/internal/rest"
	"shop/internal/orders"
	"shop/internal/payments"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
)

// readable are the databases that can be read from here: those of the configured contexts, as far as they are there and answer.
type readable struct {
	databases
	missing map[string]error // by context, why not
}

// openReadable opens what can be opened. A shop in several processes may have the rest elsewhere.
func openReadable(ctx context.Context, cfg config) readable {
	r := readable{missing: map[string]error{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, c := range hostedSpecs(cfg.hosted) {
		all.Go(func() {
			one := cfg
			one.hosted = []string{c.name}
			d, err := openMigrated(ctx, one)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.missing[c.name] = err
			}
			r.databases = append(r.databases, d...)
		})
	}
	all.Wait()
	slices.SortFunc(r.databases, func(a, b *database) int { return strings.Compare(a.name, b.name) })
	return r
}

func (r readable) close() { _ = r.databases.close() } // they were only read

// of is a context's own database, if it can be read.
func (r readable) of(name string) *database {
	i := slices.IndexFunc(r.databases, func(d *database) bool { return d.own && d.name == name })
	if i < 0 {
		return nil
	}
	return r.databases[i]
}

// failures say which databases are not looked at: on one line those that are missing for the same reason.
func (r readable) failures() []string {
	if len(r.missing) == 0 {
		return nil
	}
	var names []string
	for _, name := range contextNames() {
		if r.missing[name] != nil {
			names = append(names, name)
		}
	}
	return []string{fmt.Sprintf("not looked at: the outboxes and dead letters of %s (%s)", strings.Join(names, ", "), r.missing[names[0]])}
}

// diagnose adds what the databases tell of the order. Errors: orders.ErrNotFound; that its history cannot be read, neither from the database nor from the API.
func (f *orderTrace) diagnose(ctx context.Context, cfg config, r readable, api string) error {
	d, err := historyOf(ctx, cfg, r, api, f.OrderID)
	if err != nil {
		return err
	}
	f.Order = &d
	if f.Messages, err = heldMessages(ctx, r, f.OrderID); err != nil {
		return err
	}
	if d.Waits == nil {
		return nil
	}
	f.findElsewhere(ctx, cfg)
	if db := r.of("payments"); db != nil && d.Waits.Step == "take_payment" {
		p, err := payments.Diagnose(ctx, db.DB, f.OrderID)
		if err == nil {
			f.Payment = &p
		} else if !errors.Is(err, payments.ErrPaymentNotFound) {
			return err
		}
	}
	return f.findUnled(ctx, r)
}

// findUnled notes contexts that have a part in what the order waits for, and that no process leads.
func (f *orderTrace) findUnled(ctx context.Context, r readable) error {
	part := []string{"orders", f.Order.Waits.On}
	for _, m := range f.Messages {
		part = append(part, m.Context)
	}
	for _, name := range contextNames() {
		db := r.of(name)
		if db == nil || !slices.Contains(part, name) {
			continue
		}
		led, err := bus.Led(ctx, db.DB)
		if err != nil {
			return err
		}
		if !led {
			f.Unled = append(f.Unled, name)
		}
	}
	return nil
}

// historyOf reads what became of an order from the database of orders, or asks the API where that is not to be had. Errors: orders.ErrNotFound; why neither is possible.
func historyOf(ctx context.Context, cfg config, r readable, api, orderID string) (orders.Diagnosis, error) {
	db := r.of("orders")
	if db != nil {
		return orders.Diagnose(ctx, db.DB, orderID)
	}
	why := r.missing["orders"]
	if why == nil {
		why = configError("orders is not among the contexts of the settings")
	}
	if cfg.token == "" {
		return orders.Diagnosis{}, fmt.Errorf("%w; and SHOP_TOKEN, with which the API could be asked, is not set", why)
	}
	return askHistory(ctx, api, cfg.token, orderID)
}

// historyPatience is how long the API is asked; who waits for a diagnosis wants to know that it does not answer.
const historyPatience = 5 * time.Second

// askHistory asks the API, which does not tell what led to an event. Errors: orders.ErrNotFound; *rest.Problem; exitError with exitDependency.
func askHistory(ctx context.Context, api, token, orderID string) (orders.Diagnosis, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*historyPatience)
	defer cancel()
	client := rest.New(api, 1)
	client.Token, client.Patience = token, historyPatience
	defer client.Close()
	d := orders.Diagnosis{OrderID: orderID}
	var order struct {
		Status orders.Status `json:"status"`
	}
	var history struct {
		Data []orders.TracedEvent `json:"data"`
	}
	var saga sagaAnswer
	for _, q := range []struct {
		path string
		into any
	}{{"", &order}, {"/events", &history}, {"/saga", &saga}} {
		if _, err := client.Do(ctx, rest.Request{Method: http.MethodGet, Path: "/v1/orders/" + orderID + q.path}, q.into); err != nil {
			var problem *rest.Problem
			switch {
			case !errors.As(err, &problem):
				return d, &exitError{exitDependency, err}
			case problem.Status == http.StatusNotFound:
				return d, orders.ErrNotFound
			}
			return d, fmt.Errorf("the API at %s: %w", api, err)
		}
	}
	d.Status, d.Events, d.Saga, d.Waits = order.Status, history.Data, saga.State, saga.waits()
	return d, nil
}

// sagaAnswer is how far the API says that an order's process is.
type sagaAnswer struct {
	State string `json:"state"`
	Steps []struct {
		Name      string    `json:"name"`
		Status    string    `json:"status"`
		StartedAt time.Time `json:"started_at"`
		Attempts  int       `json:"attempts"`
		Error     string    `json:"error"`
	} `json:"steps"`
}

// waits is what the order waits for, as far as its steps tell.
func (s sagaAnswer) waits() *orders.Wait {
	on := map[string]string{"reserve_stock": "inventory", "take_payment": "payments", "create_shipment": "shipping"}
	for _, step := range s.Steps {
		switch step.Status {
		case "started":
			return &orders.Wait{Step: step.Name, On: on[step.Name], Since: step.StartedAt, Attempts: step.Attempts, Compensation: s.State == "compensating"}
		case "compensation_failed":
			return &orders.Wait{Step: step.Name, On: "operator", Since: step.StartedAt, Attempts: step.Attempts, Compensation: true, Error: step.Error}
		}
	}
	return nil
}

// heldMessage is a message of an order that was not applied yet.
type heldMessage struct {
	Where     string    `json:"where"` // outbox or dead_letters
	Context   string    `json:"context"`
	Ref       string    `json:"ref,omitempty"` // of a dead letter, such as orders/12
	Type      string    `json:"type"`
	MessageID string    `json:"message_id"`
	State     string    `json:"state,omitempty"` // of a dead letter: dead, parked or replay
	Error     string    `json:"error,omitempty"`
	Attempts  int64     `json:"attempts,omitempty"`
	Since     time.Time `json:"since"` // when it was written, or became a dead letter
}

// How much is searched for messages of an order, in each context: a backlog may have millions.
const (
	searchPage  = 500
	searchPages = 100
)

// heldMessages finds the order's messages in all outboxes and among all dead letters. Errors: sqldb.ErrUnavailable.
func heldMessages(ctx context.Context, r readable, orderID string) ([]heldMessage, error) {
	found := []heldMessage{}
	for _, db := range r.databases {
		if !db.own {
			continue
		}
		dead, err := deadOf(ctx, db, orderID)
		if err != nil {
			return nil, err
		}
		waiting, err := waitingOf(ctx, db, orderID)
		if err != nil {
			return nil, err
		}
		found = slices.Concat(found, dead, waiting)
	}
	return found, nil
}

func deadOf(ctx context.Context, db *database, orderID string) (found []heldMessage, err error) {
	after := int64(0)
	for range searchPages {
		page, err := bus.DeadLetters(ctx, db.DB, after, searchPage)
		if err != nil {
			return nil, err
		}
		for _, l := range page {
			if after = l.ID; l.Key == orderID {
				found = append(found, heldMessage{Where: "dead_letters", Context: db.name, Ref: fmt.Sprintf("%s/%d", db.name, l.ID), Type: l.Type, MessageID: l.MessageID,
					State: l.State, Error: firstLine(l.Error, 200), Attempts: l.Attempts, Since: sqldb.Time(l.CreatedAt)})
			}
		}
		if len(page) < searchPage {
			break
		}
	}
	return found, nil
}

func waitingOf(ctx context.Context, db *database, orderID string) (found []heldMessage, err error) {
	after := int64(0)
	for range searchPages {
		page, err := bus.Outbox(ctx, db.DB, after, searchPage)
		if err != nil || len(page) == 0 {
			return found, err
		}
		for _, m := range page {
			if after = m.Row; m.Key == orderID {
				found = append(found, heldMessage{Where: "outbox", Context: db.name, Type: m.Type, MessageID: m.ID, Since: m.Since})
			}
		}
	}
	return found, nil
}
