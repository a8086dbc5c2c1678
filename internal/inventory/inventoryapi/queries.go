package inventoryapi

import "context"

// Level is how much there is of a SKU, in units. Available is OnHand less Reserved.
type Level struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"on_hand"`
	Reserved  int64  `json:"reserved"`
	Available int64  `json:"available"`
}

// Reservation is what is held for a reference. Status is one of held, committed, shipped, released, expired, refused; only in the first two
// the lines count as reserved.
type Reservation struct {
	Reference string `json:"reference"`
	Status    string `json:"status"`
	Lines     []Line `json:"lines"`
}

// Queries are the questions that inventory answers at once.
type Queries interface {
	// Levels of the given SKUs; one that is not known is left out. Errors: fault Unavailable.
	Levels(ctx context.Context, skus []string) ([]Level, error)
	// Reservations of the given references; one that is not known is left out. Errors: fault Unavailable.
	Reservations(ctx context.Context, references []string) ([]Reservation, error)
}
