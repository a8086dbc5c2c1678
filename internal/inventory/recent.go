package inventory

import (
	"sync"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/generations"
	"shop/internal/platform/sqldb"
)

// recentSize is how many reservations are remembered, twice over; with more than recentLines lines one is not. At some 300 bytes each that is a megabyte or two.
const (
	recentSize  = 2048
	recentLines = 20
)

// recent remembers the reservations that this process made lately, as they were written: most are committed a moment later, and need not be read for that.
type recent struct {
	mu   sync.Mutex
	made *generations.Map[string, reservation]
}

func newRecent() *recent { return &recent{made: generations.New[string, reservation](recentSize)} }

func (c *recent) put(r reservation) {
	if len(r.lines) > recentLines {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made.Put(r.reference, r)
}

// take forgets the reservation: once it was asked for it changes.
func (c *recent) take(reference string) (reservation, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made.Take(reference)
}

// assumeHeld takes it that what was reserved here lately is still as it was. The version that saveReservation wants finds out. What is not remembered is read.
func (m *Module) assumeHeld(tx *sqldb.Tx, commands []inventoryapi.CommitReservation) {
	for _, c := range commands {
		if _, known := tx.Local(reservationKey(c.Reference)); known {
			continue
		}
		if r, ok := m.recent.take(c.Reference); ok {
			tx.SetLocal(reservationKey(c.Reference), r)
		}
	}
}

// remember keeps a reservation once it is durable.
func (m *Module) remember(tx *sqldb.Tx, r reservation) {
	r.version = 1 // as it was inserted
	tx.AfterCommit(func() { m.recent.put(r) })
}
