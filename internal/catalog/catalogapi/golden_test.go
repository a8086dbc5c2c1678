package catalogapi_test

import (
	"testing"

	"shop/internal/catalog/catalogapi"
	"shop/internal/platform/bus/bustest"
	"shop/internal/platform/money"
)

func TestWhatCatalogTellsStaysAsItIs(t *testing.T) {
	bustest.Golden(t, catalogapi.Messages(), catalogapi.ProductChanged{
		Price:   catalogapi.Price{SKU: "TEA", Name: "A tea", Price: money.Money{Amount: 750, Currency: "EUR"}, Active: true},
		Version: 7,
	})
}
