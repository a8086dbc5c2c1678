package inventoryapi_test

import (
	"testing"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/bus/bustest"
)

func FuzzMessages(f *testing.F) {
	bustest.Fuzz(f, inventoryapi.CommitReservation{}, inventoryapi.ExtendReservation{}, inventoryapi.ReleaseStock{}, inventoryapi.ReservationExpired{}, inventoryapi.ReservationExpiring{}, inventoryapi.ReservationLost{}, inventoryapi.ReserveStock{}, inventoryapi.ShipStock{}, inventoryapi.StockRefused{}, inventoryapi.StockReleased{}, inventoryapi.StockReserved{})
}
