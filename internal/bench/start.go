package main

import (
	"context"
	"errors"
	"time"
)

// starts is how often a program is started to say how long that takes.
const starts = 5

// The two ways to start.
const (
	startFirst = "first"
	startAgain = "again"
)

// start measures how long a shop takes from the start of its process to the first 200 of /readyz: with no data at all (PostgreSQL's schema is there,
// SQLite's files it makes itself) and with its databases as they were left; and then what it uses while nobody asks it for anything.
func (b *bench) start(ctx context.Context, rep int, kind string) error {
	for n := 1; n <= starts; n++ {
		if err := b.startOnce(ctx, (rep-1)*starts+n, kind, n == starts); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) startOnce(ctx context.Context, rep int, kind string, idle bool) (err error) {
	p, err := b.newPlace(ctx, kind, "start")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.remove(context.WithoutCancel(ctx))) }()
	for _, way := range []string{startFirst, startAgain} {
		s, err := p.serve(ctx)
		if err != nil {
			return err
		}
		r := record{Part: "start", Subject: "shop-" + kind, Route: way, Rep: rep, Figures: map[string]float64{startup: milliseconds(s.startup)}}
		if idle && way == startAgain {
			err = b.idle(ctx, s, r.Figures)
		}
		if err := errors.Join(err, s.stop(), b.journal.add(r)); err != nil {
			return err
		}
	}
	return nil
}

// idle adds what a shop uses while it has nothing to do.
func (b *bench) idle(ctx context.Context, s *shop, f map[string]float64) error {
	if err := pause(ctx, 3*time.Second); err != nil { // until what a start costs is over
		return err
	}
	m := b.meter(s.process)
	began := m.read()
	if err := pause(ctx, b.secs); err != nil {
		return err
	}
	used := between(began, m.read())
	f[idleCPU] = 100 * used.cpu["program"].Seconds() / used.wall.Seconds()
	if s.cluster != nil {
		f[idlePostgres] = 100 * used.cpu["postgres"].Seconds() / used.wall.Seconds()
	}
	f[memory], f[foreign] = residentNow(s.pid()), used.foreign
	return nil
}
