package main

import (
	"context"
	"errors"
)

// flow measures orders of two lines from POST to confirmed, at each number of clients, in a shop that has carried some orders before.
func (b *bench) flow(ctx context.Context, rep int, kind string) (err error) {
	s, err := b.open(ctx, kind, "flow", b.history)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	for _, clients := range b.clients {
		l := load{clients: clients, work: placeOrders(2)}
		if err := b.measure(ctx, s.target(), l, record{Part: "flow", Subject: "shop-" + kind, Rep: rep, Clients: clients, Lines: 2}); err != nil {
			return err
		}
	}
	return nil
}
