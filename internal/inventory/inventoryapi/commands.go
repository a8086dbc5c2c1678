// Package inventoryapi is the language of inventory: what others may ask of it and hear from it. A reference is the caller's own name for
// a reservation, such as an order id; inventory does not look into it.
package inventoryapi

import (
	"shop/internal/platform/bus"
)

// Line is a quantity of one SKU; quantities are units, 1 or more.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity" doc:"Units"`
}

// ReserveStock asks for all lines or nothing. Answered by StockReserved or StockRefused. A second one with the same reference gets
// the first one's answer.
type ReserveStock struct {
	Reference   string `json:"reference"`
	Lines       []Line `json:"lines"`
	HoldSeconds int64  `json:"hold_seconds" doc:"How long the stock is held unless it is extended or committed; 0 leaves it to inventory"`
}

// ExtendReservation holds the stock for that long from now. Without effect on a reservation that is not held.
type ExtendReservation struct {
	Reference   string `json:"reference"`
	HoldSeconds int64  `json:"hold_seconds"`
}

// CommitReservation says that the goods are sold: the reservation does not expire any more. If it expired meanwhile and the stock cannot be had
// again, the answer is ReservationLost; otherwise there is none.
type CommitReservation struct {
	Reference string `json:"reference"`
}

// ReleaseStock gives the reservation's stock back. Answered by StockReleased, also when there was nothing to release; a ReserveStock that
// comes later is refused then.
type ReleaseStock struct {
	Reference string `json:"reference"`
	Reason    string `json:"reason"`
}

// ShipStock says that the goods of a committed reservation left the house: they leave on_hand and reserved.
type ShipStock struct {
	Reference string `json:"reference"`
}

var (
	reserveStock      = bus.NewCommand("inventory", "stock.reserve", 1)
	extendReservation = bus.NewCommand("inventory", "reservation.extend", 1)
	commitReservation = bus.NewCommand("inventory", "reservation.commit", 1)
	releaseStock      = bus.NewCommand("inventory", "stock.release", 1)
	shipStock         = bus.NewCommand("inventory", "stock.ship", 1)
)

func (ReserveStock) MessageType() bus.Type      { return reserveStock }
func (ExtendReservation) MessageType() bus.Type { return extendReservation }
func (CommitReservation) MessageType() bus.Type { return commitReservation }
func (ReleaseStock) MessageType() bus.Type      { return releaseStock }
func (ShipStock) MessageType() bus.Type         { return shipStock }

func (c ReserveStock) MessageKey() string      { return c.Reference }
func (c ExtendReservation) MessageKey() string { return c.Reference }
func (c CommitReservation) MessageKey() string { return c.Reference }
func (c ReleaseStock) MessageKey() string      { return c.Reference }
func (c ShipStock) MessageKey() string         { return c.Reference }
