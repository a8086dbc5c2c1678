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
		if err := b.measure(ctx, s, l, record{Part: "flow", Subject: "shop-" + kind, Rep: rep, Clients: clients, Lines: 2}); err != nil {
			return err
		}
	}
	return nil
}

// open makes a new shop that serves, with products, stock and a history of orders. close ends it and removes its data.
func (b *bench) open(ctx context.Context, kind, name string, history int) (*shop, error) {
	p, err := b.newPlace(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	s, err := p.serve(ctx)
	if err != nil {
		return nil, errors.Join(err, p.remove(ctx))
	}
	m := b.meter(s)
	if err := s.seed(ctx, m); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	if err := s.history(ctx, m, history); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// close stops the shop and removes its data, also when ctx has ended.
func (s *shop) close(ctx context.Context) error {
	err := s.stop()
	return errors.Join(err, s.remove(context.WithoutCancel(ctx)))
}
