package shippingapi

import (
	"context"
	"time"
)

// Shipment is one parcel. Status is one of created, dispatched, delivered, returned, cancelled.
type Shipment struct {
	ID             string     `json:"id"`
	Reference      string     `json:"order_id"`
	Status         string     `json:"status"`
	Lines          []Line     `json:"items"`
	Address        Address    `json:"shipping_address"`
	Carrier        string     `json:"carrier,omitempty"`
	TrackingNumber string     `json:"tracking_number,omitempty"`
	CreatedAt      time.Time  `json:"created_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
	DispatchedAt   *time.Time `json:"dispatched_at,omitempty"`
	DeliveredAt    *time.Time `json:"delivered_at,omitempty"`
	ReturnedAt     *time.Time `json:"returned_at,omitempty"`
	CancelledAt    *time.Time `json:"cancelled_at,omitempty"`
}

// Queries are the questions that shipping answers at once.
type Queries interface {
	// Shipments of the given references; a reference without a shipment is left out. Errors: fault Unavailable.
	Shipments(ctx context.Context, references []string) ([]Shipment, error)
}
