package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
)

// The write side. Rows live in the transaction's locals while it runs, shared by all its jobs; each is read at most once and written
// at most once, at the end. Nothing else in this context may read or write these rows in a transaction.

// reservationKey and stockKey name a row in a transaction's locals.
type (
	reservationKey string
	stockKey       string
)

type reservationRow struct {
	Reference string     `db:"reference"`
	Status    status     `db:"status"`
	Lines     sqldb.JSON `db:"lines"`
	Shortages sqldb.JSON `db:"shortages"`
	Version   int64      `db:"version"`
	ExpiresAt int64      `db:"expires_at"`
	AskedAt   int64      `db:"asked_at"`
	CreatedAt int64      `db:"created_at"`
	UpdatedAt int64      `db:"updated_at"`
}

func (row reservationRow) reservation() (reservation, error) {
	r := reservation{
		reference: row.Reference, status: row.Status, version: row.Version, expiresAt: sqldb.Time(row.ExpiresAt),
		askedAt: sqldb.Time(row.AskedAt), createdAt: sqldb.Time(row.CreatedAt), updatedAt: sqldb.Time(row.UpdatedAt),
	}
	if err := json.Unmarshal(row.Lines, &r.lines); err != nil {
		return r, fmt.Errorf("lines of reservation %s: %w", row.Reference, err)
	}
	if len(row.Shortages) > 0 {
		if err := json.Unmarshal(row.Shortages, &r.shortages); err != nil {
			return r, fmt.Errorf("shortages of reservation %s: %w", row.Reference, err)
		}
	}
	return r, nil
}

