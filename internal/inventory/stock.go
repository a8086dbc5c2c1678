package inventory

import (
	"context"
	"slices"
	"time"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/sqldb"
)

// stock is how much there is of a SKU, as a transaction sees it: what the database has, and what the transaction adds to it.
// It is a value: methods return the changed one.
type stock struct {
	sku    string
	read   bool // exists, onHand and reserved are what the database has; a change can be made without knowing them
	enough bool // is taken for granted: what is written is refused if it is not so
	exists bool
	made   bool // by this transaction

	onHand, reserved       int64
	addOnHand, addReserved int64
}

// known reports whether there has ever been any of it.
func (s stock) known() bool { return s.exists || s.made }

func (s stock) available() int64 {
	return s.onHand + s.addOnHand - s.reserved - s.addReserved
}

func (s stock) level() inventoryapi.Level {
	return inventoryapi.Level{SKU: s.sku, OnHand: s.onHand + s.addOnHand, Reserved: s.reserved + s.addReserved, Available: s.available()}
}

// plus changes on hand and reserved.
func (s stock) plus(onHand, reserved int64) stock {
	s.addOnHand += onHand
	s.addReserved += reserved
	return s
}

// shortagesOf says of which lines there is too little; of none, all can be taken. Errors: sqldb.ErrUnavailable.
func shortagesOf(ctx context.Context, tx *sqldb.Tx, lines []inventoryapi.Line) ([]inventoryapi.Shortage, error) {
	uncertain := slices.DeleteFunc(slices.Clone(lines), func(l inventoryapi.Line) bool { return stockOf(tx, l.SKU).enough })
	if err := loadStock(ctx, tx, skusOf(uncertain)); err != nil {
		return nil, err
	}
	var short []inventoryapi.Shortage
	for _, l := range uncertain {
		if available := stockOf(tx, l.SKU).available(); available < l.Quantity {
			short = append(short, inventoryapi.Shortage{SKU: l.SKU, Requested: l.Quantity, Available: available})
		}
	}
	return short, nil
}

func skusOf(lines []inventoryapi.Line) []string {
	skus := make([]string, len(lines))
	for i, l := range lines {
		skus[i] = l.SKU
	}
	return skus
}

// take counts the lines as reserved.
func take(tx *sqldb.Tx, lines []inventoryapi.Line, now time.Time) {
	for _, l := range lines {
		saveStock(tx, stockOf(tx, l.SKU).plus(0, l.Quantity), now)
	}
}

// giveBack makes the lines available again.
func giveBack(tx *sqldb.Tx, lines []inventoryapi.Line, now time.Time) {
	for _, l := range lines {
		saveStock(tx, stockOf(tx, l.SKU).plus(0, -l.Quantity), now)
	}
}
