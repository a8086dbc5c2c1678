package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"

	"shop/internal/platform/audit"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
)

func (p *program) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check on the live databases what must always be true",
		Long: `Audit reads the databases of all contexts and checks the invariants: that stock is the sum of its movements, that money taken fits the orders, that no
message was lost, and so on. It changes nothing, and the shop may go on meanwhile: what is only under way is looked at a second time, two seconds later.

It prints the rows that break an invariant and exits with 1, or exits with 0.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			if err := checkAuditable(cfg.hosted); err != nil {
				return err
			}
			return p.audit(cmd.Context(), cfg)
		},
	}
	settingFlags(cmd, "contexts", "data", "database-url")
	p.outputFlag(cmd)
	return cmd
}

// checkAuditable refuses a set of contexts of which one is compared with another that is left out: what is elsewhere is read from its database, not asked for row by row. Errors:
// exitError with exitConfiguration.
func checkAuditable(hosted []string) error {
	for _, c := range hostedSpecs(hosted) {
		for _, other := range c.sends { // what it had others do is what is compared
			if !slices.Contains(hosted, other) {
				return configError("--contexts: %s is audited against the database of %s; name that too, and where it is in %s", c.name, other, databaseVariable(other))
			}
		}
	}
	return nil
}

// auditReport is what an audit found, and what it looked at.
type auditReport struct {
	OK       bool            `json:"ok"`
	Findings []audit.Finding `json:"findings"`
	Checked  []checked       `json:"checked"`
	Seconds  float64         `json:"seconds"`
}

// orders is how many orders there are to look at: what takes longest.
func (r auditReport) orders() int {
	for _, c := range r.Checked {
		if c.Context == "orders" {
			return int(c.Rows["order_summaries"])
		}
	}
	return 0
}

// checked says how much there was to look at in a context.
type checked struct {
	Context string           `json:"context"`
	Rows    map[string]int64 `json:"rows"` // by table
}

func (p *program) audit(ctx context.Context, cfg config) (err error) {
	began := time.Now()
	log := newLog(p.stderr, max(cfg.logLevel, zapcore.WarnLevel), cfg).Logger
	h := &host{cfg: cfg, log: log, clock: clock.System, bus: bus.NewMemory()}
	if h.databases, err = openMigrated(ctx, cfg); err != nil {
		return err
	}
	defer func() { add(&err, h.close()) }()
	h.build() // to ask them, not to start them

	report := auditReport{}
	if report.Checked, err = h.countRows(ctx); err != nil {
		return err
	}
	shown := newQuietProgress(p.stderr)
	look := func(ctx context.Context) ([]audit.Finding, error) {
		shown.Begin("orders", report.orders())
		defer shown.End()
		return h.auditAll(audit.WithProgress(ctx, shown.Add))
	}
	if report.Findings, err = persistent(ctx, look, recheckAfter); err != nil {
		return err
	}
	report.OK, report.Seconds = len(report.Findings) == 0, time.Since(began).Seconds()
	if err := p.print(report, report.print); err != nil {
		return err
	}
	if !report.OK {
		return errReported
	}
	return nil
}

// recheckAfter is how long a finding must last. The databases are read one after the other, so that what is on its way between two of them looks wrong.
const recheckAfter = 2 * time.Second

// persistent looks, and if it found something, looks once more after a pause: what is found both times counts, as it was the second time.
func persistent(ctx context.Context, look func(context.Context) ([]audit.Finding, error), pause time.Duration) ([]audit.Finding, error) {
	first, err := look(ctx)
	if err != nil || len(first) == 0 {
		return []audit.Finding{}, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(pause):
	}
	second, err := look(ctx)
	if err != nil {
		return nil, err
	}
	type place struct{ invariant, context, subject string }
	seen := map[place]bool{}
	for _, f := range first {
		seen[place{f.Invariant, f.Context, f.Subject}] = true
	}
	return slices.DeleteFunc(second, func(f audit.Finding) bool { return !seen[place{f.Invariant, f.Context, f.Subject}] }), nil
}

// auditAll asks every context, its messages and its database, at the same time.
func (h *host) auditAll(ctx context.Context) ([]audit.Finding, error) {
	looks := map[string]func(context.Context) ([]audit.Finding, error){}
	for _, m := range h.modules {
		looks[m.name] = m.Audit
		looks["the messages of "+m.name] = m.Endpoint().Audit
	}
	for _, db := range h.databases {
		looks["the role of "+db.name] = db.auditRole
	}
	names := slices.Sorted(maps.Keys(looks))
	found := make([][]audit.Finding, len(names))
	g, ctx := errgroup.WithContext(ctx)
	for i, name := range names {
		g.Go(func() (err error) {
			if found[i], err = looks[name](ctx); err != nil {
				err = fmt.Errorf("auditing %s: %w", name, err)
			}
			return err
		})
	}
	err := g.Wait()
	return slices.Concat(found...), err
}

// auditRole checks that the database's role is refused on every schema but its own (I15).
func (db *database) auditRole(ctx context.Context) ([]audit.Finding, error) {
	open, err := db.Intrusions(ctx, databaseNames())
	var found []audit.Finding
	for _, schema := range open {
		found = append(found, audit.Finding{Invariant: "I15", Context: db.name, Subject: schema, Detail: "the role of " + db.name + " may enter the schema of " + schema})
	}
	return found, err
}

func (h *host) countRows(ctx context.Context) ([]checked, error) {
	counts := make([]checked, len(h.databases))
	index := map[*database]int{}
	for i, db := range h.databases {
		index[db] = i
	}
	err := h.databases.each(ctx, func(ctx context.Context, db *database) error {
		rows, err := countRows(ctx, db.DB)
		maps.DeleteFunc(rows, func(table string, _ int64) bool { return strings.HasPrefix(table, "schema_version_") })
		counts[index[db]] = checked{db.name, rows}
		return err
	})
	return counts, err
}

func (r auditReport) print(t *text) {
	rows := make([][]string, 0, len(r.Findings))
	for _, f := range r.Findings {
		rows = append(rows, []string{f.Invariant, f.Context, f.Subject, f.Detail})
	}
	if len(rows) > 0 {
		t.table([]string{"INVARIANT", "CONTEXT", "SUBJECT", "DETAIL"}, rows)
		t.linef("")
	}
	var looked [][]string
	for _, c := range r.Checked {
		var parts []string
		total := int64(0)
		for _, table := range slices.Sorted(maps.Keys(c.Rows)) {
			if n := c.Rows[table]; n > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", table, n))
				total += n
			}
		}
		looked = append(looked, []string{c.Context, strconv.FormatInt(total, 10), strings.Join(parts, ", ")})
	}
	t.table([]string{"CHECKED", "ROWS", "TABLES"}, looked)
	t.linef("")
	if r.OK {
		t.linef("Everything that must be true is true (%.1f s).", r.Seconds)
		return
	}
	t.linef("%d rows break what must always be true (%.1f s).", len(r.Findings), r.Seconds)
}
