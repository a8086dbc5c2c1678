package onlineretail

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
	"shop/internal/platform/money"
)

// Progress is told how far a run is.
type Progress interface {
	Begin(what string, total int) // a part of the run begins
	Add(n int)                    // so many more of it are done; called from several goroutines
	End()                         // the part is over
}

// Options of a run.
type Options struct {
	Limit    int // orders to place, from the first; 0 for all
	Workers  int // orders under way at the same time
	Progress Progress
}

// Result is what a run did.
type Result struct {
	Lines    LineCount      `json:"lines"`
	Rejected map[Reason]int `json:"rejected"` // lines by reason
	Products ProductCount   `json:"products"`
	Stock    StockCount     `json:"stock"`
	Orders   OrderCount     `json:"orders"`
	Statuses map[string]int `json:"statuses"` // orders by their status at the end
	Ordered  money.Money    `json:"ordered"`  // sum of the orders' totals, as the shop says
	File     money.Money    `json:"file"`     // sum of the usable lines, as the file says
	Seconds  float64        `json:"seconds"`  // placing the orders and waiting for their outcome

	Report []Rejected `json:"-"` // every line that is part of no order
}

// LineCount says where each line of the file is: In = Ordered + Reported + BeyondLimit.
type LineCount struct {
	In          int `json:"in"`
	Ordered     int `json:"ordered"`
	Reported    int `json:"reported"`
	BeyondLimit int `json:"beyond_limit,omitempty"` // usable, but of invoices behind Options.Limit
}

// ProductCount is what became of the products.
type ProductCount struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
}

// StockCount is what was received.
type StockCount struct {
	SKUs     int   `json:"skus"`
	Units    int64 `json:"units"`
	Repeated bool  `json:"repeated"` // an earlier run received it
}

// OrderCount is what became of the invoices.
type OrderCount struct {
	Placed   int `json:"placed"`
	Repeated int `json:"repeated"` // of these, placed by an earlier run
	Refused  int `json:"refused"`
}

// Balanced reports whether what was ordered is, to the penny, what the file says.
func (r *Result) Balanced() bool { return r.Ordered.Amount == r.File.Amount }

// Rate is orders a second.
func (r *Result) Rate() float64 { return float64(r.Orders.Placed) / max(r.Seconds, 1e-9) }

// Run carries the plan out on a shop. What an earlier run of the same content did is not done again. Errors: that the shop cannot be reached or refuses
// the products or the stock.
func (p *Plan) Run(ctx context.Context, shop *rest.Client, o Options) (*Result, error) {
	r := &run{plan: p, shop: shop, options: o, orders: p.Orders, result: Result{
		Rejected: map[Reason]int{}, Statuses: map[string]int{}, Report: slices.Clone(p.Rejected),
		Ordered: money.Money{Currency: Currency}, File: money.Money{Currency: Currency},
	}}
	if o.Limit > 0 && o.Limit < len(r.orders) {
		r.orders = r.orders[:o.Limit]
	}
	if err := r.putProducts(ctx); err != nil {
		return nil, fmt.Errorf("putting the products: %w", err)
	}
	if err := r.receiveStock(ctx); err != nil {
		return nil, fmt.Errorf("receiving the stock: %w", err)
	}
	if err := r.placeOrders(ctx); err != nil {
		return nil, fmt.Errorf("placing the orders: %w", err)
	}
	r.count()
	return &r.result, nil
}

type run struct {
	plan    *Plan
	shop    *rest.Client
	options Options
	orders  []Order

	mu     sync.Mutex
	result Result
}

// batchSize is how many products or movements the API takes at once.
const batchSize = 1000

type productBody struct {
	SKU   string      `json:"sku"`
	Name  string      `json:"name"`
	Price money.Money `json:"price"`
}

func (r *run) putProducts(ctx context.Context) error {
	r.options.Progress.Begin("products", len(r.plan.Products))
	defer r.options.Progress.End()
	for batch := range slices.Chunk(r.plan.Products, batchSize) {
		var body struct {
			Products []productBody `json:"products"`
		}
		for _, p := range batch {
			body.Products = append(body.Products, productBody{p.SKU, p.Name, money.Money{Amount: p.Pence, Currency: Currency}})
		}
		var counts ProductCount
		if _, err := r.shop.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/v1/products/batch", Key: r.plan.key("products/" + batch[0].SKU), Body: body}, &counts); err != nil {
			return err
		}
		r.result.Products.Created += counts.Created
		r.result.Products.Updated += counts.Updated
		r.result.Products.Unchanged += counts.Unchanged
		r.options.Progress.Add(len(batch))
	}
	return nil
}

type movementBody struct {
	SKU       string `json:"sku"`
	Quantity  int64  `json:"quantity"`
	Reason    string `json:"reason"`
	Reference string `json:"reference"`
}

