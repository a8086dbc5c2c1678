package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"shop/internal/platform/sqldb/pgtest"
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // a second signal kills
	if err := command(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command runs what the arguments say: a measurement unless they begin with the name of something else.
func command(ctx context.Context, args []string, progress io.Writer) error {
	switch {
	case len(args) > 0 && args[0] == "render":
		return render(args[1:], progress)
	case len(args) > 0 && args[0] == "duel":
		return runDuel(ctx, args[1:], os.Stdout, progress)
	case len(args) == 3 && args[0] == "plain":
		return servePlain(args[1], args[2])
	}
	b, err := parseFlags(args, progress)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return errors.New("what a shop uses is read from /proc: the benchmark runs on Linux only")
	}
	return b.run(ctx, progress)
}

// bench is a run of the benchmark: its settings, and what its parts share.
type bench struct {
	parts     []string
	databases []string
	clients   []int
	reps      int
	history   int
	stored    []int // how many orders a shop has stored
	secs      time.Duration
	warm      time.Duration
	quiet     time.Duration
	out       string
	shared    string

	dir     string            // everything temporary
	binary  string            // the shop
	cluster *cluster          // nil when PostgreSQL is not measured
	anchors *anchors          // nil when they are not measured
	places  map[string]*place // filled with orders
	journal journal
}

var allParts = []string{"flow", "anchors", "stored", "lines", "reads", "edge", "split", "tracing", "start"}

func parseFlags(args []string, progress io.Writer) (*bench, error) {
	b := &bench{places: map[string]*place{}}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(progress)
	parts := f.String("parts", strings.Join(allParts, ","), "what to measure")
	databases := f.String("databases", sqlite+","+postgres, "on which databases")
	clients := f.String("clients", "1,8,32,128", "numbers of clients")
	stored := f.String("stored", "0,100000,1000000", "numbers of orders that a shop has stored; on SQLite at most 300000")
	secs := f.Float64("secs", 15, "measured time of one run, seconds")
	warm := f.Float64("warm", 3, "time before it that does not count, seconds")
	quiet := f.Float64("quiet", 60, "wait at most so long for others to leave the machine alone, seconds; 0 for not at all")
	f.IntVar(&b.reps, "reps", 3, "repetitions of everything")
	f.IntVar(&b.history, "history", 20_000, "orders that a shop has carried before it is measured")
	f.StringVar(&b.out, "out", "docs/performance", "directory of results.jsonl, and of the plots")
	f.StringVar(&b.shared, "anchors", "../shared/bench", "directory of the anchors; without it they are skipped")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("what is %q?", f.Arg(0))
	}
	b.secs, b.warm, b.quiet = seconds(*secs), seconds(*warm), seconds(*quiet)
	b.parts, b.databases = strings.Split(*parts, ","), strings.Split(*databases, ",")
	for _, p := range b.parts {
		if !slices.Contains(allParts, p) {
			return nil, fmt.Errorf("there is no part %q; there are %s", p, strings.Join(allParts, ", "))
		}
	}
	for _, d := range b.databases {
		if d != sqlite && d != postgres {
			return nil, fmt.Errorf("there is no database %q; there are %s and %s", d, sqlite, postgres)
		}
	}
	var err error
	if b.clients, err = numbers(*clients, 1); err != nil {
		return nil, fmt.Errorf("-clients: %w", err)
	}
	if b.stored, err = numbers(*stored, 0); err != nil {
		return nil, fmt.Errorf("-stored: %w", err)
	}
	for _, n := range b.stored {
		if n%originals != 0 {
			return nil, fmt.Errorf("-stored: %d is no multiple of %d", n, originals)
		}
	}
	return b, nil
}

func numbers(list string, least int) ([]int, error) {
	var all []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < least {
			return nil, fmt.Errorf("%q is no whole number of at least %d", text, least)
		}
		all = append(all, n)
	}
	return all, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// run measures all parts, rep by rep, so that what is compared has the same weather.
