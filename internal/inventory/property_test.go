package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
)

// ideal is inventory as it should be, in the plainest words: no batches, no views, no database.
type ideal struct {
	now          time.Time
	onHand       map[string]int64
	reserved     map[string]int64
	reservations map[string]*idealReservation
}

type idealReservation struct {
	status    status
	lines     map[string]int64
	expiresAt time.Time
	asked     time.Time
	answer    any
}

func (w *ideal) short(lines map[string]int64) (short []inventoryapi.Shortage) {
	for _, sku := range slices.Sorted(maps.Keys(lines)) {
		if available := w.onHand[sku] - w.reserved[sku]; available < lines[sku] {
			short = append(short, inventoryapi.Shortage{SKU: sku, Requested: lines[sku], Available: available})
		}
	}
	return short
}

func (w *ideal) add(to map[string]int64, lines map[string]int64, sign int64) {
	for sku, n := range lines {
		to[sku] += sign * n
	}
}

// apply says what is published, and whether the command is an error.
func (w *ideal) apply(c bus.Body) (published []any, fails bool) {
	ref := c.MessageKey()
	r := w.reservations[ref]
	switch c := c.(type) {
	case inventoryapi.ReserveStock:
		switch {
		case r != nil && r.status == released:
			return []any{refusedFor(ref)}, false
		case r != nil:
			return []any{r.answer}, false
		}
		r = &idealReservation{lines: map[string]int64{}}
		w.reservations[ref] = r
		for _, l := range c.Lines {
			r.lines[l.SKU] += l.Quantity
		}
		if short := w.short(r.lines); len(short) > 0 {
			r.status, r.answer = refused, refusedFor(ref, short...)
			return []any{r.answer}, false
		}
		r.status, r.expiresAt = held, w.now.Add(time.Duration(c.HoldSeconds)*time.Second)
		r.answer = inventoryapi.StockReserved{Reference: ref, ExpiresAt: r.expiresAt}
		w.add(w.reserved, r.lines, 1)
		return []any{r.answer}, false
	case inventoryapi.ExtendReservation:
		if r != nil && r.status == held {
			r.expiresAt, r.asked = w.now.Add(time.Duration(c.HoldSeconds)*time.Second), time.Time{}
			r.answer = inventoryapi.StockReserved{Reference: ref, ExpiresAt: r.expiresAt}
		}
		return nil, false
	case inventoryapi.CommitReservation:
		switch {
		case r == nil || r.status == released || r.status == refused:
			return []any{lost(ref)}, false
		case r.status == expired:
			if short := w.short(r.lines); len(short) > 0 {
				return []any{lost(ref, short...)}, false
			}
			w.add(w.reserved, r.lines, 1)
			r.status = committed
		case r.status == held:
			r.status = committed
		}
		return nil, false
	case inventoryapi.ReleaseStock:
		switch {
		case r == nil:
			w.reservations[ref] = &idealReservation{status: released}
		case r.status == held || r.status == committed:
			w.add(w.reserved, r.lines, -1)
			r.status = released
		case r.status == expired:
			r.status = released
		}
		return []any{releasedFor(ref)}, false
	case inventoryapi.ShipStock:
		switch {
		case r != nil && r.status == shipped:
		case r == nil || r.status != committed:
			return nil, true
		default:
			w.add(w.onHand, r.lines, -1)
			w.add(w.reserved, r.lines, -1)
			r.status = shipped
		}
		return nil, false
	}
	panic("unknown command")
}

func (w *ideal) sweep(grace time.Duration) (published []any) {
	for ref, r := range w.reservations {
		switch {
		case r.status != held || w.now.Before(r.expiresAt):
		case r.asked.IsZero():
			r.asked = w.now
			published = append(published, inventoryapi.ReservationExpiring{Reference: ref})
		case !w.now.Before(r.asked.Add(grace)):
			w.add(w.reserved, r.lines, -1)
			r.status = expired
			published = append(published, inventoryapi.ReservationExpired{Reference: ref})
		}
	}
	return published
}

