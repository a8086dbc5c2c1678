package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	quietPercent   = 8  // of the machine may be used by others when a run begins
	foreignPercent = 12 // and this much during it
	tries          = 3  // runs above that are repeated
)

// awaitQuiet waits until others have left the machine alone for three seconds, or for as long as the settings say.
func (b *bench) awaitQuiet(ctx context.Context, m meter) error {
	calm := 0
	for end := time.Now().Add(b.quiet); calm < 3 && time.Now().Before(end); {
		began := m.read()
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		if between(began, m.read()).foreign <= quietPercent {
			calm++
		} else {
			calm = 0
		}
	}
	return nil
}

// undisturbed measures until others keep out of it, at most tries times, and returns the least disturbed record, marked if it was disturbed all the same.
func (b *bench) undisturbed(ctx context.Context, m meter, once func() (record, error)) (best record, err error) {
	for try := range tries {
		if err := b.awaitQuiet(ctx, m); err != nil {
			return best, err
		}
		r, err := once()
		if err != nil {
			return best, err
		}
		if try == 0 || r.Figures[foreign] < best.Figures[foreign] {
			best = r
		}
		if best.Figures[foreign] <= foreignPercent {
			return best, nil
		}
	}
	best.Marks = append(best.Marks, fmt.Sprintf("others used %.0f %% of the machine", best.Figures[foreign]))
	return best, nil
}

// target is a server to measure.
type target struct {
	*process
	cluster  *cluster                                          // where it stores; nil when that is not PostgreSQL
	database string                                            // its name there, if earlier runs have left something in it
	counts   func(context.Context) (map[string]float64, error) // what it says of itself, by figure, as sums since it began
}

// measure drives the load against a target and records what happened, under the names that r has already. beside are processes that work for the target.
func (b *bench) measure(ctx context.Context, t target, l load, r record, beside ...*process) error {
	l.addr, l.headers, l.warm, l.measure = t.addr, t.headers, b.warm, b.secs
	m := b.meter(t.process, beside...)
	best, err := b.undisturbed(ctx, m, func() (record, error) { return t.measureOnce(ctx, l, m, r) })
	if err != nil {
		return err
	}
	return b.journal.add(best)
}

// meter accounts for the program, for what works for it, and, if there is one, for the cluster.
func (b *bench) meter(p *process, beside ...*process) meter {
	m := meter{}
	if p != nil {
		m["program"] = p.pid()
	}
	for i, p := range beside {
		m["beside_"+strconv.Itoa(i)] = p.pid()
	}
	if b.cluster != nil {
		m["postgres"] = b.cluster.Pid()
	}
	return m
}

// measureOnce takes rates, latencies, CPU and memory from the measured time. What is counted, such as statements, is divided by the orders of the whole
// load, from one silence to the next: so each order is counted with all that was done for it, also what came after its confirmation. What earlier runs left to be vacuumed is vacuumed
// first, since after a checkpoint every page of it would be logged whole, in the run in which autovacuum happens to come by. The anchors' tables are new in each run.
func (t target) measureOnce(ctx context.Context, l load, m meter, r record) (record, error) {
	if t.database != "" {
		if err := t.cluster.settle(ctx, t.database); err != nil {
			return r, err
		}
	}
	if t.cluster != nil {
		if err := t.cluster.checkpoint(ctx); err != nil {
			return r, err
		}
	}
	before, err := t.counters(ctx)
	if err != nil {
		return r, err
	}
	logged := t.logged()
	o, err := l.run(ctx, m, t.pid())
	if err != nil {
		return r, err
	}
	if err := pause(ctx, reported); err != nil {
		return r, err
	}
	after, err := t.counters(ctx)
	if err != nil {
		return r, err
	}
	r.Figures = o.figures()
	r.Figures[memoryPeak] = residentPeak(t.pid())
	if t.cluster != nil {
		r.Figures[memoryPostgres] = treePSS(t.cluster.Pid())
	} else {
		delete(r.Figures, cpuPostgres)
	}
	for name, v := range after {
		r.Figures[name] = (v - before[name]) / float64(max(o.all, 1))
	}
	if o.errors > 0 {
		r.Marks = append(r.Marks, fmt.Sprintf("%d errors, the first: %v", o.errors, o.first))
	}
	if lines := t.logged() - logged; lines > 0 {
		r.Marks = append(r.Marks, fmt.Sprintf("%d lines in its log, the last: %.300s", lines, t.lastLines(1)))
	}
	return r, nil
}

// counters are all that only grows.
func (t target) counters(ctx context.Context) (sums map[string]float64, err error) {
	sums = map[string]float64{}
	if t.counts != nil {
		if sums, err = t.counts(ctx); err != nil {
			return nil, err
		}
	}
	if t.cluster != nil {
		sums[walBytes], sums[syncs], err = t.cluster.wal(ctx)
	}
	return sums, err
}

// figures are what a load gives by itself.
func (o outcome) figures() map[string]float64 {
	n := float64(len(o.sorted))
	f := map[string]float64{
		measured: n, failures: float64(o.errors), foreign: o.usage.foreign, stolen: o.usage.stolen, diskWait: o.usage.wait,
		perSecond: n / o.usage.wall.Seconds(), p50: milliseconds(percentile(o.sorted, .50)), p99: milliseconds(percentile(o.sorted, .99)),
	}
	if o.peak > 0 {
		f[memory] = o.peak
	}
	if n > 0 {
		f[cpuGenerator] = milliseconds(o.usage.generator) / n
		for name, cpu := range o.usage.cpu {
			f["cpu_"+name+"_ms"] = milliseconds(cpu) / n
		}
	}
	return f
}

// counted are the shop's metrics that say what an order costs, by the figure they become. A shop that lacks one is measured without.
var counted = map[string]string{
	"shop_db_statements_total":  statements,
	"shop_db_commits_total":     commits,
	"shop_db_round_trips_total": roundTrips,
}

func (s *shop) target() target {
	t := target{process: s.process, cluster: s.cluster, counts: s.counts}
	if s.cluster != nil {
		t.database = s.name
	}
	return t
}

// counts reads the shop's metrics. SQLite forces its log to the disk once a commit, and does not say how much it writes: there it is what the
// process caused to be written to the disk.
func (s *shop) counts(ctx context.Context) (map[string]float64, error) {
	metrics, err := s.metrics(ctx)
	if err != nil {
		return nil, err
	}
	sums := map[string]float64{}
	for metric, figure := range counted {
		if v, ok := metrics[metric]; ok {
			sums[figure] = v
		}
	}
	if s.kind == sqlite {
		sums[writtenToDev], sums[syncs] = writtenBytes(s.pid()), sums[commits]
	}
	return sums, nil
}