func (b *bench) run(ctx context.Context, progress io.Writer) (err error) {
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(b.out, resultsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	b.journal = journal{file: file, progress: progress, run: time.Now().UTC().Format(time.RFC3339)}
	if err := b.makeDir(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.binary, err = build(ctx, b.dir); err != nil {
		return err
	}
	if err := b.prepareCluster(ctx, progress); err != nil {
		return err
	}
	if b.cluster != nil {
		defer func() { err = errors.Join(err, b.cluster.Close()) }()
	}
	if err := b.journal.add(b.describe(ctx)); err != nil {
		return err
	}
	if err := b.prepareAnchors(ctx); err != nil {
		return err
	}
	for rep := 1; rep <= b.reps && ctx.Err() == nil; rep++ {
		err = errors.Join(err, b.repetition(ctx, rep))
	}
	return err
}

// makeDir makes the directory of everything temporary, on a disk.
func (b *bench) makeDir() (err error) {
	if b.dir, err = os.MkdirTemp("", "shop-bench-"); err != nil {
		return err
	}
	if inMemory(b.dir) {
		return errors.Join(os.Remove(b.dir), fmt.Errorf("%s is in memory: nothing there is durable; set TMPDIR to a directory on a disk", b.dir))
	}
	return nil
}

// repetition measures every part once. A part that fails is recorded as such, and the others go on.
func (b *bench) repetition(ctx context.Context, rep int) error {
	parts := []struct {
		name    string
		measure func(context.Context, int, string) error
	}{{"flow", b.flow}, {"anchors", b.measureAnchors}, {"stored", b.storedOrders}, {"lines", b.orderLines}, {"reads", b.reads}, {"edge", b.edge}, {"split", b.split}, {"tracing", b.tracing}, {"start", b.start}}
	var failed error
	for _, part := range parts {
		if !b.measures(part.name) {
			continue
		}
		for _, kind := range b.databases {
			err := part.measure(ctx, rep, kind)
			if ctx.Err() != nil {
				return errors.Join(failed, err)
			}
			if err != nil {
				r := record{Part: part.name, Subject: "shop-" + kind, Rep: rep, Marks: []string{"FAILED: " + err.Error()}}
				failed = errors.Join(failed, err, b.journal.add(r))
			}
		}
	}
	return failed
}

func (b *bench) measures(part string) bool { return slices.Contains(b.parts, part) }

// prepareCluster starts PostgreSQL if it is to be measured and installed.
func (b *bench) prepareCluster(ctx context.Context, progress io.Writer) (err error) {
	if !slices.Contains(b.databases, postgres) {
		return nil
	}
	b.cluster, err = startCluster(ctx)
	if errors.Is(err, pgtest.ErrNoBinaries) {
		fmt.Fprintf(progress, "SKIPPED: everything on PostgreSQL: %v\n", err)
		b.databases = slices.DeleteFunc(b.databases, func(d string) bool { return d == postgres })
		return nil
	}
	return err
}

// describe says where and how the run was made.
func (b *bench) describe(ctx context.Context) record {
	memory := field("/proc/meminfo", "MemTotal:") / (1 << 20)
	notes := map[string]string{
		"processors": strconv.Itoa(runtime.NumCPU()),
		"processor":  processor(),
		"memory":     fmt.Sprintf("%.0f GiB", memory),
		"go":         runtime.Version(),
		"version":    "unknown",
		"settings":   fmt.Sprintf("%d repetitions of %v after %v, a history of %d orders", b.reps, b.secs, b.warm, b.history),
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		notes["kernel"] = strings.TrimSpace(string(kernel))
	}
	if version, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output(); err == nil {
		notes["version"] = strings.TrimSpace(string(version))
	}
	if b.cluster != nil {
		notes["postgresql"] = b.cluster.version(ctx)
	}
	return record{Part: "machine", Notes: notes}
}

func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
