package main

import (
	"context"
	"errors"
)

// The two sides of the part "edge": requests are counted and bounded, or not.
var (
	limited   = []string{"SHOP_RATE_LIMIT_STAFF=100000000"} // counted, and never reached
	unlimited = []string{"SHOP_RATE_LIMIT_CUSTOMER=0", "SHOP_RATE_LIMIT_ADDRESS=0", "SHOP_RATE_LIMIT_STAFF=0", "SHOP_RATE_LIMIT_FAILURES=0", "SHOP_MAX_CONCURRENT=0"}
)

// edge measures what limits and bound add to an order: the same flow with and without them, each in a shop of its own, taking turns. Tokens are asked for on both sides; what verifying one
// costs, and what the whole edge costs a request, is in BenchmarkTheEdge of cmd/shop.
func (b *bench) edge(ctx context.Context, rep int, kind string) error {
	sides := []side{{"limited", limited}, {"unlimited", unlimited}}
	if rep%2 == 0 { // nobody is always second
		sides[0], sides[1] = sides[1], sides[0]
	}
	for _, side := range sides {
		if err := b.edgeSide(ctx, rep, kind, side.name, side.settings); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) edgeSide(ctx context.Context, rep int, kind, name string, settings []string) (err error) {
	s, err := b.open(ctx, kind, "edge", 0, settings...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	for _, clients := range []int{1, 32} {
		l := load{clients: clients, work: placeOrders(2)}
		if err := b.measure(ctx, s.target(), l, record{Part: "edge", Subject: "shop-" + kind, Route: name, Rep: rep, Clients: clients, Lines: 2}); err != nil {
			return err
		}
	}
	return nil
}
