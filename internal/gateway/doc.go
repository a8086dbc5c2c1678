// Package gateway is the single entry. A context that this process hosts has its operations on the same web.Edge, and the gateway has nothing to do with them, unless
// it is hosted elsewhere too and answers a share of the requests there. To the others it leads the way, if it knows where they are:
//
//	routes.go    which addresses are which context's
//	proxy.go     how a request gets to a context elsewhere, and its answer back
//	share.go     which requests take it of a context that is hosted here and elsewhere
//	mirror.go    asking both, and comparing (compare.go)
//	headers.go   which headers go along
//	details.go   an order with what all the contexts know of it, in one answer
//	profiles.go  the customer's part of that, from a cache that hears of changes
//
// Every process verifies tokens itself and every heart checks whose things it shows, so that a context elsewhere is as safe when somebody finds the way there without the
// gateway. What is on no context's list of addresses, the gateway does not lead to: such as the operations that programs have for one another, and the admin port.
package gateway
