package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const (
	storedClients = 32
	sqliteStored  = 300_000 // more than that is not what SQLite is for
	originals     = 1000    // orders that a shop carried, and that were then copied
)

// levels are how many orders are stored, on this database.
func (b *bench) levels(kind string) []int {
	var levels []int
	for _, n := range b.stored {
		if kind == sqlite {
			n = min(n, sqliteStored)
		}
		levels = append(levels, n)
	}
	return levels
}

// storedOrders measures the flow in a shop that is empty but for its products, and in shops with many orders.
func (b *bench) storedOrders(ctx context.Context, rep int, kind string) error {
	for _, orders := range b.levels(kind) {
		if err := b.storedLevel(ctx, rep, kind, orders); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) storedLevel(ctx context.Context, rep int, kind string, orders int) (err error) {
	var s *shop
	if orders == 0 {
		if s, err = b.open(ctx, kind, "empty", 0); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close(ctx)) }()
	} else {
		p, err := b.filled(ctx, kind, orders)
		if err != nil {
			return err
		}
		if s, err = p.serve(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
	}
	l := load{clients: storedClients, work: placeOrders(2)}
	return b.measure(ctx, s.target(), l, record{Part: "stored", Subject: "shop-" + kind, Rep: rep, Clients: storedClients, Lines: 2, Stored: orders})
}

// filled is a place with so many orders. It is made once, and kept for all repetitions; each adds the few that it measures.
func (b *bench) filled(ctx context.Context, kind string, orders int) (*place, error) {
	name := fmt.Sprintf("filled_%d", orders)
	if p := b.places[name+kind]; p != nil {
		return p, nil
	}
	began := time.Now()
	s, err := b.open(ctx, kind, name, 0)
	if err != nil {
		return nil, err
	}
	first, err := s.originals(ctx)
	if err := errors.Join(err, s.stop()); err != nil {
		return nil, err
	}
	rand8 := func() string { return fmt.Sprintf("%08x", rand.Uint32()) }
	if err := s.clone(ctx, first, orders/originals-1, rand8); err != nil {
		return nil, err
	}
	if s.cluster != nil {
		if err := s.cluster.settle(ctx, s.name); err != nil {
			return nil, err
		}
	}
	took := time.Since(began).Round(time.Second)
	audit, err := s.audit(ctx, orders)
	if err != nil {
		return nil, err
	}
	r := record{Part: "fill", Subject: "shop-" + kind, Stored: orders, Notes: map[string]string{"took": took.String(), "audit": audit}}
	if r.Figures, err = s.size(ctx); err != nil {
		return nil, err
	}
	b.places[name+kind] = s.place
	return s.place, b.journal.add(r)
}

// originals waits for a new window of time, has the shop carry the orders to copy, and waits until nothing is left to do for them.
func (s *shop) originals(ctx context.Context) (window, error) {
	seeded := windowAt(time.Now())
	for windowAt(time.Now()) == seeded {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
	first := windowAt(time.Now())
	if err := s.drive(ctx, load{clients: 32, limit: originals, work: placeOrders(2)}); err != nil {
		return 0, err
	}
	for idle := 0; idle < 3; {
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, err
		}
		metrics, err := s.metrics(ctx)
		if err != nil {
			return 0, err
		}
		if idle++; metrics["shop_outbox_pending"] > 0 {
			idle = 0
		}
	}
	if windowAt(time.Now()) > first+1 {
		return 0, fmt.Errorf("the %d orders to copy took longer than %v", originals, 2*windowLength)
	}
	return first, nil
}

// audit has the program check its invariants on the place, which takes a while, and returns what it says in short. Errors: that not so many orders are there.
func (p *place) audit(ctx context.Context, orders int) (string, error) {
	out, err := p.command(ctx, "audit", "-o", "json").Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: it found something
		return "failed: " + err.Error(), nil
	}
	var report struct {
		OK       bool
		Findings []struct{ Invariant, Context, Detail string }
		Checked  []struct{ Rows map[string]int }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return "", fmt.Errorf("reading what the audit says: %w", err)
	}
	stored := 0
	for _, c := range report.Checked {
		stored += c.Rows["order_summaries"]
	}
	switch {
	case stored != orders:
		return "", fmt.Errorf("%d orders are stored, not %d", stored, orders)
	case !report.OK && len(report.Findings) > 0:
		return fmt.Sprintf("%d findings, such as %+v", len(report.Findings), report.Findings[0]), nil
	}
	return "clean", nil
}

// size is how many bytes the place takes.
func (p *place) size(ctx context.Context) (map[string]float64, error) {
	if p.cluster == nil {
		size, err := sizeOf(p.dir)
		return map[string]float64{storedBytes: size}, err
	}
	out, err := p.cluster.psql(ctx, p.name, "-c", sizeQuery)
	if err != nil {
		return nil, err
	}
	size, err := strconv.ParseFloat(out, 64)
	return map[string]float64{storedBytes: size}, err
}

func sizeOf(dir string) (float64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return float64(sum), err
}