// move says whether the movement is possible, and makes it.
func (w *ideal) move(mv movement) bool {
	if _, known := w.onHand[mv.SKU]; !known && mv.Reason != reasonReceived || w.onHand[mv.SKU]+mv.Quantity < w.reserved[mv.SKU] {
		return false
	}
	w.onHand[mv.SKU] += mv.Quantity
	return true
}

func TestWhateverIsAskedInventoryDoesWhatItShouldAndStaysSound(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			checkAgainstIdeal(rt, h, fmt.Sprintf("R%d-", run))
		})
	})
}

func checkAgainstIdeal(rt *rapid.T, h *house, prefix string) {
	h.lapse(10 * time.Minute) // what an earlier run has left behind; after an hour each time a round would go through a whole day
	w := &ideal{now: h.clock.Now(), onHand: map[string]int64{}, reserved: map[string]int64{}, reservations: map[string]*idealReservation{}}
	for range rapid.IntRange(1, 25).Draw(rt, "batches") {
		if rapid.IntRange(0, 4).Draw(rt, "kind") == 0 {
			forward := time.Duration(rapid.IntRange(0, 20).Draw(rt, "seconds")) * time.Second
			h.clock.Advance(forward)
			w.now = w.now.Add(forward)
			require.NoError(rt, h.m.sweep(context.Background()))
			require.ElementsMatch(rt, w.sweep(h.m.grace), h.published())
			continue
		}
		var jobs []job
		var wanted []any
		var fails []bool
		for range rapid.IntRange(1, 12).Draw(rt, "jobs") {
			job, published, failing := drawJob(rt, h, w, prefix)
			jobs, wanted, fails = append(jobs, job), append(wanted, published...), append(fails, failing)
		}
		for i, err := range h.together(jobs...) {
			require.Equal(rt, fails[i], err != nil, "job %d: %v", i, err)
		}
		require.Equal(rt, wanted, h.published())
	}
	for sku, onHand := range w.onHand {
		h.requireLevel(sku, onHand, w.reserved[sku])
	}
	for ref, r := range w.reservations {
		h.requireStatus(ref, r.status)
	}
	findings, err := h.m.Audit(context.Background())
	require.NoError(rt, err)
	require.Empty(rt, findings)
}

// drawJob draws a command or a movement, and says what should come of it.
func drawJob(rt *rapid.T, h *house, w *ideal, prefix string) (run job, published []any, fails bool) {
	sku := rapid.Map(rapid.IntRange(1, 3), func(i int) string { return fmt.Sprintf("%sSKU%d", prefix, i) })
	reference := rapid.Map(rapid.IntRange(1, 8), func(i int) string { return fmt.Sprintf("%sord%d", prefix, i) }).Draw(rt, "reference")
	seconds := rapid.Int64Range(1, 30)
	var c bus.Body
	switch rapid.SampledFrom([]string{"move", "reserve", "reserve", "reserve", "commit", "commit", "ship", "release", "extend"}).Draw(rt, "what") {
	case "move":
		quantity := rapid.Int64Range(-5, 15).Filter(func(n int64) bool { return n != 0 }).Draw(rt, "quantity")
		why := reasonReceived
		if quantity < 0 {
			why = reasonDamaged
		}
		mv := newMovement(sku.Draw(rt, "sku"), quantity, why, "", w.now)
		possible := w.move(mv)
		return func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := move(ctx, tx, []movement{mv}, w.now, func(int, string) string { return "" })
			return err
		}, nil, !possible
	case "reserve":
		lines := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) inventoryapi.Line {
			return line(sku.Draw(rt, "sku"), rapid.Int64Range(1, 6).Draw(rt, "quantity"))
		}), 1, 4).Draw(rt, "lines")
		c = inventoryapi.ReserveStock{Reference: reference, Lines: lines, HoldSeconds: seconds.Draw(rt, "hold")}
	case "commit":
		c = commitOf(reference)
	case "ship":
		c = shipOf(reference)
	case "release":
		c = releaseOf(reference)
	default:
		c = inventoryapi.ExtendReservation{Reference: reference, HoldSeconds: seconds.Draw(rt, "hold")}
	}
	published, fails = w.apply(c)
	return h.handle(c), published, fails
}
