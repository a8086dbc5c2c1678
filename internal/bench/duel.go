package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// duel compares versions or settings of the program, which the weather of a machine would otherwise decide: all are alive at the same time, on one PostgreSQL, and are
// loaded in turn for a moment each, round by round. What counts is the ratio within a round.
type duel struct {
	bench    *bench
	kind     string
	rounds   int
	fighters []fighter
}

// fighter is one of those that are compared.
type fighter struct {
	name string
	target
}

const duelUsage = `usage: bench duel [flags] NAME=PROGRAM[,SETTING=VALUE]... ...

Compares programs, or settings of one, with the first, and on PostgreSQL with the anchor orderflow, where it is.

`

// runDuel measures and prints what the arguments name.
func runDuel(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	b := &bench{places: map[string]*place{}}
	f := flag.NewFlagSet("duel", flag.ContinueOnError)
	f.SetOutput(progress)
	f.Usage = func() { fmt.Fprint(progress, duelUsage); f.PrintDefaults() }
	kind := f.String("database", postgres, "postgres or sqlite")
	clients := f.String("clients", "32,128", "numbers of clients")
	rounds := f.Int("rounds", 6, "rounds at each number of clients")
	secs := f.Float64("secs", 2, "measured time of one load, seconds")
	warm := f.Float64("warm", 0.5, "time before it that does not count, seconds")
	f.IntVar(&b.history, "history", 4_000, "orders that each shop has carried before")
	f.StringVar(&b.shared, "anchors", "../shared/bench", "directory of the anchors; without it they are skipped")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *kind != postgres && *kind != sqlite {
		return fmt.Errorf("there is no database %q", *kind)
	}
	if b.clients, err = numbers(*clients, 1); err != nil {
		return fmt.Errorf("-clients: %w", err)
	}
	if f.NArg() < 1 {
		f.Usage()
		return errors.New("nobody to compare")
	}
	b.parts, b.databases, b.secs, b.warm = []string{"anchors"}, []string{*kind}, seconds(*secs), seconds(*warm)
	b.journal = journal{file: io.Discard, progress: progress}
	if err := b.makeDir(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.prepareCluster(ctx, progress); err != nil {
		return err
	}
	if b.cluster != nil {
		defer func() { err = errors.Join(err, b.cluster.Close()) }()
	}
	if len(b.databases) == 0 {
		return errors.New("PostgreSQL is not installed")
	}
	d := &duel{bench: b, kind: *kind, rounds: *rounds}
	defer func() { err = errors.Join(err, d.close()) }()
	for i, arg := range f.Args() {
		if err := d.enter(ctx, i, arg); err != nil {
			return err
		}
	}
	if err := d.enterOrderflow(ctx); err != nil {
		return err
	}
	for _, n := range b.clients {
		if err := d.fight(ctx, n, out); err != nil {
			return err
		}
	}
	return nil
}

// enter starts the shop that an argument describes.
func (d *duel) enter(ctx context.Context, i int, arg string) error {
	name, rest, ok := strings.Cut(arg, "=")
	words := strings.Split(rest, ",")
	binary, err := filepath.Abs(words[0])
	if !ok || name == "" || err != nil || !exists(binary) {
		return fmt.Errorf("%q is not NAME=PROGRAM[,SETTING=VALUE]", arg)
	}
	b := *d.bench
	b.binary = binary
	s, err := b.open(ctx, d.kind, fmt.Sprintf("duel%d", i), b.history, words[1:]...)
	if err != nil {
		return err
	}
	d.fighters = append(d.fighters, fighter{name, s.target()})
	return nil
}

func (d *duel) enterOrderflow(ctx context.Context) error {
	b := d.bench
	if err := b.prepareAnchors(ctx); err != nil || b.anchors == nil || b.anchors.ceilings == "" {
		return err
	}
	p, err := b.launchOrderflow(ctx)
	if err != nil {
		return err
	}
	d.fighters = append(d.fighters, fighter{orderflow, target{process: p, cluster: b.cluster}})
	return nil
}

// close ends all of them. Their data goes with the directory and the cluster.
func (d *duel) close() (err error) {
	for _, f := range d.fighters {
		err = errors.Join(err, f.kill())
	}
	return err
}

// fight loads all in turn, a round after the other, and prints medians with the least and the greatest.
func (d *duel) fight(ctx context.Context, clients int, out io.Writer) error {
	rates, cpus := make([][]float64, len(d.fighters)), make([][]float64, len(d.fighters)) // by fighter and round
	for round := range d.rounds {
		for i := range d.fighters {
			at := (i + round) % len(d.fighters) // nobody is always first
			rate, cpu, err := d.load(ctx, d.fighters[at], clients)
			if err != nil {
				return fmt.Errorf("%s: %w", d.fighters[at].name, err)
			}
			rates[at], cpus[at] = append(rates[at], rate), append(cpus[at], cpu)
		}
	}
	first, last := d.fighters[0], len(d.fighters)-1
	table := [][]string{{"", "orders/s", "÷ " + first.name, "CPU ms", "÷ " + first.name, "÷ " + d.fighters[last].name}, {"---", "--:", "--:", "--:", "--:", "--:"}}
	for i, f := range d.fighters {
		table = append(table, []string{f.name, spreadOf(rates[i]).String(), spreadOf(ratios(rates[i], rates[0])).String(),
			spreadOf(cpus[i]).String(), spreadOf(ratios(cpus[i], cpus[0])).String(), spreadOf(ratios(rates[i], rates[last])).String()})
	}
	fmt.Fprintf(out, "%d clients, %s, %d rounds of %v\n\n", clients, d.kind, d.rounds, d.bench.secs)
	for _, row := range table {
		fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(out)
	return nil
}

// load is one turn: orders a second, and the CPU of an order, in milliseconds.
func (d *duel) load(ctx context.Context, f fighter, clients int) (rate, cpu float64, err error) {
	l := load{clients: clients, addr: f.addr, headers: f.headers, warm: d.bench.warm, measure: d.bench.secs, work: placeOrders(2)}
	o, err := l.run(ctx, d.bench.meter(f.process), 0)
	if err != nil {
		return 0, 0, err
	}
	if o.errors > 0 {
		return 0, 0, fmt.Errorf("%d errors, the first: %w", o.errors, o.first)
	}
	if len(o.sorted) == 0 {
		return 0, 0, errors.New("no order was confirmed in time")
	}
	figures := o.figures()
	return figures[perSecond], figures[cpuProgram] + figures[cpuPostgres], pause(ctx, settleTime)
}

// settleTime is what the last orders of a load may take to be shipped before the next load begins.
const settleTime = 300 * time.Millisecond

// ratios divides round by round.
func ratios(of, by []float64) []float64 {
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / by[i]
	}
	return all
}
