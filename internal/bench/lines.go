package main

import (
	"context"
	"errors"
)

// lineLoads are the sizes of orders, and at how many clients each is measured: one shows what an order takes by itself, eight what it costs when
// there is work to share.
var lineLoads = []struct{ lines, clients int }{{2, 1}, {500, 1}, {2, 8}, {10, 8}, {100, 8}, {500, 8}}

// orderLines measures orders of few and of many lines.
func (b *bench) orderLines(ctx context.Context, rep int, kind string) (err error) {
	s, err := b.open(ctx, kind, "lines", b.history)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	for _, l := range lineLoads {
		r := record{Part: "lines", Subject: "shop-" + kind, Rep: rep, Clients: l.clients, Lines: l.lines}
		if err := b.measure(ctx, s.target(), load{clients: l.clients, work: placeOrders(l.lines)}, r); err != nil {
			return err
		}
	}
	return nil
}
