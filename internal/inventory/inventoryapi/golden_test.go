package inventoryapi_test

import (
	"testing"
	"time"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/bus/bustest"
)

func TestWhatInventoryIsToldAndTellsStaysAsItIs(t *testing.T) {
	const reference = "ord_01jd3q6k9v8xw2n4t7ryz5abcd"
	lines := []inventoryapi.Line{{SKU: "TEA", Quantity: 2}, {SKU: "CUP", Quantity: 1}}
	shortages := []inventoryapi.Shortage{{SKU: "TEA", Requested: 2, Available: 1}}
	bustest.Golden(t, inventoryapi.Messages(),
		inventoryapi.ReserveStock{Reference: reference, Lines: lines, HoldSeconds: 900},
		inventoryapi.ExtendReservation{Reference: reference, HoldSeconds: 900},
		inventoryapi.CommitReservation{Reference: reference},
		inventoryapi.ReleaseStock{Reference: reference, Reason: "payment_declined"},
		inventoryapi.ShipStock{Reference: reference},
		inventoryapi.StockReserved{Reference: reference, ExpiresAt: time.Date(2026, 11, 22, 12, 15, 0, 0, time.UTC)},
		inventoryapi.StockRefused{Reference: reference, Shortages: shortages},
		inventoryapi.StockReleased{Reference: reference},
		inventoryapi.ReservationExpiring{Reference: reference},
		inventoryapi.ReservationExpired{Reference: reference},
		inventoryapi.ReservationLost{Reference: reference, Shortages: shortages},
	)
}
