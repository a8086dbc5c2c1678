package inventory

import (
	"context"
	"strings"
	"time"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
)

// ErrNotFound: there has never been any of that SKU.
var ErrNotFound = fault.New(fault.NotFound, "stock_not_found", "nothing is known of this SKU")

type levelRow struct {
	SKU      string `db:"sku"`
	OnHand   int64  `db:"on_hand"`
	Reserved int64  `db:"reserved"`
}

func levelsOf(rows []levelRow) []inventoryapi.Level {
	levels := make([]inventoryapi.Level, len(rows))
	for i, r := range rows {
		levels[i] = inventoryapi.Level{SKU: r.SKU, OnHand: r.OnHand, Reserved: r.Reserved, Available: r.OnHand - r.Reserved}
	}
	return levels
}

// Levels of the given SKUs; one that is not known is left out. Errors: fault Unavailable.
func (m *Module) Levels(ctx context.Context, skus []string) ([]inventoryapi.Level, error) {
	var rows []levelRow
	err := m.db.Select(ctx, &rows, `SELECT sku, on_hand, reserved FROM stock WHERE sku IN {$1}`, skus)
	return levelsOf(rows), err
}

// level of one SKU. Errors: ErrNotFound, fault Unavailable.
func (m *Module) level(ctx context.Context, sku string) (inventoryapi.Level, error) {
	levels, err := m.Levels(ctx, []string{sku})
	if err == nil && len(levels) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return inventoryapi.Level{}, err
	}
	return levels[0], nil
}

// levelsAfter lists the levels of the SKUs behind the given one, at most limit.
func (m *Module) levelsAfter(ctx context.Context, sku string, limit int) ([]inventoryapi.Level, error) {
	var rows []levelRow
	err := m.db.Select(ctx, &rows, `SELECT sku, on_hand, reserved FROM stock WHERE sku > $1 ORDER BY sku LIMIT $2`, sku, limit)
	return levelsOf(rows), err
}

// namedAfter is levelsAfter among the given SKUs.
func (m *Module) namedAfter(ctx context.Context, skus []string, sku string, limit int) ([]inventoryapi.Level, error) {
	var rows []levelRow
	err := m.db.Select(ctx, &rows, `SELECT sku, on_hand, reserved FROM stock WHERE sku IN {$1} AND sku > $2 ORDER BY sku LIMIT $3`, skus, sku, limit)
	return levelsOf(rows), err
}

// Reservations of the given references; one that is not known is left out. Errors: fault Unavailable.
func (m *Module) Reservations(ctx context.Context, references []string) ([]inventoryapi.Reservation, error) {
	var rows []reservationRow
	if err := m.db.Select(ctx, &rows, `SELECT reference, status, lines, shortages, version, expires_at, asked_at, created_at, updated_at
		FROM reservations WHERE reference IN {$1}`, references); err != nil {
		return nil, err
	}
	found := make([]inventoryapi.Reservation, len(rows))
	for i, row := range rows {
		r, err := row.reservation()
		if err != nil {
			return nil, err
		}
		found[i] = inventoryapi.Reservation{Reference: r.reference, Status: string(r.status), Lines: orEmpty(r.lines)}
	}
	return found, nil
}

// afterAllMovements is an id behind every other, in any collation.
var afterAllMovements = "mov_" + strings.Repeat("z", 27)

// movementsBefore lists the movements of a SKU, the newest first, from the one before the given id on; an empty id means all.
func (m *Module) movementsBefore(ctx context.Context, sku, id string, limit int) ([]movement, error) {
	if id == "" {
		id = afterAllMovements
	}
	var rows []movement
	err := m.db.Select(ctx, &rows, `SELECT sku, id, quantity, reason, reference, recorded_at FROM movements
		WHERE sku = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, sku, id, limit)
	return rows, err
}

// lapsed is a reservation whose time is up, and the trace that led to it; that is empty when it is not recorded.
type lapsed struct {
	Reference   string `db:"reference"`
	Traceparent string `db:"traceparent"`
}

// due lists reservations whose owner has to be asked, or has been asked and did not answer within the grace.
func (m *Module) due(ctx context.Context, now time.Time, limit int) ([]lapsed, error) {
	var due []lapsed
	err := m.db.Select(ctx, &due, `SELECT reference, traceparent FROM reservations
		WHERE overdue AND status = 'held' AND expires_at <= $1 AND (asked_at = 0 OR asked_at <= $2) ORDER BY expires_at LIMIT $3`,
		sqldb.Micros(now), sqldb.Micros(now.Add(-m.grace)), limit)
	return due, err
}
