package inventory

import (
	"slices"
	"strings"
	"time"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/fault"
)

// status is the state of a reservation.
type status string

const (
	none      status = "" // nobody has spoken of this reference yet
	held      status = "held"
	committed status = "committed"
	shipped   status = "shipped"
	released  status = "released"
	expired   status = "expired"
	refused   status = "refused"
)

// transitions are the ways between states; there are no others.
var transitions = map[status][]status{
	none:      {held, refused, released},
	held:      {committed, released, expired},
	committed: {shipped, released},
	expired:   {committed, released},
}

var (
	// ErrIllegalTransition: the reservation is in a state in which that cannot be done.
	ErrIllegalTransition = fault.New(fault.Conflict, "illegal_transition", "the reservation is not in a state for that")
	// ErrInvalidLines: a reservation needs lines, each with a SKU and a quantity of 1 or more.
	ErrInvalidLines = fault.New(fault.Invalid, "invalid_lines", "each line needs a SKU and a quantity of 1 or more")
)

// maxQuantity bounds the units of one line and of one movement, so that no sum of them overflows.
const maxQuantity = 1_000_000_000

// reservation is what is held for a reference. It is a value: methods return the changed one.
type reservation struct {
	reference string
	status    status
	lines     []inventoryapi.Line     // sorted by SKU, one a SKU
	shortages []inventoryapi.Shortage // why it was refused
	version   int64                   // as stored; 0 when it is not
	expiresAt time.Time
	askedAt   time.Time // when ReservationExpiring was published; zero when it was not
	trace     string    // of a new one: in which it goes on when its time is up; see telemetry.Rejoin
	createdAt time.Time
	updatedAt time.Time
}

// become changes the state. Errors: ErrIllegalTransition.
func (r reservation) become(s status, now time.Time) (reservation, error) {
	if !slices.Contains(transitions[r.status], s) {
		return r, ErrIllegalTransition
	}
	if r.status == none {
		r.createdAt = now
	}
	r.status, r.updatedAt = s, now
	return r, nil
}

// holds reports whether the lines count as reserved.
func (r reservation) holds() bool { return r.status == held || r.status == committed }

// until makes a held reservation last until then, and a question that was asked already void.
func (r reservation) until(then, now time.Time) reservation {
	r.expiresAt, r.askedAt, r.updatedAt = then, time.Time{}, now
	return r
}

// answer is what ReserveStock is answered, the first time and every time after.
func (r reservation) answer() bus.Body {
	switch r.status {
	case refused, released:
		return inventoryapi.StockRefused{Reference: r.reference, Shortages: orEmpty(r.shortages)}
	default:
		return inventoryapi.StockReserved{Reference: r.reference, ExpiresAt: r.expiresAt}
	}
}

// orEmpty is [] in JSON, never null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// merge sorts the lines by SKU and sums those of one SKU. Errors: ErrInvalidLines.
func merge(lines []inventoryapi.Line) ([]inventoryapi.Line, error) {
	if len(lines) == 0 {
		return nil, ErrInvalidLines
	}
	sorted := slices.Clone(lines)
	slices.SortFunc(sorted, func(a, b inventoryapi.Line) int { return strings.Compare(a.SKU, b.SKU) })
	merged := sorted[:0]
	for _, l := range sorted {
		if !inventoryapi.ValidSKU(l.SKU) || l.Quantity < 1 || l.Quantity > maxQuantity {
			return nil, ErrInvalidLines
		}
		if n := len(merged); n > 0 && merged[n-1].SKU == l.SKU {
			merged[n-1].Quantity += l.Quantity
			continue
		}
		merged = append(merged, l)
	}
	return merged, nil
}
