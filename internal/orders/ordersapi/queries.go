package ordersapi

import (
	"context"
	"time"

	"shop/internal/platform/money"
)

// Order is one order as its owner may see it: what GET /v1/orders/{id} answers.
type Order struct {
	ID           string            `json:"id" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd"`
	Status       string            `json:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	Version      int64             `json:"version" doc:"Grows with each change"`
	Payment      string            `json:"payment_status" enum:"pending,captured,declined,voided,partially_refunded,refunded"`
	Fulfillment  string            `json:"fulfillment_status" enum:"unfulfilled,reserved,preparing,shipped,delivered,cancelled"`
	Cancellation *Cancellation     `json:"cancellation,omitempty"`
	PlacedAt     time.Time         `json:"placed_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	CustomerID   string            `json:"customer_id"`
	Lines        []Line            `json:"items"`
	Total        money.Money       `json:"total"`
	Address      Address           `json:"shipping_address"`
	Email        string            `json:"email,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
}

// Cancellation says why an order was cancelled.
type Cancellation struct {
	Reason string `json:"reason" enum:"out_of_stock,payment_declined,customer_request,timed_out,failed"`
	Detail string `json:"detail"`
}

// Line is a line of an order, with name and price as they were when it was placed.
type Line struct {
	SKU       string      `json:"sku"`
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity" doc:"Units"`
	UnitPrice money.Money `json:"unit_price"`
	Total     money.Money `json:"total"`
}

// Address is where an order goes.
type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	Country    string `json:"country" doc:"ISO 3166-1 alpha-2"`
	Phone      string `json:"phone,omitempty"`
}

// Queries are the questions that orders answers at once.
type Queries interface {
	// Order gives one order to somebody who may see it; who asks is in ctx. Errors: fault NotFound, also when it is another's; fault Unavailable.
	Order(ctx context.Context, id string) (Order, error)
}
