package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"shop/cmd/shop/internal/rest"
	"shop/internal/platform/auth"
	"shop/internal/platform/id"
)

func (p *program) demoCommand() *cobra.Command {
	var once bool
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a shop with sample data, and show what becomes of its orders",
		Long: `Demo starts a whole shop on this machine, on free ports, with its data in a temporary directory. It sells a few things, shows each step of an order, what
happens when a payment is declined, a request comes twice, somebody looks for another's order or the stock is short, and then stays up for you to try.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.demo(cmd.Context(), dir, once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the show")
	cmd.Flags().StringVar(&dir, "data", "", "directory to keep the data in (default a temporary one)")
	return cmd
}

func (p *program) demo(ctx context.Context, dir string, once bool) (err error) {
	kept := dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "shop-demo-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // an empty temporary directory is all that can be left
	}
	h, err := p.hostForDemo(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { add(&err, h.stop()) }()

	s := &show{style: newStyle(p.stdout, p.environ), run: id.New("demo")}
	if err := s.meet(h); err != nil {
		return err
	}
	defer s.shop.Close()
	defer s.ada.Close()
	defer s.eve.Close()
	s.title("shop demo: an order backend, running on this machine")
	s.say("API   %s        data  %s", h.api.url(), dir)
	for _, act := range []func(context.Context) error{s.sell, s.order, s.decline, s.repeat, s.hide, s.runShort} {
		if err := act(ctx); err != nil {
			return fmt.Errorf("the demo does not go on: %w", err)
		}
	}
	if once {
		return s.err
	}
	s.invite(h.api.url(), kept)
	<-ctx.Done()
	return s.err
}

func (p *program) hostForDemo(ctx context.Context, dir string) (*host, error) {
	cfg := config{addr: "127.0.0.1:0", data: dir, hosted: contextNames(), databases: map[string]string{}, busURL: memoryBus, service: "shop"}
	for _, name := range databaseNames() {
		cfg.databases[name] = sqlitePrefix + dir
	}
	h, err := openHost(ctx, cfg, newLog(p.stderr, zapcore.ErrorLevel, cfg).Logger)
	if err != nil {
		return nil, err
	}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(err, h.stop())
	}
	return h, nil
}

// show is the demo's story, told through the REST API like any client's.
type show struct {
	*style
	shop   *rest.Client // the operator's
	ada    *rest.Client // a customer's
	eve    *rest.Client // another's
	run    string       // makes the keys of this run
	first  rest.Request // the request of the first order,
	id     string       // and its id
	told   int64        // version of the last event that was told
	placed time.Time    // when the order that is told of was
}

// demoTTL is how long the demo's tokens are valid.
const demoTTL = 24 * time.Hour

// meet signs tokens for all who take part.
func (s *show) meet(h *host) error {
	signer, err := h.cfg.developmentSigner()
	if err != nil {
		return err
	}
	for _, m := range []struct {
		client **rest.Client
		who    auth.Principal
	}{
		{&s.shop, auth.Principal{Role: auth.Operator, Subject: "operator"}},
		{&s.ada, auth.Principal{Role: auth.Customer, Subject: "cus_ada"}},
		{&s.eve, auth.Principal{Role: auth.Customer, Subject: "cus_eve"}},
	} {
		c := rest.New(h.api.url(), 4)
		if c.Token, err = signer.Sign(m.who, time.Now(), demoTTL); err != nil {
			return err
		}
		*m.client = c
	}
	return nil
}

type demoProduct struct {
	sku, name string
	cents     int64
}

var demoProducts = []demoProduct{
	{"MUG-BLUE", "Blue mug, 350 ml", 1250},
	{"TEA-EARL-GREY", "Earl Grey, 100 g", 890},
	{"POT-2L", "Teapot, 2 l", 3900},
}

const demoStock = 10

type object map[string]any

func (s *show) sell(ctx context.Context) error {
	s.heading("Something to sell")
	var movements []object
	for _, p := range demoProducts {
		body := object{"name": p.name, "price": object{"amount": p.cents, "currency": "EUR"}}
		if _, err := s.shop.Do(ctx, rest.Request{Method: http.MethodPut, Path: "/v1/products/" + p.sku, Body: body}, nil); err != nil {
			return err
		}
		s.request("PUT /v1/products/%-14s %s, %d.%02d EUR", p.sku, p.name, p.cents/100, p.cents%100)
		movements = append(movements, object{"sku": p.sku, "quantity": demoStock, "reason": "received", "reference": "demo"})
	}
	_, err := s.shop.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/v1/inventory/batch", Key: s.run + "-stock", Body: object{"movements": movements}}, nil)
	s.request("POST /v1/inventory/batch         %d of each received", demoStock)
	return err
}

func (s *show) order(ctx context.Context) error {
	s.heading("An order, with the token of a customer, Ada")
	request, o, err := s.follow(ctx, "order", "pm_test_ok", 2, "confirmed", "")
	if err != nil {
		return err
	}
	s.first, s.id = request, o.ID
	return s.send(ctx, o.ID)
}

// send plays the warehouse: it hands the parcel to the carrier, and the carrier delivers it.
func (s *show) send(ctx context.Context, orderID string) error {
	var shipments struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if _, err := s.shop.Do(ctx, rest.Request{Method: http.MethodGet, Path: "/v1/shipments?order_id=" + orderID}, &shipments); err != nil {
		return err
	}
	if len(shipments.Data) != 1 {
		return fmt.Errorf("%d shipments instead of one", len(shipments.Data))
	}
	for _, step := range []struct {
		verb, event string
		body        object
	}{
		{"dispatch", "order.shipped", object{"carrier": "DHL", "tracking_number": "00340434161094015902"}},
		{"deliver", "order.delivered", object{}},
	} {
		path := "/v1/shipments/" + shipments.Data[0].ID + "/" + step.verb
		if _, err := s.shop.Do(ctx, rest.Request{Method: http.MethodPost, Path: path, Body: step.body}, nil); err != nil {
			return err
		}
		s.request("POST %s", path)
		if err := s.tell(ctx, orderID, step.event); err != nil {
			return err
		}
	}
	return nil
}

func (s *show) decline(ctx context.Context) error {
	s.heading("A payment that is declined: what was done is taken back")
	before, err := s.available(ctx)
	if err != nil {
		return err
	}
	if _, _, err := s.follow(ctx, "declined", "pm_test_declined", 3, "cancelled", "payment_declined"); err != nil {
		return err
	}
	after, err := s.available(ctx)
	if err != nil {
		return err
	}
	s.say("Available of %s: %d before, %d after.", demoProducts[0].sku, before, after)
	if before != after {
		return errors.New("the stock did not come back")
	}
	return nil
}

// repeat sends the first order's request again, as a client does that never saw the answer.
func (s *show) repeat(ctx context.Context) error {
	s.heading("The same Idempotency-Key again: nothing happens twice")
	before, err := s.available(ctx)
	if err != nil {
		return err
	}
	var again demoOrder
	answer, err := s.ada.Do(ctx, s.first, &again)
	if err != nil {
		return err
	}
	s.request("POST /v1/orders  Idempotency-Key: %s", s.first.Key)
	after, err := s.available(ctx)
	if err != nil {
		return err
	}
	s.say("The same order, %s; available of %s: %d before, %d after.", again.ID, demoProducts[0].sku, before, after)
	if !answer.Replayed || again.ID != s.id || before != after {
		return errors.New("the repeated request was taken for a new one")
	}
	return nil
}

// hide lets another customer look for the first order.
func (s *show) hide(ctx context.Context) error {
	s.heading("Another customer, Eve, looks for Ada's order: for her there is none")
	for _, request := range []rest.Request{
		{Method: http.MethodGet, Path: "/v1/orders/" + s.id},
		{Method: http.MethodPost, Path: "/v1/orders/" + s.id + "/cancel", Body: object{}},
	} {
		_, err := s.eve.Do(ctx, request, nil)
		var p *rest.Problem
		if !errors.As(err, &p) || p.Status != http.StatusNotFound {
			return fmt.Errorf("another customer's %s %s was not answered with 404: %w", request.Method, request.Path, err)
		}
		s.request("%s %s", request.Method, request.Path)
		s.say("%s", p)
	}
	var list struct {
		Data []demoOrder `json:"data"`
	}
	if _, err := s.eve.Do(ctx, rest.Request{Method: http.MethodGet, Path: "/v1/orders"}, &list); err != nil {
		return err
	}
	s.request("GET /v1/orders")
	s.say("%d orders.", len(list.Data))
	if len(list.Data) != 0 {
		return errors.New("a customer sees another's orders")
	}
	return nil
}

func (s *show) runShort(ctx context.Context) error {
	s.heading("More than there is")
	_, _, err := s.follow(ctx, "short", "pm_test_ok", 10_000, "cancelled", "out_of_stock")
	return err
}

// demoOrder is what the story needs of an order.
type demoOrder struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	Cancelled struct {
		Reason string `json:"reason"`
	} `json:"cancellation"`
	Total struct {
		Amount   int64  `json:"amount"`
		Currency string `json:"currency"`
	} `json:"total"`
}

// demoEvent is an entry of an order's history.
type demoEvent struct {
	Version int64     `json:"version"`
	Type    string    `json:"type"`
	At      time.Time `json:"at"`
	Data    struct {
		Step   string `json:"step"`
		Code   string `json:"code"`
		Reason string `json:"reason"`
	} `json:"data"`
}

// demoPatience is how long an order may take.
const demoPatience = 20 * time.Second

// follow places an order and tells each event of it as it happens, until the process has come to its end. Errors: that it ends otherwise than expected.
func (s *show) follow(ctx context.Context, key, method string, quantity int64, status, reason string) (rest.Request, demoOrder, error) {
	request := rest.Request{Method: http.MethodPost, Path: "/v1/orders", Key: s.run + "-" + key, Body: object{
		"payment_method":   method,
		"items":            []object{{"sku": demoProducts[0].sku, "quantity": quantity}, {"sku": demoProducts[1].sku, "quantity": 1}},
		"shipping_address": object{"name": "Ada Lovelace", "line1": "12 St James Square", "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"},
	}}
	var o demoOrder
	if _, err := s.ada.Do(ctx, request, &o); err != nil {
		return request, o, err
	}
	s.request("POST /v1/orders  %d × %s, 1 × %s, %s", quantity, demoProducts[0].sku, demoProducts[1].sku, method)
	s.told = 0
	if err := s.tell(ctx, o.ID, "shipment.created", "order.cancelled"); err != nil {
		return request, o, err
	}
	if _, err := s.ada.Do(ctx, rest.Request{Method: http.MethodGet, Path: "/v1/orders/" + o.ID}, &o); err != nil {
		return request, o, err
	}
	if o.Status != status || o.Cancelled.Reason != reason {
		return request, o, fmt.Errorf("order %s is %s %s, expected %s %s", o.ID, o.Status, o.Cancelled.Reason, status, reason)
	}
	s.outcome(status == "confirmed", "%s is %s", o.ID, o.Status)
	return request, o, nil
}

// tell prints the new events of an order as they come, with the time since it was placed, up to one of the given types.
func (s *show) tell(ctx context.Context, orderID string, until ...string) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	for {
		var history struct {
			Data []demoEvent `json:"data"`
		}
		if _, err := s.ada.Do(ctx, rest.Request{Method: http.MethodGet, Path: "/v1/orders/" + orderID + "/events"}, &history); err != nil {
			return err
		}
		for _, e := range history.Data {
			if e.Version <= s.told {
				continue
			}
			if s.told == 0 {
				s.placed = e.At
			}
			s.told = e.Version
			s.event(e.At.Sub(s.placed), e.Type, e.explain())
			if slices.Contains(until, e.Type) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("order %s does not get to %s: %w", orderID, until[0], ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// explain says in words what an event means.
func (e demoEvent) explain() string {
	switch e.Type {
	case "order.placed":
		return "taken, at the catalog's prices"
	case "stock.reserved":
		return "inventory holds the items for it"
	case "stock.refused":
		return "there is not enough; nothing is held"
	case "payment.captured":
		return "the provider has charged the customer"
	case "payment.declined":
		return "the provider said no: " + e.Data.Code
	case "order.confirmed":
		return "from here on it only goes forward"
	case "shipment.created":
		return "shipping has a parcel to pack"
	case "cancellation.requested":
		return "the process turns round: " + e.Data.Reason
	case "compensation.started":
		return "taking back " + e.Data.Step
	case "compensation.completed":
		return e.Data.Step + " is taken back"
	case "order.shipped":
		return "the goods have left the house"
	case "order.delivered":
		return "the customer has them"
	case "order.cancelled":
		return e.Data.Reason
	}
	return ""
}

func (s *show) available(ctx context.Context) (int64, error) {
	var level struct {
		Available int64 `json:"available"`
	}
	_, err := s.shop.Do(ctx, rest.Request{Method: http.MethodGet, Path: "/v1/inventory/" + demoProducts[0].sku}, &level)
	return level.Available, err
}

func (s *show) invite(url, kept string) {
	s.heading("Your turn")
	s.say("The API describes itself at %s/docs. Try:", url)
	s.say("")
	s.say("ADA=%s", s.ada.Token)
	s.say("OPERATOR=%s", s.shop.Token)
	s.say("curl '%s/v1/products'", url)
	s.say("curl '%s/v1/orders/%s' -H \"Authorization: Bearer $ADA\"", url, s.id)
	s.say("curl '%s/v1/orders/%s/saga' -H \"Authorization: Bearer $OPERATOR\"", url, s.id)
	s.say("curl -X POST '%s/v1/orders' -H \"Authorization: Bearer $ADA\" -H 'Content-Type: application/json' -H 'Idempotency-Key: my-first' -H 'Prefer: wait=5' -d '{\n"+
		"     \"items\":[{\"sku\":\"%s\",\"quantity\":1}],\"payment_method\":\"pm_test_ok\",\n"+
		"     \"shipping_address\":{\"name\":\"You\",\"line1\":\"Home\",\"city\":\"Paris\",\"country\":\"FR\"}}'", url, demoProducts[2].sku)
	s.say("")
	if kept == "" {
		s.say("Ctrl-C ends it and removes the data; with --data DIR they are kept.")
	} else {
		s.say("Ctrl-C ends it. The data stay: shop serve --data %s", kept)
	}
}
