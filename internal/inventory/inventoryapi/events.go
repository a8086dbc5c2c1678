package inventoryapi

import (
	"time"

	"shop/internal/platform/bus"
)

// Shortage is a SKU of which there was too little.
type Shortage struct {
	SKU       string `json:"sku"`
	Requested int64  `json:"requested" doc:"Units"`
	Available int64  `json:"available" doc:"Units"`
}

// StockReserved: all lines are held until ExpiresAt.
type StockReserved struct {
	Reference string    `json:"reference"`
	ExpiresAt time.Time `json:"expires_at"`
}

// StockRefused: nothing is held. Shortages is empty when the reservation had been released before it was asked for.
type StockRefused struct {
	Reference string     `json:"reference"`
	Shortages []Shortage `json:"shortages"`
}

// StockReleased: the reservation holds nothing any more.
type StockReleased struct {
	Reference string `json:"reference"`
}

// ReservationExpiring: the time is up. Unless it is extended, committed or released within the grace, the reservation expires.
type ReservationExpiring struct {
	Reference string `json:"reference"`
}

// ReservationExpired: nobody answered ReservationExpiring; the stock is available to others again.
type ReservationExpired struct {
	Reference string `json:"reference"`
}

// ReservationLost: a CommitReservation came after the expiry and the stock is gone.
type ReservationLost struct {
	Reference string     `json:"reference"`
	Shortages []Shortage `json:"shortages"`
}

var (
	stockReserved       = bus.NewEvent("inventory", "stock.reserved", 1)
	stockRefused        = bus.NewEvent("inventory", "stock.refused", 1)
	stockReleased       = bus.NewEvent("inventory", "stock.released", 1)
	reservationExpiring = bus.NewEvent("inventory", "reservation.expiring", 1)
	reservationExpired  = bus.NewEvent("inventory", "reservation.expired", 1)
	reservationLost     = bus.NewEvent("inventory", "reservation.lost", 1)
)

func (StockReserved) MessageType() bus.Type       { return stockReserved }
func (StockRefused) MessageType() bus.Type        { return stockRefused }
func (StockReleased) MessageType() bus.Type       { return stockReleased }
func (ReservationExpiring) MessageType() bus.Type { return reservationExpiring }
func (ReservationExpired) MessageType() bus.Type  { return reservationExpired }
func (ReservationLost) MessageType() bus.Type     { return reservationLost }

func (e StockReserved) MessageKey() string       { return e.Reference }
func (e StockRefused) MessageKey() string        { return e.Reference }
func (e StockReleased) MessageKey() string       { return e.Reference }
func (e ReservationExpiring) MessageKey() string { return e.Reference }
func (e ReservationExpired) MessageKey() string  { return e.Reference }
func (e ReservationLost) MessageKey() string     { return e.Reference }