func (r *run) receiveStock(ctx context.Context) error {
	r.options.Progress.Begin("stock", len(r.plan.Products))
	defer r.options.Progress.End()
	r.result.Stock = StockCount{SKUs: len(r.plan.Products), Units: r.plan.Units(), Repeated: len(r.plan.Products) > 0}
	for batch := range slices.Chunk(r.plan.Products, batchSize) {
		var body struct {
			Movements []movementBody `json:"movements"`
		}
		for _, p := range batch {
			body.Movements = append(body.Movements, movementBody{p.SKU, p.Stock, "received", r.plan.key("stock")})
		}
		answer, err := r.shop.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/v1/inventory/batch", Key: r.plan.key("stock/" + batch[0].SKU), Body: body}, nil)
		if err != nil {
			return err
		}
		r.result.Stock.Repeated = r.result.Stock.Repeated && answer.Replayed
		r.options.Progress.Add(len(batch))
	}
	return nil
}

// placeOrders places them with several workers, in the order of the file.
func (r *run) placeOrders(ctx context.Context) error {
	began := time.Now()
	r.options.Progress.Begin("orders", len(r.orders))
	defer r.options.Progress.End()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan Order)
	var workers sync.WaitGroup
	for range max(1, min(r.options.Workers, len(r.orders))) {
		workers.Go(func() {
			for o := range next {
				if err := r.place(ctx, o); err != nil {
					cancel(fmt.Errorf("invoice %s: %w", o.Invoice, err))
				}
				r.options.Progress.Add(1)
			}
		})
	}
	for _, o := range r.orders {
		select {
		case next <- o:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	r.result.Seconds = time.Since(began).Seconds()
	return context.Cause(ctx)
}

type orderBody struct {
	CustomerID    string            `json:"customer_id,omitempty"`
	Items         []itemBody        `json:"items"`
	PaymentMethod string            `json:"payment_method"`
	Address       addressBody       `json:"shipping_address"`
	ExpectedTotal money.Money       `json:"expected_total"`
	Metadata      map[string]string `json:"metadata"`
}

type itemBody struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

type addressBody struct {
	Name    string `json:"name"`
	Line1   string `json:"line1"`
	City    string `json:"city"`
	Country string `json:"country"`
}

// placedOrder is what matters of the shop's answer.
type placedOrder struct {
	ID     string      `json:"id"`
	Status string      `json:"status"`
	Total  money.Money `json:"total"`
}

func (o Order) body() orderBody {
	name, city := "Guest", o.Country
	if o.Customer != "" {
		name = "Customer " + o.Customer
	}
	if city == "" {
		city = "unknown"
	}
	b := orderBody{
		CustomerID: o.customerID(), PaymentMethod: "pm_test_ok",
		Address:       addressBody{Name: name, Line1: "Invoice " + o.Invoice, City: city, Country: countryCode(o.Country)},
		ExpectedTotal: money.Money{Amount: o.Pence, Currency: Currency}, // if the shop's prices are not the file's, it refuses
		Metadata:      map[string]string{"source": "online-retail", "invoice": o.Invoice, "invoice_date": o.Date},
	}
	for _, it := range o.Items {
		b.Items = append(b.Items, itemBody{it.SKU, it.Quantity})
	}
	return b
}

const (
	outcomeWait  = 10              // seconds that a POST waits for the outcome
	outcomeLimit = 2 * time.Minute // how long it is asked for after that
	outcomeLook  = time.Second / 4 // pause between two questions
	pending      = "pending"       // the status of an order without outcome
)

// place places one order and waits for its outcome. What the shop refuses is noted. Errors: that the shop cannot be reached.
func (r *run) place(ctx context.Context, o Order) error {
	var placed placedOrder
	answer, err := r.shop.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/v1/orders", Key: r.plan.key("order/" + o.Invoice), Wait: outcomeWait, Body: o.body()}, &placed)
	var problem *rest.Problem
	if errors.As(err, &problem) && problem.Status < http.StatusInternalServerError {
		r.refused(o, problem)
		return nil
	}
	if err != nil {
		return err
	}
	for began := time.Now(); placed.Status == pending && time.Since(began) < outcomeLimit; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(outcomeLook):
		}
		if _, err := r.shop.Do(ctx, rest.Request{Method: http.MethodGet, Path: "/v1/orders/" + placed.ID}, &placed); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Orders.Placed++
	if answer.Replayed {
		r.result.Orders.Repeated++
	}
	r.result.Statuses[placed.Status]++
	r.result.Lines.Ordered += len(o.lines)
	r.result.Ordered, err = r.result.Ordered.Add(placed.Total)
	return err
}

func (r *run) refused(o Order, why *rest.Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Orders.Refused++
	for _, l := range o.lines {
		r.result.Report = append(r.result.Report, l.rejected(Refused, strings.ReplaceAll(why.Error(), "\n", " ")))
	}
}

// count adds up what the file says.
func (r *run) count() {
	res := &r.result
	res.Lines.In = r.plan.Lines
	for _, o := range r.orders {
		res.File.Amount += o.Pence
	}
	for _, o := range r.plan.Orders[len(r.orders):] {
		res.Lines.BeyondLimit += len(o.lines)
	}
	slices.SortFunc(res.Report, func(a, b Rejected) int { return a.Line - b.Line })
	for _, l := range res.Report {
		res.Rejected[l.Reason]++
	}
	res.Lines.Reported = len(res.Report)
}

// Complete reports whether every line of the file is accounted for.
func (c LineCount) Complete() bool { return c.In == c.Ordered+c.Reported+c.BeyondLimit }
