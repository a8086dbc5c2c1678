package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"shop/internal/customers/customersapi"
	"shop/internal/inventory/inventoryapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

type detailsInput struct {
	ID string `path:"id" pattern:"^ord_[0-9a-z]{26}$" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd"`
}

type detailsBody struct {
	Order       ordersapi.Order        `json:"order"`
	Payments    []paymentsapi.Payment  `json:"payments" nullable:"true" doc:"null when unavailable"`
	Shipments   []shippingapi.Shipment `json:"shipments" nullable:"true" doc:"null when unavailable"`
	Customer    *customersapi.Customer `json:"customer" doc:"null when unavailable, and when the customer has no profile"`
	Stock       []stockBody            `json:"stock" nullable:"true" doc:"Of what was ordered, now; null when unavailable"`
	Unavailable []string               `json:"unavailable" doc:"The parts that did not answer in time" example:"[\"stock\"]"`
}

type stockBody struct {
	SKU       string `json:"sku"`
	Available int64  `json:"available" doc:"Units that can be promised"`
	OnHand    *int64 `json:"on_hand,omitempty" doc:"Units in the house; for operators and services"`
	Reserved  *int64 `json:"reserved,omitempty" doc:"Units that are promised; for operators and services"`
}

func (m *Module) registerDetails(e *web.Edge) {
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/orders/{id}/details", ID: "get-order-details", Summary: "An order with all that belongs to it", Tags: []string{"Orders"},
		Doc: "The order, its payments and shipments, its customer, and the stock of what was ordered, asked for at once and answered within " + m.needs.Deadline.String() +
			". A part that does not answer in time is `null`, and named in `unavailable`.",
		Timeout: 2 * m.needs.Deadline,
	}, m.details)
}

// errNotHosted: this process cannot ask the context.
var errNotHosted = fault.New(fault.Unavailable, "not_hosted", "this part of the shop cannot be asked from here")

// details asks orders first: whether there is such an order, for this caller, decides whether anybody else is asked at all. Errors: those of ordersapi.Queries.
func (m *Module) details(ctx context.Context, in *detailsInput) (detailsBody, error) {
	telemetry.NoteOrder(ctx, in.ID)
	ctx, cancel := context.WithTimeout(ctx, m.needs.Deadline)
	defer cancel()
	order, err := ask(ctx, func(ctx context.Context) (ordersapi.Order, error) { return m.needs.Orders.Order(ctx, in.ID) }).get(ctx)
	if err != nil {
		return detailsBody{}, err
	}
	who := auth.From(ctx)
	payments := ask(ctx, func(ctx context.Context) ([]paymentsapi.Payment, error) { return m.payments(ctx, order.ID) })
	shipments := ask(ctx, func(ctx context.Context) ([]shippingapi.Shipment, error) { return m.shipments(ctx, order.ID) })
	customer := ask(ctx, func(ctx context.Context) (*customersapi.Customer, error) {
		return m.customer(ctx, who, order.CustomerID)
	})
	stock := ask(ctx, func(ctx context.Context) ([]stockBody, error) { return m.stock(ctx, who, order.Lines) })

	body := detailsBody{Order: order, Unavailable: []string{}}
	missing := func(part string, err error) {
		if err != nil {
			body.Unavailable = append(body.Unavailable, part)
			m.missing.WithLabelValues(part).Inc()
			m.log.Warn("a part of an order's details is missing", zap.String("missing", part), telemetry.Fields(ctx), zap.Error(err))
		}
	}
	body.Payments, err = payments.get(ctx)
	missing("payments", err)
	body.Shipments, err = shipments.get(ctx)
	missing("shipments", err)
	body.Customer, err = customer.get(ctx)
	missing("customer", err)
	body.Stock, err = stock.get(ctx)
	missing("stock", err)
	return body, nil
}

func (m *Module) payments(ctx context.Context, orderID string) ([]paymentsapi.Payment, error) {
	if m.needs.Payments == nil {
		return nil, errNotHosted
	}
	found, err := m.needs.Payments.Payments(ctx, []string{orderID})
	return orNone(found), err
}

func (m *Module) shipments(ctx context.Context, orderID string) ([]shippingapi.Shipment, error) {
	if m.needs.Shipping == nil {
		return nil, errNotHosted
	}
	found, err := m.needs.Shipping.Shipments(ctx, []string{orderID})
	return orNone(found), err
}

// customer is the profile of an order's customer; nil when there is none.
func (m *Module) customer(ctx context.Context, who auth.Principal, id string) (*customersapi.Customer, error) {
	if !who.ActsFor(id) || id == auth.Guest {
		return nil, nil
	}
	if m.needs.Customers == nil {
		return nil, errNotHosted
	}
	return m.profiles.find(ctx, id)
}

// stock is that of what was ordered, as far as the caller may know it.
func (m *Module) stock(ctx context.Context, who auth.Principal, lines []ordersapi.Line) ([]stockBody, error) {
	if m.needs.Inventory == nil {
		return nil, errNotHosted
	}
	skus := make([]string, len(lines))
	for i, l := range lines {
		skus[i] = l.SKU
	}
	slices.Sort(skus)
	levels, err := m.needs.Inventory.Levels(ctx, slices.Compact(skus))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(levels, func(a, b inventoryapi.Level) int { return strings.Compare(a.SKU, b.SKU) })
	stock := make([]stockBody, len(levels))
	for i, l := range levels {
		stock[i] = stockBody{SKU: l.SKU, Available: l.Available}
		if who.Has(auth.Operator, auth.Service) {
			stock[i].OnHand, stock[i].Reserved = &l.OnHand, &l.Reserved
		}
	}
	return stock, nil
}

// part is an answer that is being waited for.
type part[T any] struct{ answered chan answer[T] }

type answer[T any] struct {
	value T
	err   error
}

// ask asks on the side. What is asked gives up when ctx ends; whoever waits does so no longer than that, whether or not it gives up.
func ask[T any](ctx context.Context, question func(context.Context) (T, error)) part[T] {
	p := part[T]{make(chan answer[T], 1)}
	go func() {
		var a answer[T]
		defer func() {
			if v := recover(); v != nil {
				a.err = fmt.Errorf("panic: %v", v)
			}
			p.answered <- a
		}()
		a.value, a.err = question(ctx)
	}()
	return p
}

// get waits for the answer. With an error there is no value. Errors: those of the question; what ended ctx.
func (p part[T]) get(ctx context.Context) (T, error) {
	var none T
	select {
	case a := <-p.answered:
		return p.of(a)
	case <-ctx.Done():
	}
	select {
	case a := <-p.answered: // in time all the same
		return p.of(a)
	default:
		return none, ctx.Err()
	}
}

func (part[T]) of(a answer[T]) (T, error) {
	if a.err != nil {
		var none T
		return none, a.err
	}
	return a.value, nil
}

// orNone makes of no list an empty one: null means that nobody knows.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
