// Package catalog knows what is sold and for how much. It is the price authority: what an order pays is asked here.
//
// # Words
//
//	product    what is sold under a SKU; it is made and changed by saying what it shall be, and never deleted
//	SKU        the seller's own name for it: 1 to 64 letters, digits, dots, dashes and underscores
//	active     whether it can be ordered; a product that is not stays visible and keeps its price
//	version    counts the changes of one product, from 1; its ETag
//	change     the number of a transaction that changed products; they become visible in the order of their numbers,
//	           so "everything after 17" misses nothing
//
// # States
//
//	active ⇄ not active
//
// # Messages
//
//	out  shop.catalog.product.changed.v1   a product was made or changed; key: the SKU
//
// # Prices
//
// Prices are read from memory (prices.go). A change made in this process is seen from the moment it is durable, one made in
// another replica within a second.
package catalog
