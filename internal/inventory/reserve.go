package inventory

import (
	"context"
	"time"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// ErrInvalidHold: stock cannot be held for a negative time.
var ErrInvalidHold = fault.New(fault.Invalid, "invalid_hold", "hold_seconds must not be negative")

// longestHold is what a longer hold_seconds is cut to.
const longestHold = 30 * 24 * time.Hour

// prefetchForReserve loads the reservations and the stock that a batch of commands names. Names that no SKU can have are left to the command
// that is wrong: its neighbours must not fail with it.
func prefetchForReserve(ctx context.Context, tx *sqldb.Tx, commands []inventoryapi.ReserveStock) error {
	if err := prefetch(ctx, tx, commands); err != nil {
		return err
	}
	var skus []string
	for _, c := range commands {
		for _, l := range c.Lines {
			if inventoryapi.ValidSKU(l.SKU) {
				skus = append(skus, l.SKU)
			}
		}
	}
	return loadStock(ctx, tx, skus)
}

// assumeEnough takes it that the references are new and that there is enough of everything. Inserting the reservation and changing the stock find out.
func assumeEnough(tx *sqldb.Tx, commands []inventoryapi.ReserveStock) {
	for _, c := range commands {
		if _, known := tx.Local(reservationKey(c.Reference)); !known {
			tx.SetLocal(reservationKey(c.Reference), reservation{reference: c.Reference})
		}
		for _, l := range c.Lines {
			s := stockOf(tx, l.SKU)
			s.enough = true
			tx.SetLocal(stockKey(l.SKU), s)
		}
	}
}

// reserve holds all lines or nothing. What was answered once for a reference is answered again. Errors: ErrInvalidLines, ErrInvalidHold.
func (m *Module) reserve(ctx context.Context, tx *sqldb.Tx, c inventoryapi.ReserveStock) error {
	r, err := reservationOf(ctx, tx, c.Reference)
	if err != nil {
		return err
	}
	if r.status == none {
		if r, err = m.decide(ctx, tx, r, c); err != nil {
			return err
		}
	}
	return m.endpoint.Publish(ctx, tx, r.answer())
}

// decide makes a reservation of which nobody has spoken yet held or refused.
func (m *Module) decide(ctx context.Context, tx *sqldb.Tx, r reservation, c inventoryapi.ReserveStock) (reservation, error) {
	lines, err := merge(c.Lines)
	if err != nil {
		return r, err
	}
	hold, err := m.holdFor(c.HoldSeconds)
	if err != nil {
		return r, err
	}
	short, err := shortagesOf(ctx, tx, lines)
	if err != nil {
		return r, err
	}
	now, next := m.clock.Now(), held
	if len(short) > 0 {
		next = refused
	}
	if r, err = r.become(next, now); err != nil {
		return r, err
	}
	r.lines, r.shortages = lines, short
	if next == held {
		r.trace = telemetry.ToStore(ctx)
		r = r.until(now.Add(hold), now)
		take(tx, lines, now)
	}
	saveReservation(tx, r)
	if next == held {
		m.remember(tx, r)
	} else {
		tx.AfterCommit(m.stockOuts.Inc)
	}
	return r, nil
}

// holdFor is how long a caller wants stock to be held; 0 seconds leaves it to us. Errors: ErrInvalidHold.
func (m *Module) holdFor(seconds int64) (time.Duration, error) {
	switch {
	case seconds < 0:
		return 0, ErrInvalidHold
	case seconds == 0:
		return m.hold, nil
	}
	return time.Duration(min(seconds, int64(longestHold/time.Second))) * time.Second, nil
}
