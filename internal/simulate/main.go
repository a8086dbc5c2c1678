package main

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
}

// options are those of the command line.
type options struct {
	costs, results, document, topology, studies string
	rate                                        float64
	seconds                                     int
	seed                                        uint64
}

func run(args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("simulate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.costs, "costs", "docs/performance/costs.json", "the costs of the steps")
	flags.StringVar(&o.results, "results", "docs/performance/results.jsonl", "what was measured, to compare with; may be absent")
	flags.StringVar(&o.document, "doc", "docs/scale.md", "the document into which the tables of all studies go")
	flags.StringVar(&o.studies, "study", "", "some studies only, separated by commas, to standard output")
	flags.StringVar(&o.topology, "topology", "", "a file with a topology: what it does under -rate, to standard output")
	flags.Float64Var(&o.rate, "rate", 100, "orders a second, for -topology")
	flags.IntVar(&o.seconds, "seconds", 10, "seconds of virtual time, for -topology")
	flags.Uint64Var(&o.seed, "seed", 1, "of all chance")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := newLaboratory(o, stderr)
	if err != nil {
		return err
	}
	if o.topology != "" {
		return l.show(o, stdout)
	}
	return l.write(o, stdout)
}

func newLaboratory(o options, progress io.Writer) (*laboratory, error) {
	b, err := os.ReadFile(o.costs)
	if err != nil {
		return nil, err
	}
	c, err := parseCosts(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.costs, err)
	}
	measured, err := readMeasurements(o.results)
	if err != nil {
		return nil, err
	}
	return &laboratory{costs: c, seed: o.seed, measured: measured, digest: digestOf(b), progress: progress}, nil
}

// digestOf says which inputs a document was made from.
func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// write runs studies and puts what they say into the document, or, if only some were asked for, to stdout.
func (l *laboratory) write(o options, stdout io.Writer) error {
	chosen, err := choose(o.studies)
	if err != nil {
		return err
	}
	tables, err := l.tables(chosen)
	if err != nil {
		return err
	}
	if o.studies != "" {
		for _, s := range chosen {
			fmt.Fprintf(stdout, "## %s\n\n%s\n", s.name, tables[s.name])
		}
		return nil
	}
	b, err := os.ReadFile(o.document)
	if err != nil {
		return err
	}
	text, err := fill(string(b), tables)
	if err != nil {
		return fmt.Errorf("%s: %w", o.document, err)
	}
	return os.WriteFile(o.document, []byte(text), 0o644) //nolint:gosec // a document that everybody may read
}

// show runs one topology and says how it fared.
func (l *laboratory) show(o options, stdout io.Writer) error {
	t, err := readTopology(o.topology, l.costs)
	if err != nil {
		return err
	}
	r, err := experiment{topology: t, seed: o.seed, rate: o.rate, parcels: o.rate * l.costs.Sizing.Average,
		warm: 2 * time.Second, measure: time.Duration(o.seconds) * time.Second, drain: 30 * time.Second}.run(l.costs)
	if err != nil {
		return err
	}
	latency := newTable("", "p50, ms:", "p99, ms:")
	latency.row("201", ms(r.Accept.P50), ms(r.Accept.P99))
	latency.row("stock reserved", ms(r.Reserve.P50), ms(r.Reserve.P99))
	latency.row("confirmed", ms(r.Confirm.P50), ms(r.Confirm.P99))
	used := newTable("", "number:", "mean use:", "greatest:")
	for _, u := range r.Resources {
		used.row(u.name(), count(u.Count), percent(u.Mean), percent(u.Peak))
	}
	fmt.Fprintf(stdout, "%s orders/s offered, %s confirmed; %s on their way on average\n\n%s\n%s", number(o.rate), number(r.Rate), number(r.Inside), latency, used)
	return nil
}
