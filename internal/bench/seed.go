package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
)

const (
	seeders = 64            // clients that fill the catalog
	onHand  = 1_000_000_000 // units of each SKU: no order is refused
)

// seed gives a shop its products and their stock, through its API.
func (s *shop) seed(ctx context.Context) error {
	var next atomic.Int64
	return s.drive(ctx, load{clients: seeders, limit: skus, work: func(w *worker) error {
		n := next.Add(1)
		w.buf = fmt.Appendf(w.buf[:0], `{"name":"Product %d","description":"The product number %d of the measurement: sold one or two at a time, and never out of stock.","price":{"amount":%d,"currency":"EUR"}}`,
			n, n, 500+n*7919%9500)
		if err := w.expect(http.MethodPut, fmt.Sprintf("/v1/products/SKU-%d", n), "", w.buf, http.StatusCreated); err != nil {
			return err
		}
		w.buf = fmt.Appendf(w.buf[:0], `{"quantity":%d,"reason":"received"}`, onHand)
		return w.expect(http.MethodPost, fmt.Sprintf("/v1/inventory/SKU-%d/movements", n), fmt.Sprintf("Idempotency-Key: delivery-%d\r\n", n), w.buf, http.StatusCreated)
	}})
}

func (w *worker) expect(method, path, headers string, body []byte, want int) error {
	status, answer, err := w.do(method, path, headers, body)
	if err == nil && status != want {
		err = fmt.Errorf("%s %s: status %d: %.300s", method, path, status, answer)
	}
	return err
}

// history has a shop carry orders of two lines, and then gives PostgreSQL fresh statistics: on empty tables its plans are
// made for empty tables, and figures depend on when autovacuum comes by.
func (s *shop) history(ctx context.Context, orders int) error {
	if orders == 0 {
		return nil
	}
	if err := s.drive(ctx, load{clients: 32, limit: int64(orders), work: placeOrders(2)}); err != nil {
		return err
	}
	if s.cluster == nil {
		return nil
	}
	return s.cluster.settle(ctx, s.name)
}

// drive runs a load that prepares a measurement: nothing may go wrong in it.
func (s *shop) drive(ctx context.Context, l load) error {
	l.addr, l.headers = s.addr, s.headers
	o, err := l.run(ctx, nil, 0)
	if err == nil && o.errors > 0 {
		err = fmt.Errorf("preparing %s: %d errors, the first: %w", s.kind, o.errors, o.first)
	}
	return err
}
