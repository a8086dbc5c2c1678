package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The anchors say what the machine allows: pgbench scripts that durably write the rows of an order, split by context into five transactions (five_pipe), with all
// that a complete service also writes (full_pipe), and for a hundred orders at a time (batch_five); and orderflow, batches behind the thinnest REST front.
var pgbenchScripts = []string{"full_pipe", "five_pipe"}

const (
	batchScript  = "batch_five"
	batchSize    = 100 // orders of one of its rounds
	batchClients = 2   // a batch is work enough for a core; more clients wait for one another's stock
	orderflow    = "orderflow"
	anchorBase   = "bench" // name of the anchors' database
)

// anchors are what was found of them.
type anchors struct {
	schema   string // of pgbench's tables
	dir      string // scripts/, and pgbench's logs
	ceilings string // the program orderflow is part of; empty when it could not be built
}

// prepareAnchors looks for the anchors and makes them ready. What cannot be had is skipped, and that is said and recorded.
func (b *bench) prepareAnchors(ctx context.Context) error {
	if !b.measures("anchors") {
		return nil
	}
	shared, err := filepath.Abs(b.shared)
	if err != nil {
		return err
	}
	a := &anchors{schema: filepath.Join(shared, "pg", "schema.sql"), dir: filepath.Join(b.dir, "anchors")}
	switch {
	case b.cluster == nil:
		return b.skip("all", "they need PostgreSQL")
	case !exists(a.schema):
		return b.skip("all", "there is no "+b.shared)
	}
	if _, err := exec.LookPath(b.cluster.program("pgbench")); err != nil {
		return b.skip("all", "pgbench is not installed")
	}
	if err := os.Mkdir(a.dir, 0o700); err != nil {
		return err
	}
	if _, err := output(exec.CommandContext(ctx, "bash", filepath.Join(shared, "pg", "gen.sh"), filepath.Join(a.dir, "scripts"))); err != nil {
		return b.skip("all", err.Error())
	}
	if err := b.cluster.fresh(ctx, anchorBase); err != nil {
		return err
	}
	a.ceilings = filepath.Join(a.dir, "ceilings")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", a.ceilings, ".")
	cmd.Dir = filepath.Join(shared, "ceilings")
	if _, err := output(cmd); err != nil {
		a.ceilings = ""
		if err := b.skip(orderflow, err.Error()); err != nil {
			return err
		}
	}
	b.anchors = a
	return nil
}

// skip records that an anchor is missing, and why.
func (b *bench) skip(subject, why string) error {
	return b.journal.add(record{Part: "anchors", Subject: subject, Marks: []string{skippedMark + ": " + why}})
}

// measureAnchors measures all of them once, after the shop on PostgreSQL.
func (b *bench) measureAnchors(ctx context.Context, rep int, kind string) error {
	if b.anchors == nil || kind != postgres {
		return nil
	}
	for _, script := range pgbenchScripts {
		for _, clients := range b.clients {
			if err := b.pgbench(ctx, script, rep, clients); err != nil {
				return err
			}
		}
	}
	if err := b.pgbench(ctx, batchScript, rep, batchClients); err != nil {
		return err
	}
	if b.anchors.ceilings == "" {
		return nil
	}
	return b.orderflow(ctx, rep)
}

// recreate empties the anchors' tables and gives them their history of 20,000 orders.
func (b *bench) recreate(ctx context.Context) error {
	_, err := b.cluster.psql(ctx, anchorBase, "-v", "skus="+strconv.Itoa(skus), "-v", "prefill=20000", "-f", b.anchors.schema)
	return errors.Join(err, b.cluster.checkpoint(ctx))
}

// pgbench measures a script.
func (b *bench) pgbench(ctx context.Context, script string, rep, clients int) error {
	m := b.meter(nil)
	r := record{Part: "anchors", Subject: script, Rep: rep, Clients: clients, Lines: 2}
	best, err := b.undisturbed(ctx, m, func() (record, error) { return b.pgbenchOnce(ctx, m, script, r) })
	if err != nil {
		return err
	}
	return b.journal.add(best)
}

