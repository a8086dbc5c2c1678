package orders

import (
	"context"
	"fmt"

	"shop/internal/catalog/catalogapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/platform/fault"
	"shop/internal/platform/id"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

var (
	// ErrUnknownSKU: an item names something that is not sold.
	ErrUnknownSKU = fault.New(fault.Invalid, "unknown_sku", "an item is not in the catalog")
	// ErrInactive: an item is not sold at the moment.
	ErrInactive = fault.New(fault.Invalid, "product_inactive", "an item is not sold at the moment")
	// ErrPriceChanged: expected_total is not what the server computes.
	ErrPriceChanged = fault.New(fault.Conflict, "total_changed", "the total is not the expected one; look at the prices again")
	// ErrNothingToPay: the total is zero.
	ErrNothingToPay = fault.New(fault.Invalid, "nothing_to_pay", "the order has a total of zero")
)

// wish is what a customer asks for.
type wish struct {
	CustomerID    string
	Lines         []line
	PaymentMethod string
	Address       shippingapi.Address
	Email         string
	ExpectedTotal *money.Money
	Metadata      map[string]string
}

type line struct {
	SKU      string
	Quantity int64
}

// price makes a wish an order's first event, at the prices of this moment: the catalog says what things cost, never the customer.
// Errors: ErrUnknownSKU, ErrInactive, ErrPriceChanged, ErrNothingToPay, money.ErrMixedCurrencies, money.ErrOverflow, what the catalog says.
func price(ctx context.Context, prices catalogapi.Prices, w wish) (*placed, error) {
	skus := make([]string, len(w.Lines))
	for i, l := range w.Lines {
		skus[i] = l.SKU
	}
	known, err := prices.Prices(ctx, skus)
	if err != nil {
		return nil, err
	}
	p := &placed{CustomerID: w.CustomerID, PaymentMethod: w.PaymentMethod, Address: w.Address, Email: w.Email, Metadata: w.Metadata, Items: make([]Item, len(w.Lines))}
	for i, l := range w.Lines {
		at := fault.Field{Location: fmt.Sprintf("body.items[%d].sku", i), Detail: "a SKU that is sold"}
		product, ok := known[l.SKU]
		switch {
		case !ok:
			return nil, ErrUnknownSKU.With(at)
		case !product.Active:
			return nil, ErrInactive.With(at)
		}
		total, err := product.Price.Times(l.Quantity)
		if err != nil {
			return nil, err
		}
		if p.Total, err = p.Total.Add(total); err != nil {
			return nil, err
		}
		p.Items[i] = Item{SKU: l.SKU, Name: product.Name, Quantity: l.Quantity, UnitPrice: product.Price, Total: total}
	}
	if w.ExpectedTotal != nil && *w.ExpectedTotal != p.Total {
		return nil, ErrPriceChanged
	}
	if p.Total.Amount == 0 {
		return nil, ErrNothingToPay
	}
	return p, nil
}

// place records a priced order and begins its process.
func (p *process) place(ctx context.Context, tx *sqldb.Tx, orderID string, first *placed) (Order, error) {
	o, err := p.store.append(ctx, tx, Order{ID: orderID}, first)
	if err != nil {
		return o, err
	}
	if err := p.send(ctx, tx, ordersapi.OrderPlaced{Summary: apiSummary(o)}); err != nil {
		return o, err
	}
	return o, p.reserve(ctx, tx, o)
}

// newID names an order. Ids sort by the time of placing. If the request that places the order began a trace, the order is named after it: whoever knows the one knows the other, and where
// the order is named its trace need not be. A trace that the caller named may be another order's.
func newID(ctx context.Context) string {
	if s, ok := id.Of("ord", web.TraceBegun(ctx)); ok {
		return s
	}
	return id.New("ord")
}
