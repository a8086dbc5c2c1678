// Package catalogapi is the language of catalog: what is sold, and for how much. Catalog is the price authority.
package catalogapi

import (
	"context"

	"shop/internal/platform/bus"
	"shop/internal/platform/money"
)

// Price is what a product is sold for at this moment.
type Price struct {
	SKU    string      `json:"sku"`
	Name   string      `json:"name"`
	Price  money.Money `json:"price"`
	Active bool        `json:"active"`
}

// Prices answers what things cost.
type Prices interface {
	// Prices of the given SKUs; one that is not known is left out. Errors: fault Unavailable.
	Prices(ctx context.Context, skus []string) (map[string]Price, error)
}

// ProductChanged: a product was made, or something about it changed: its name, description, price or activity. Versions grow by one.
type ProductChanged struct {
	Price
	Version int64 `json:"version"`
}

var productChanged = bus.NewEvent("catalog", "product.changed", 1)

func (ProductChanged) MessageType() bus.Type { return productChanged }
func (e ProductChanged) MessageKey() string  { return e.SKU }
