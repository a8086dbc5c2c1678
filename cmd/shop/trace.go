package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/orders"
	"shop/internal/payments"
	"shop/internal/platform/id"
	"shop/internal/platform/telemetry/recorder"
)

// traceQuestion is what an operator wants to see.
type traceQuestion struct {
	admin []string // admin ports
	api   string   // where the REST API is; empty: that of the settings
	limit int
}

func (p *program) traceCommand() *cobra.Command {
	var q traceQuestion
	cmd := &cobra.Command{
		Use:   "trace [ORDER|TRACE]",
		Short: "Show the way of an order: where its time went, and what it waits for",
		Long: `Trace asks the shop that runs, on its admin port, for what it recorded of an order, and shows it as a tree: when each span began, how long it took, and where. Of an order
that is still open it also says what it waits for and since when, and whether a message of it lies in an outbox or among the dead letters, with the command to type next.

Processes keep their newest spans only, and only of the orders that were sampled. Of any other order its history is shown: each event, what led to it and how long that took. It is
read from the database of orders, or, where that cannot be reached from here, asked of the API with the token in SHOP_TOKEN.

Without an argument it lists the newest, the slowest and the failed traces. A trace can be named by its id, as logs do.

A shop in several processes has a recorder in each: name them all.

  shop trace --admin orders:8081,payments:8081 ord_01jd3q6k9v8xw2n4t7ryz5abcd

Exit code 0: shown; 1: there is no such order or trace; 4: nobody answers.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			if err := q.check(cfg); err != nil {
				return err
			}
			switch {
			case len(args) == 0:
				return p.listTraces(cmd.Context(), q)
			case id.Valid("ord", args[0]):
				return p.traceOrder(cmd.Context(), cfg, q, args[0])
			}
			if _, err := trace.TraceIDFromHex(args[0]); err != nil {
				return &exitError{exitUsage, fmt.Errorf("%q names no order (ord_ and 26 characters) and no trace (32 hex digits)", args[0])}
			}
			return p.showTrace(cmd.Context(), q, args[0])
		},
	}
	cmd.Flags().StringSliceVar(&q.admin, "admin", nil, "admin ports of the running shop, HOST:PORT,… (default: that of the settings, on this machine)")
	cmd.Flags().StringVar(&q.api, "url", "", "where the API answers, such as https://shop.example (default: that of the settings, on this machine)")
	cmd.Flags().IntVar(&q.limit, "limit", 10, "traces in a list")
	settingFlags(cmd, "admin-addr", "contexts", "data", "database-url")
	p.outputFlag(cmd)
	return cmd
}

// check completes the question. Errors: exitError with exitUsage.
func (q *traceQuestion) check(cfg config) error {
	if len(q.admin) == 0 && cfg.adminAddr != "" {
		q.admin = []string{reachable(cfg.adminAddr)}
	}
	for i, at := range q.admin {
		if !strings.Contains(at, "://") {
			at = "http://" + at
		}
		u, err := url.Parse(at)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return &exitError{exitUsage, fmt.Errorf("--admin: %q is no address of an admin port; expected HOST:PORT, such as 127.0.0.1:8081", q.admin[i])}
		}
		q.admin[i] = u.Scheme + "://" + u.Host
	}
	if q.api == "" {
		q.api = "http://" + reachable(cfg.addr)
	}
	if u, err := url.Parse(q.api); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return &exitError{exitUsage, fmt.Errorf("--url: %q is no address of an API; expected such as https://shop.example", q.api)}
	}
	if q.limit < 1 || q.limit > 1000 {
		return &exitError{exitUsage, errors.New("--limit: expected 1 to 1000")}
	}
	return nil
}

// orderTrace is all that is known of an order's way.
type orderTrace struct {
	OrderID  string              `json:"order_id"`
	Traces   []recorder.Trace    `json:"traces"`          // what was recorded, of all processes: what carries it on first, then reads and the like
	Order    *orders.Diagnosis   `json:"order"`           // its history; null when that cannot be read
	Payment  *payments.Diagnosis `json:"payment"`         // of an order that waits for it
	Messages []heldMessage       `json:"messages"`        // of the order, that lie somewhere
	Unled    []string            `json:"unled,omitempty"` // contexts that the order waits for and that no process leads

	Elsewhere *elsewhere `json:"elsewhere,omitempty"` // the process that has to do the next step, when it is another

	api string // where it is told what an operator decides
}

// traceOrder shows the way of an order. Errors: exitError with exitFailed when there is no such order, with exitDependency when nothing can be read.
func (p *program) traceOrder(ctx context.Context, cfg config, q traceQuestion, orderID string) error {
	asked := askRecorders(ctx, q.admin, "order="+orderID)
	found := orderTrace{OrderID: orderID, Traces: asked.traces, Messages: []heldMessage{}, api: q.api}
	way := slices.ContainsFunc(found.Traces, func(t recorder.Trace) bool { return carries(t, orderID) })

	d := openReadable(ctx, cfg)
	defer d.close()
	err := found.diagnose(ctx, cfg, d, q.api)
	switch {
	case errors.Is(err, orders.ErrNotFound) && !way:
		return &exitError{exitFailed, fmt.Errorf("there is no order %s", orderID)}
	case err != nil && !way:
		p.warn(asked.failures...)
		return fmt.Errorf("nothing is known of %s: the recorder has nothing, and its history cannot be read: %w", orderID, err)
	case err != nil:
		p.warn("its history cannot be read, nor what it waits for: " + err.Error())
	default:
		p.warn(d.failures()...)
	}
	p.warn(asked.failures...)
	incomplete := slices.ContainsFunc(found.Traces, func(t recorder.Trace) bool { return carries(t, orderID) && isIncomplete(t) })
	switch {
	case !way:
		p.warn("nothing is recorded of its way (it is old, was not sampled, or the process began anew since): this is its history")
	case incomplete:
		p.warn("some of its spans are gone: its history is shown too")
	}
	return p.print(found, func(t *text) {
		found.print(p.waterfall(t), !way || incomplete, time.Now())
	})
}

// showTrace shows one trace. Errors: exitError with exitFailed when nothing was recorded of it, with exitDependency when nobody answers.
func (p *program) showTrace(ctx context.Context, q traceQuestion, traceID string) error {
	asked := askRecorders(ctx, q.admin, "trace="+traceID)
	if err := asked.answered(); err != nil {
		return err
	}
	p.warn(asked.failures...)
	if len(asked.traces) == 0 {
		return &exitError{exitFailed, fmt.Errorf("nothing is recorded of the trace %s: it is old, was not sampled, or the process began anew since", traceID)}
	}
	return p.print(asked.traces[0], func(t *text) { p.waterfall(t).draw(asked.traces[0]) })
}

// traceLists are the traces that an operator looks for.
type traceLists struct {
	Newest  []recorder.Trace `json:"newest"`
	Slowest []recorder.Trace `json:"slowest"`
	Failed  []recorder.Trace `json:"failed"`
}

// mostListed is how many traces a recorder lists at once.
const mostListed = "1000"

// listTraces shows what there is. Errors: exitError with exitDependency when nobody answers.
func (p *program) listTraces(ctx context.Context, q traceQuestion) error {
	asked := askRecorders(ctx, q.admin, "limit="+mostListed)
	if err := asked.answered(); err != nil {
		return err
	}
	p.warn(asked.failures...)
	all := slices.Clone(asked.traces) // with what each process has of them, which lists of the slowest or failed would not have
	if all == nil {
		all = []recorder.Trace{}
	}
	for _, older := range []string{"sort=slowest", "status=error"} {
		for _, t := range askRecorders(ctx, q.admin, older+"&limit="+strconv.Itoa(q.limit)).traces {
			if !slices.ContainsFunc(asked.traces, func(known recorder.Trace) bool { return known.TraceID == t.TraceID }) {
				all = append(all, t)
			}
		}
	}
	slices.SortStableFunc(all, newestFirst)
	all = slices.CompactFunc(all, func(a, b recorder.Trace) bool { return a.TraceID == b.TraceID })
	slowest := slices.Clone(all)
	slices.SortStableFunc(slowest, func(a, b recorder.Trace) int { return cmp.Compare(b.DurationNS, a.DurationNS) })
	failed := slices.DeleteFunc(slices.Clone(all), func(t recorder.Trace) bool { return t.ErrorCount == 0 })
	first := func(list []recorder.Trace) []recorder.Trace { return list[:min(len(list), q.limit)] }
	lists := traceLists{Newest: first(all), Slowest: first(slowest), Failed: first(failed)}
	return p.print(lists, func(t *text) { lists.print(t) })
}

func newestFirst(a, b recorder.Trace) int { return b.Start.Compare(a.Start) }

func (l traceLists) print(t *text) {
	if len(l.Newest) == 0 {
		t.linef("Nothing is recorded yet.")
		return
	}
	for _, part := range []struct {
		title  string
		traces []recorder.Trace
	}{{"NEWEST", l.Newest}, {"SLOWEST", l.Slowest}, {"FAILED", l.Failed}} {
		rows := make([][]string, 0, len(part.traces))
		for _, tr := range part.traces {
			rows = append(rows, []string{tr.TraceID, tr.Start.Format("2006-01-02T15:04:05.000Z"), short(time.Duration(tr.DurationNS)), strconv.Itoa(tr.SpanCount),
				strconv.Itoa(tr.ErrorCount), tr.Name, orDash(ordersOf(tr))})
		}
		if len(rows) == 0 {
			continue
		}
		t.table([]string{part.title, "BEGAN", "TOOK", "SPANS", "ERRORS", "NAME", "ORDER"}, rows)
		t.linef("")
	}
	t.linef("shop trace ORDER or shop trace TRACE shows one.")
}

// ordersOf names what a trace is about, on one line.
func ordersOf(t recorder.Trace) string {
	switch len(t.Orders) {
	case 0:
		return ""
	case 1:
		return t.Orders[0].ID
	}
	return fmt.Sprintf("%s and %d more", t.Orders[0].ID, len(t.Orders)-1)
}

// warn tells what is missing, on stderr.
func (p *program) warn(lines ...string) {
	for _, l := range lines {
		_, _ = fmt.Fprintf(p.stderr, "shop: %s\n", strings.ReplaceAll(l, "\n", "; "))
	}
}
