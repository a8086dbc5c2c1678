package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shop/internal/platform/clock"
)

// How long the doctor waits: for one examination, and by default for all, which run at the same time.
const (
	examinationPatience = 10 * time.Second
	doctorPatience      = 20 * time.Second
)

func (p *program) doctorCommand() *cobra.Command {
	timeout := doctorPatience
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine this installation, and say what to do about what is wrong",
		Long: `Doctor looks at what a shop with these settings needs and does: the settings themselves, the data directory, the database of each context with its
migrations, the broker, the clocks, what waits and for how long, the process that runs on this machine, and those elsewhere that it asks. It needs no running
shop and does not disturb one: it changes no data, migrates nothing and takes no lock. In the data directory it writes a small file and removes it at once, to
know that one can.

Each line is ok, warn or fail, with what was seen and, behind the arrow, what to do about it.

Exit code 0: nothing failed; 1: something did; 3: a setting or a schema is wrong; 4: a database or another service is down. Where several failed, a
setting comes first, then what is down: it is often the cause of the rest.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return &exitError{exitUsage, fmt.Errorf("--timeout: expected a time such as 20s")}
			}
			return p.examine(cmd, timeout, clock.System)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", doctorPatience, "how long all examinations together may take")
	settingFlags(cmd)
	p.outputFlag(cmd)
	return cmd
}

// doctor examines one installation.
type doctor struct {
	cfg     config
	given   map[string]string // the environment
	clock   clock.Clock
	secrets []string // that no line shows
	facts   facts
}

// examination is a part of the work. It must end with its context; one that does not is left behind.
type examination struct {
	name string // of its line, should it not end
	run  func(ctx context.Context, c *chart)
}

// checkup is the doctor's report.
type checkup struct {
	OK      bool        `json:"ok"` // nothing failed
	Exit    int         `json:"exit_code"`
	Checks  []diagnosis `json:"checks"`
	Seconds float64     `json:"seconds"`
}

// examine runs all examinations and prints the report. Errors: exitError, reported already, when something failed.
func (p *program) examine(cmd *cobra.Command, timeout time.Duration, at clock.Clock) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	d := &doctor{clock: at, given: p.environment()}
	d.secrets = secretsIn(d.given)
	cfg, configuration := p.examineSettings(cmd)
	lines := configuration.take()
	if cfg != nil {
		d.cfg = *cfg
		d.secrets = append(d.secrets, cfg.secrets...)
		lines = append(lines, d.examineAll(ctx)...)
	}
	report := newCheckup(lines, d.secrets, time.Since(began))
	if err := p.print(report, func(t *text) { p.printCheckup(t, report) }); err != nil {
		return err
	}
	if report.Exit == exitOK {
		return nil
	}
	return reported(report.Exit)
}

// environment is the program's by name.
func (p *program) environment() map[string]string {
	given := map[string]string{}
	for _, kv := range p.environ {
		name, value, _ := strings.Cut(kv, "=")
		given[name] = value
	}
	return given
}

// examineAll runs all examinations at the same time, and then draws the conclusions from what they saw together. The lines have the order of the examinations.
func (d *doctor) examineAll(ctx context.Context) []diagnosis {
	var all []examination
	all = append(all, examination{"settings", d.advise}, examination{"tokens", d.examineTokens}, examination{"mail", d.examineMail}, examination{"flags", d.examineFlags},
		examination{"cache", d.examineCache}, examination{"telemetry", d.examineTelemetry})
	for _, dir := range dataDirectories(d.cfg) {
		all = append(all, examination{"data", func(ctx context.Context, c *chart) { d.examineDirectory(c, dir) }})
	}
	databases, closeAll := d.openExisting()
	defer closeAll()
	for _, db := range databases {
		all = append(all, examination{db.name + ".database", func(ctx context.Context, c *chart) { d.examineDatabase(ctx, c, db) }})
	}
	all = append(all, examination{"broker", d.examineBroker}, examination{"process", d.examineProcess})
	for _, name := range contextNames() {
		if at := d.elsewhere(name); at != nil {
			all = append(all, examination{name + ".url", func(ctx context.Context, c *chart) { d.examineElsewhere(ctx, c, name, at) }})
		}
	}
	lines := runAll(ctx, all)
	conclusions := &chart{}
	d.conclude(conclusions)
	return append(lines, conclusions.take()...)
}

// leavingGrace is how long an examination may take to end once its time is over.
const leavingGrace = 300 * time.Millisecond

// runAll runs examinations at the same time, each for as long as examinationPatience and ctx allow. What does not end then is left behind, and told.
func runAll(ctx context.Context, all []examination) []diagnosis {
	ctx, cancel := context.WithTimeout(ctx, examinationPatience)
	defer cancel()
	charts := make([]chart, len(all))
	ended := make([]chan struct{}, len(all))
	for i, e := range all {
		ended[i] = make(chan struct{})
		go func() {
			defer close(ended[i])
			e.run(ctx, &charts[i])
		}()
	}
	var lines []diagnosis
	for i, e := range all {
		select {
		case <-ended[i]:
		case <-ctx.Done():
			select {
			case <-ended[i]:
			case <-time.After(leavingGrace):
				charts[i].fail(e.name, exitDependency, "", "no answer in time")
			}
		}
		lines = append(lines, charts[i].take()...)
	}
	return lines
}

// newCheckup is the report on some lines. Nothing that must not be shown is left in it.
func newCheckup(lines []diagnosis, secrets []string, took time.Duration) checkup {
	r := checkup{Checks: lines, Seconds: took.Seconds()}
	for i := range r.Checks {
		l := &r.Checks[i]
		for _, s := range secrets {
			if s != "" {
				l.Detail, l.Todo = strings.ReplaceAll(l.Detail, s, "…"), strings.ReplaceAll(l.Todo, s, "…")
			}
		}
		if l.Status == failed && (r.Exit == exitOK || urgency[l.exit] > urgency[r.Exit]) {
			r.Exit = l.exit
		}
	}
	r.OK = r.Exit == exitOK
	return r
}

// urgency orders the exit codes of failures: a wrong setting explains what is down, and what is down explains the rest.
var urgency = map[int]int{exitFailed: 1, exitDependency: 2, exitConfiguration: 3}

func (p *program) printCheckup(t *text, r checkup) {
	s := style{text: text{w: t.w}, colour: isTerminal(t.w) && !noColour(p.environ)}
	colours := map[string]string{passed: "32", warned: "33", failed: "31"}
	widest, counts := 0, map[string]int{}
	for _, l := range r.Checks {
		widest = max(widest, len(l.Check))
		counts[l.Status]++
	}
	for _, l := range r.Checks {
		line := s.paint(colours[l.Status], fmt.Sprintf("%-4s", l.Status)) + "  " + fmt.Sprintf("%-*s", widest, l.Check) + "  " + l.Detail
		if l.Todo != "" {
			line += " → " + l.Todo
		}
		t.linef("%s", line)
	}
	t.linef("")
	t.linef("%d checks: %d ok, %d to know of, %d failed (%.1f s).", len(r.Checks), counts[passed], counts[warned], counts[failed], r.Seconds)
}

// reported is an outcome that was told already, with its exit code.
func reported(code int) error {
	if code == exitFailed {
		return errReported
	}
	return &exitError{code, errTold}
}
