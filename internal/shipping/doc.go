// Package shipping knows the parcels: one for each reference that a caller gives, such as an order id. It does not look into the reference.
//
// # Words
//
//	shipment   one parcel with its lines and address; there is one for a reference, for good
//	reference  the caller's name for what is shipped
//	owner      the customer who may see the shipment, as the caller names them
//	tombstone  a reference that was cancelled before its shipment was asked for: it never gets one
//	carrier    who brings the parcel, as the operator names it at dispatch, with the carrier's tracking number
//	estimate   what it costs to ship some units to a country, and how many days it takes (internal/carrier)
//
// # States
//
//	created → dispatched → delivered → returned
//	created → cancelled
//	dispatched → returned
//
// # Messages
//
//	in   shop.shipping.shipment.create.v1         make a shipment; a repetition changes nothing and is answered again
//	in   shop.shipping.shipment.cancel.v1         do not send it
//	out  shop.shipping.shipment.created.v1        answers create; a reference that was cancelled gets no answer and no shipment
//	out  shop.shipping.shipment.cancelled.v1      answers cancel: no parcel leaves
//	out  shop.shipping.shipment.not_cancelled.v1  answers cancel: too late, it has left
//	out  shop.shipping.shipment.dispatched.v1     the carrier has it
//	out  shop.shipping.shipment.delivered.v1      the customer has it
//	out  shop.shipping.shipment.returned.v1       it came back
//
// The key of every message is the reference.
package shipping
