package gateway

import "time"

// route says which addresses lead to a context.
type route struct {
	context  string
	under    []string      // below /v1, and every other version
	deadline time.Duration // for an answer; what the caller allows with Prefer: wait comes on top
}

// versions of the API that a context may serve, side by side.
var versions = []string{"v1", "v2"}

// routes is the map of the API.
var routes = []route{
	{"catalog", []string{"products"}, 10 * time.Second},
	{"customers", []string{"customers"}, 10 * time.Second},
	{"inventory", []string{"inventory"}, 10 * time.Second},
	{"orders", []string{"orders"}, 15 * time.Second},
	{"payments", []string{"payments"}, 30 * time.Second}, // a refund waits for the payment provider
	{"shipping", []string{"shipments", "shipping"}, 10 * time.Second},
	{"notifications", []string{"notifications"}, 10 * time.Second},
}