// loadReservations reads those of the references that the transaction has not read yet, with one statement. Errors: sqldb.ErrUnavailable.
func loadReservations(ctx context.Context, tx *sqldb.Tx, references []string) error {
	missing := make([]string, 0, len(references))
	for _, ref := range references {
		if _, ok := tx.Local(reservationKey(ref)); !ok {
			missing = append(missing, ref)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var rows []reservationRow
	if err := tx.Select(ctx, &rows, `SELECT reference, status, lines, shortages, version, expires_at, asked_at, created_at, updated_at
		FROM reservations WHERE reference IN {$1}`, missing); err != nil {
		return err
	}
	for _, ref := range missing {
		tx.SetLocal(reservationKey(ref), reservation{reference: ref})
	}
	for _, row := range rows {
		r, err := row.reservation()
		if err != nil {
			return err
		}
		tx.SetLocal(reservationKey(r.reference), r)
	}
	return nil
}

// reservationOf is the reservation as the transaction sees it; its status is none when there is no such. Errors: sqldb.ErrUnavailable.
func reservationOf(ctx context.Context, tx *sqldb.Tx, reference string) (reservation, error) {
	r, ok := tx.Local(reservationKey(reference))
	if !ok {
		if err := loadReservations(ctx, tx, []string{reference}); err != nil {
			return reservation{}, err
		}
		r, _ = tx.Local(reservationKey(reference))
	}
	return r.(reservation), nil
}

var insertReservations = sqldb.Many{
	SQL: `INSERT INTO reservations (reference, status, lines, shortages, version, expires_at, overdue, asked_at, traceparent, created_at, updated_at)
		SELECT r.reference, r.status, r.lines, r.shortages, 1, r.expires_at, r.overdue, r.asked_at, r.traceparent, r.created_at, r.updated_at FROM {rows}`,
	Columns: "reference text, status text, lines json, shortages json, expires_at bigint, overdue bool, asked_at bigint, traceparent text, created_at bigint, updated_at bigint",
	Last:    1,
}

var updateReservations = sqldb.Many{
	SQL: `UPDATE reservations SET status = r.status, version = r.version + 1, expires_at = r.expires_at, asked_at = r.asked_at, updated_at = r.updated_at,
			overdue = reservations.overdue AND r.status = 'held'
		FROM {rows} WHERE reservations.reference = r.reference AND reservations.version = r.version`,
	Columns: "reference text, version bigint, status text, expires_at bigint, asked_at bigint, updated_at bigint",
	Exact:   true, Last: 2,
}

// saveReservation makes r what the transaction sees, and what it writes at its end if the row is still the one that was read.
func saveReservation(tx *sqldb.Tx, r reservation) {
	tx.SetLocal(reservationKey(r.reference), r)
	expires, asked, updated := sqldb.Micros(r.expiresAt), sqldb.Micros(r.askedAt), sqldb.Micros(r.updatedAt)
	if r.version > 0 {
		tx.Queue(&updateReservations, r.reference, r.version, string(r.status), expires, asked, updated)
		return
	}
	var shortages sqldb.JSON
	if len(r.shortages) > 0 {
		shortages = sqldb.Marshal(r.shortages)
	}
	overdue := r.status == held && !r.expected()
	tx.Queue(&insertReservations, r.reference, string(r.status), sqldb.Marshal(orEmpty(r.lines)), shortages, expires, overdue, asked, r.trace, sqldb.Micros(r.createdAt), updated)
}

// A reservation of an order that goes its usual way is committed long before usually has passed, and so nobody need look after it: the rounds mark those of which that was not so. They go
// by the time in the identifier of the order. One of another name, or of an order that was named too long ago, or whose time is up sooner, is marked from the start.
const usually = time.Minute

// expected reports whether the rounds will come by before the time of a new reservation is up.
func (r reservation) expected() bool {
	return id.Near("ord", r.reference, r.createdAt, sqldb.AtOnce) && !r.expiresAt.Before(r.createdAt.Add(usually+sqldb.AtOnce))
}

// markOverdue marks the reservations of the orders named within the span that are still held. It changes nothing that a transaction keeps among its locals. Errors: sqldb.ErrUnavailable.
func (m *Module) markOverdue(ctx context.Context, span sqldb.Span) error {
	for {
		var references []string
		err := m.db.Select(ctx, &references, `SELECT reference FROM reservations WHERE reference >= $1 AND reference < $2 AND status = 'held' AND NOT overdue ORDER BY reference LIMIT $3`,
			id.At("ord", span.From), id.At("ord", span.To), sweepPage)
		if err != nil || len(references) == 0 {
			return err
		}
		if err := m.db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE reservations SET overdue = true WHERE reference IN {$1} AND status = 'held'`, references)
			return err
		}); err != nil || len(references) < sweepPage {
			return err
		}
	}
}

// loadStock reads the stock of those SKUs of which the transaction does not know it yet, with one statement. Errors: sqldb.ErrUnavailable.
func loadStock(ctx context.Context, tx *sqldb.Tx, skus []string) error {
	missing := make([]string, 0, len(skus))
	for _, sku := range skus {
		if !stockOf(tx, sku).read {
			missing = append(missing, sku)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	var rows []struct {
		SKU      string `db:"sku"`
		OnHand   int64  `db:"on_hand"`
		Reserved int64  `db:"reserved"`
	}
	if err := tx.Select(ctx, &rows, `SELECT sku, on_hand, reserved FROM stock WHERE sku IN {$1}`, missing); err != nil {
		return err
	}
	for _, sku := range missing {
		s := stockOf(tx, sku)
		s.read = true
		tx.SetLocal(stockKey(sku), s)
	}
	for _, row := range rows {
		s := stockOf(tx, row.SKU)
		s.exists, s.onHand, s.reserved = true, row.OnHand, row.Reserved
		tx.SetLocal(stockKey(row.SKU), s)
	}
	return nil
}

// stockOf is the stock as the transaction sees it. Until loadStock was asked for the SKU only the transaction's own changes are known.
func stockOf(tx *sqldb.Tx, sku string) stock {
	if s, ok := tx.Local(stockKey(sku)); ok {
		return s.(stock)
	}
	return stock{sku: sku}
}

var insertStock = sqldb.Many{
	SQL:     `INSERT INTO stock (sku, on_hand, reserved, updated_at) SELECT r.sku, 0, 0, r.updated_at FROM {rows} WHERE true ON CONFLICT (sku) DO NOTHING`,
	Columns: "sku text, updated_at bigint",
	Last:    3,
}

// The rows are locked in the order of their SKUs, so that no two transactions wait for each other: they come sorted, and are joined by the key one after the other.
var changeStock = sqldb.Many{
	SQL: `UPDATE stock SET on_hand = stock.on_hand + r.on_hand, reserved = stock.reserved + r.reserved, updated_at = r.updated_at
		FROM {rows}
		WHERE stock.sku = r.sku AND stock.reserved + r.reserved >= 0 AND stock.reserved + r.reserved <= stock.on_hand + r.on_hand`,
	Columns: "sku text, on_hand bigint, reserved bigint, updated_at bigint",
	Exact:   true, Last: 4,
}

// saveStock makes s what the transaction sees. At its end it adds the changes to whatever the database has then, if that leaves enough.
func saveStock(tx *sqldb.Tx, s stock, now time.Time) {
	tx.SetLocal(stockKey(s.sku), s)
	if s.made {
		tx.Queue(&insertStock, s.sku, sqldb.Micros(now))
	}
	tx.Queue(&changeStock, s.sku, s.addOnHand, s.addReserved, sqldb.Micros(now))
}

var insertMovements = sqldb.Many{
	SQL: `INSERT INTO movements (sku, id, quantity, reason, reference, recorded_at)
		SELECT r.sku, r.id, r.quantity, r.reason, r.reference, r.recorded_at FROM {rows}`,
	Columns: "sku text, id text, quantity bigint, reason text, reference text, recorded_at bigint",
}

// recordMovement adds to the ledger. Whoever calls it saves the stock it changes.
func recordMovement(tx *sqldb.Tx, mv movement) {
	tx.Queue(&insertMovements, mv.SKU, mv.ID, mv.Quantity, string(mv.Reason), mv.Reference, mv.RecordedAt)
}
