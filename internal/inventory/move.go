package inventory

import (
	"context"
	"maps"
	"slices"
	"time"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/fault"
	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
)

var (
	// ErrInsufficientStock: on hand would fall below what is reserved.
	ErrInsufficientStock = fault.New(fault.Conflict, "insufficient_stock", "there is not that much stock that is not reserved")
	// ErrUnknownSKU: there has never been any of it; only receiving goods makes a SKU known.
	ErrUnknownSKU = fault.New(fault.Invalid, "unknown_sku", "a SKU becomes known when goods are received")
	// ErrInvalidQuantity: the sign does not fit the reason.
	ErrInvalidQuantity = fault.New(fault.Invalid, "invalid_quantity", "the quantity does not fit the reason")
	// ErrTooMuchStock: on hand would grow beyond what can be counted.
	ErrTooMuchStock = fault.New(fault.Conflict, "too_much_stock", "there would be more units than can be counted")
)

// maxOnHand is what every JSON number can carry exactly (RFC 8259, section 6).
const maxOnHand = 1<<53 - 1

// reason is why on hand changes.
type reason string

const (
	reasonReceived reason = "received" // bought
	reasonAdjusted reason = "adjusted" // counted again
	reasonReturned reason = "returned" // by a customer
	reasonDamaged  reason = "damaged"  // or lost
	reasonShipped  reason = "shipped"  // to a customer; made by ShipStock alone
)

// movement is a change of on hand, an entry of the ledger.
type movement struct {
	SKU        string `db:"sku"`
	ID         string `db:"id"`
	Quantity   int64  `db:"quantity"`
	Reason     reason `db:"reason"`
	Reference  string `db:"reference"`
	RecordedAt int64  `db:"recorded_at"` // microseconds
}

func newMovement(sku string, quantity int64, why reason, reference string, now time.Time) movement {
	return movement{sku, id.New("mov"), quantity, why, reference, sqldb.Micros(now)}
}

// expected says what the quantity must be for its reason; empty when it is that.
func (mv movement) expected() string {
	switch mv.Reason {
	case reasonReceived, reasonReturned:
		if mv.Quantity <= 0 {
			return "expected a quantity above 0: goods that are received or returned come in"
		}
	case reasonDamaged:
		if mv.Quantity >= 0 {
			return "expected a quantity below 0: goods that are damaged go out"
		}
	default:
		if mv.Quantity == 0 {
			return "expected a quantity that is not 0"
		}
	}
	return ""
}

// place says where in the input a part of the i-th movement stands, such as body.movements[3].quantity.
type place func(i int, part string) string

// checkSigns holds the quantities to their reasons. Errors: ErrInvalidQuantity.
func checkSigns(moves []movement, at place) error {
	var broken []fault.Field
	for i, mv := range moves {
		if detail := mv.expected(); detail != "" {
			broken = append(broken, fault.Field{Location: at(i, "quantity"), Detail: detail})
		}
	}
	if broken != nil {
		return ErrInvalidQuantity.With(broken...)
	}
	return nil
}

// move makes all movements or none; what counts is their sum for each SKU. It returns the levels of the SKUs afterwards, sorted by SKU.
// Errors: ErrUnknownSKU, ErrInsufficientStock, ErrTooMuchStock.
func move(ctx context.Context, tx *sqldb.Tx, moves []movement, now time.Time, at place) ([]inventoryapi.Level, error) {
	sums, received := map[string]int64{}, map[string]bool{}
	for _, mv := range moves {
		sums[mv.SKU] += mv.Quantity
		received[mv.SKU] = received[mv.SKU] || mv.Reason == reasonReceived
	}
	skus := slices.Sorted(maps.Keys(sums))
	if err := loadStock(ctx, tx, skus); err != nil {
		return nil, err
	}
	after := make([]stock, len(skus))
	for i, sku := range skus {
		after[i] = stockOf(tx, sku).plus(sums[sku], 0)
		after[i].made = after[i].made || !after[i].exists && received[sku]
	}
	if err := checkAfter(after, moves, at); err != nil {
		return nil, err
	}
	levels := make([]inventoryapi.Level, len(after))
	for i, s := range after {
		levels[i] = s.level()
		saveStock(tx, s, now)
	}
	for _, mv := range moves {
		recordMovement(tx, mv)
	}
	return levels, nil
}

// checkAfter judges what the stock would be. Errors: those of move.
func checkAfter(after []stock, moves []movement, at place) error {
	for _, s := range after {
		switch level := s.level(); {
		case !s.known():
			return ErrUnknownSKU.With(fieldsOf(moves, s.sku, at, "sku", "expected a SKU of which goods were received")...)
		case level.Available < 0:
			return ErrInsufficientStock.With(fieldsOf(moves, s.sku, at, "quantity", "expected at least the reserved units to stay")...)
		case level.OnHand > maxOnHand:
			return ErrTooMuchStock.With(fieldsOf(moves, s.sku, at, "quantity", "expected less")...)
		}
	}
	return nil
}

// fieldsOf names the movements of a SKU in the input.
func fieldsOf(moves []movement, sku string, at place, part, detail string) []fault.Field {
	var fields []fault.Field
	for i, mv := range moves {
		if mv.SKU == sku {
			fields = append(fields, fault.Field{Location: at(i, part), Detail: detail})
		}
	}
	return fields
}
