// Package inventory knows how much there is of each SKU, and for whom how much of it is held. It promises that what is sold is there: a reservation gets all
// its lines or nothing, and no unit is promised twice.
//
// # Words
//
//	on hand      units in the house
//	reserved     units of these that are promised to somebody; never more than on hand
//	available    on hand less reserved: what can still be promised
//	movement     a change of on hand with its reason: received, adjusted, returned, damaged, shipped. The ledger of movements
//	             only grows; the movements of a SKU sum to its on hand
//	reservation  lines held under a reference, the caller's own name for it, such as an order id
//	line         a quantity of one SKU
//	grace        how long the owner of a reservation whose time is up has to ask for more
//
// # States of a reservation
//
//	(none)     → held | refused | released
//	held       → committed | released | expired
//	committed  → shipped | released
//	expired    → committed, if the stock can be had again | released
//	refused, shipped, released are final
//
// Held and committed ones count as reserved. A release that comes before the reservation leaves a released one behind, so that the
// reservation is refused when it comes.
//
// # Messages
//
//	in   stock.reserve          hold all lines, or nothing     → stock.reserved | stock.refused
//	in   reservation.extend     hold them from now on for …
//	in   reservation.commit     sold: does not expire any more → nothing | reservation.lost
//	in   stock.release          give the stock back            → stock.released
//	in   stock.ship             the goods left the house
//	out  stock.reserved         held until expires_at
//	out  stock.refused          nothing is held; what is short
//	out  stock.released         holds nothing any more
//	out  reservation.expiring   the time is up: extend it within the grace, or it expires
//	out  reservation.expired    the stock is available to others again
//	out  reservation.lost       a commit came after the expiry and the stock is gone
//
// A command that comes twice gets the same answer. Shipping what is not committed is an error.
//
// # How stock is kept right
//
// A transaction applies a whole batch of commands. It reads the rows that they name without locking them, decides in memory on its view
// of these rows, and writes once at its end, each row once: reservations if their version is still the one that was read, stock as
// changes ("3 more reserved") if the sum still keeps 0 ≤ reserved ≤ on hand. When another transaction was faster and a row does not
// fit any more, the whole batch is decided anew. So hot rows are locked only while a transaction commits, in one order
// everywhere, and two sales of one product that is not scarce never disturb each other. CHECK constraints stand behind it.
package inventory
