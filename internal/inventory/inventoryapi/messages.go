package inventoryapi

import "shop/internal/platform/bus"

// Messages are what inventory is told and tells, type by type.
func Messages() []bus.Message {
	return []bus.Message{
		bus.Describe[ReserveStock]("Hold all lines or nothing. Answered by StockReserved or StockRefused."),
		bus.Describe[ExtendReservation]("Hold the stock for that long from now, if it is held."),
		bus.Describe[CommitReservation]("The goods are sold: the reservation does not expire any more. Answered only if that is too late, by ReservationLost."),
		bus.Describe[ReleaseStock]("Give the stock of a reservation back. Answered by StockReleased, also when there was nothing to release."),
		bus.Describe[ShipStock]("The goods of a committed reservation have left the house."),
		bus.Describe[StockReserved]("All lines are held, until expires_at."),
		bus.Describe[StockRefused]("Nothing is held; shortages says what there was too little of, and is empty when the reservation had been released before."),
		bus.Describe[StockReleased]("The reservation holds nothing any more."),
		bus.Describe[ReservationExpiring]("The time is up: unless it is extended, committed or released within the grace, the reservation expires."),
		bus.Describe[ReservationExpired]("Nobody answered ReservationExpiring; the stock is available to others again."),
		bus.Describe[ReservationLost]("A CommitReservation came after the expiry, and the stock is gone."),
	}
}