func (b *bench) pgbenchOnce(ctx context.Context, m meter, script string, r record) (record, error) {
	if err := b.recreate(ctx); err != nil {
		return r, err
	}
	before, syncsBefore, err := b.cluster.wal(ctx)
	if err != nil {
		return r, err
	}
	began := m.read()
	report, err := b.runPgbench(ctx, script, r.Clients)
	used := between(began, m.read())
	if err != nil {
		return r, err
	}
	if err := pause(ctx, reported); err != nil {
		return r, err
	}
	after, syncsAfter, err := b.cluster.wal(ctx)
	if err != nil {
		return r, err
	}
	sorted, err := b.anchors.latencies()
	if err != nil {
		return r, err
	}
	orders := float64(report.transactions)
	perTransaction := 1.0
	if script == batchScript {
		perTransaction = batchSize
	}
	orders *= perTransaction
	r.Figures = map[string]float64{
		measured: orders, failures: float64(report.failed), foreign: used.foreign, stolen: used.stolen, diskWait: used.wait,
		perSecond: report.perSecond * perTransaction, p50: milliseconds(percentile(sorted, .50)), p99: milliseconds(percentile(sorted, .99)),
		cpuPostgres: milliseconds(used.cpu["postgres"]) / orders, cpuGenerator: milliseconds(used.generator) / orders,
		walBytes: (after - before) / orders, syncs: (syncsAfter - syncsBefore) / orders,
	}
	if report.failed > 0 {
		r.Marks = append(r.Marks, fmt.Sprintf("%d failed transactions", report.failed))
	}
	return r, nil
}

// runPgbench lets pgbench run for the measured time. A fifth of the transactions leave their latency in files lat.*.
func (b *bench) runPgbench(ctx context.Context, script string, clients int) (pgbenchReport, error) {
	old, _ := filepath.Glob(filepath.Join(b.anchors.dir, "lat.*"))
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return pgbenchReport{}, err
		}
	}
	cmd := exec.CommandContext(ctx, b.cluster.program("pgbench"), "-h", b.cluster.socket, "-p", b.cluster.port, "-U", "postgres",
		"-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)), "-T", strconv.Itoa(max(1, int(b.secs.Seconds()))),
		"-D", "skus="+strconv.Itoa(skus), "-D", "n="+strconv.Itoa(batchSize), "-f", filepath.Join("scripts", script+".sql"),
		"-l", "--log-prefix=lat", "--sampling-rate=0.2", anchorBase)
	cmd.Dir = b.anchors.dir
	out, err := output(cmd)
	if err != nil {
		return pgbenchReport{}, err
	}
	return parsePgbench(string(out))
}

// pgbenchReport is what pgbench says at its end.
type pgbenchReport struct {
	transactions, failed int
	perSecond            float64
}

var pgbenchLines = regexp.MustCompile(`(?m)^(number of transactions actually processed|number of failed transactions|tps)(?: = |: )([0-9.]+)`)

func parsePgbench(text string) (pgbenchReport, error) {
	var r pgbenchReport
	for _, match := range pgbenchLines.FindAllStringSubmatch(text, -1) {
		switch v, _ := strconv.ParseFloat(match[2], 64); match[1] {
		case "tps":
			r.perSecond = v
		case "number of failed transactions":
			r.failed = int(v)
		default:
			r.transactions = int(v)
		}
	}
	if r.transactions == 0 || r.perSecond == 0 {
		return r, fmt.Errorf("pgbench did nothing: %s", text)
	}
	return r, nil
}

// latencies reads the files that pgbench left: the third word of a line is the microseconds of a transaction.
func (a *anchors) latencies() ([]time.Duration, error) {
	files, err := filepath.Glob(filepath.Join(a.dir, "lat.*"))
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			words := strings.Fields(lines.Text())
			if len(words) < 3 {
				continue
			}
			if us, err := strconv.ParseInt(words[2], 10, 64); err == nil {
				all = append(all, time.Duration(us)*time.Microsecond)
			}
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return all, nil
}

// orderflow measures the ceiling as the shop is measured: with our clients, over HTTP.
func (b *bench) orderflow(ctx context.Context, rep int) (err error) {
	p, err := b.launchOrderflow(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.kill()) }()
	for _, clients := range b.clients {
		l := load{clients: clients, work: placeOrders(2)}
		if err := b.measure(ctx, target{process: p, cluster: b.cluster}, l, record{Part: "anchors", Subject: orderflow, Rep: rep, Clients: clients, Lines: 2}); err != nil {
			return err
		}
	}
	return nil
}

// launchOrderflow starts it on tables made anew.
func (b *bench) launchOrderflow(ctx context.Context) (*process, error) {
	if err := b.recreate(ctx); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(b.cluster.url(anchorBase))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.anchors.ceilings, orderflow, "-mode", "batch", "-full", "-http", addr, "-dsn", u.String())
	return launch(cmd, addr, "/ping", filepath.Join(b.anchors.dir, "orderflow.log"))
}
