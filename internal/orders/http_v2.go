package orders

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

// What an order looks like in the second version of the API, and what the first says of its end. Both are forms of one summary: there is no second way to read an order, and
// nothing is stored for a version. docs/how-to/change-the-api.md tells when an operation gets a second version.

// Since the first version the prices of a line have moved together (price.unit and price.total were unit_price and total), unit_count came, and email went: whoever reads an
// order need not learn it, and a customer's profile has it.

// v1Read is what becomes of GET /v1/orders/{id}. Until the sunset it stays, byte for byte, what it is.
var v1Read = &web.Deprecation{
	Since:  time.Date(2026, time.December, 1, 0, 0, 0, 0, time.UTC),
	Sunset: time.Date(2028, time.June, 1, 0, 0, 0, 0, time.UTC),
	Link:   "/docs#tag/orders",
}

func (m *Module) routesV2(e *web.Edge) {
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v2/orders/{id}", ID: "get-order-v2", Summary: "An order, now or as it was", Tags: tags, Returns: orderBodyV2{},
		Headers: map[string]string{"ETag": "The order's version"}, Errors: []int{http.StatusNotModified},
		Doc: "Since v1: a line's `unit_price` and `total` are `price.unit` and `price.total`; `unit_count` is new; `email` is gone, a customer's profile has it.",
	}, m.getOrderV2)
}

type orderBodyV2 struct {
	ID          string              `json:"id" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd"`
	Status      string              `json:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	Version     int64               `json:"version" doc:"Grows with each change"`
	Payment     string              `json:"payment_status" enum:"pending,captured,declined,voided,partially_refunded,refunded"`
	Fulfillment string              `json:"fulfillment_status" enum:"unfulfilled,reserved,preparing,shipped,delivered,cancelled"`
	Cancelled   *cancellationBody   `json:"cancellation,omitempty"`
	PlacedAt    time.Time           `json:"placed_at"`
	UpdatedAt   time.Time           `json:"updated_at"`
	CustomerID  string              `json:"customer_id"`
	Items       []lineBodyV2        `json:"items"`
	UnitCount   int64               `json:"unit_count" doc:"Units of all lines together"`
	Total       money.Money         `json:"total"`
	Address     shippingapi.Address `json:"shipping_address"`
	Metadata    map[string]string   `json:"metadata,omitempty"`
}

type lineBodyV2 struct {
	SKU      string      `json:"sku"`
	Name     string      `json:"name"`
	Quantity int64       `json:"quantity" doc:"Units"`
	Price    priceBodyV2 `json:"price" doc:"As it was when the order was placed"`
}

type priceBodyV2 struct {
	Unit  money.Money `json:"unit" doc:"Of one unit"`
	Total money.Money `json:"total" doc:"Of the line"`
}

func (m *Module) getOrderV2(ctx context.Context, in *getInput) (web.Raw, error) {
	return m.orderAs(ctx, in, summary.documentV2)
}

// documentV2 is the order as the second version of the API shows it. Errors: that the first event cannot be read, a defect.
func (s summary) documentV2() ([]byte, error) {
	var p placed
	if err := json.Unmarshal(s.Placed, &p); err != nil {
		return nil, fmt.Errorf("orders: the first event of %s: %w", s.ID, err)
	}
	b := orderBodyV2{
		ID: s.ID, Status: s.Status, Version: s.Version, Payment: s.Payment, Fulfillment: s.Fulfillment, PlacedAt: sqldb.Time(s.PlacedAt), UpdatedAt: sqldb.Time(s.UpdatedAt),
		CustomerID: p.CustomerID, Items: make([]lineBodyV2, len(p.Items)), Total: p.Total, Address: p.Address, Metadata: p.Metadata,
	}
	for i, l := range p.Items {
		b.Items[i] = lineBodyV2{SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, Price: priceBodyV2{Unit: l.UnitPrice, Total: l.Total}}
		b.UnitCount += l.Quantity
	}
	if s.Status == string(Cancelled) {
		b.Cancelled = &cancellationBody{s.Reason, s.Detail}
	}
	raw, err := web.JSON(http.StatusOK, b)
	return raw.Body, err
}
