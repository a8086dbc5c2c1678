package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) contextsCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "contexts",
		Short: "Show where each context is hosted, and how it does",
		Long: `Contexts asks a shop that runs, on its admin port, how it sees each context:

  HOSTED        here, elsewhere, both, or nowhere that it knows of
  SHARE         of a context that is hosted here and elsewhere: how much is answered elsewhere, by the flag
  BREAKER       on the way elsewhere: closed, half_open or open
  OUTBOX, AGE   messages that it has not sent yet, and since when the oldest waits; * where this process sends them
  WAITING       messages at the broker that it has not taken yet; - where the bus does not tell
  DEAD          dead letters, with those that are parked behind them

Each process has its own view: ask each.

Exit code 0: everything could be read; 1: a part could not, and is named; 4: nobody answers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			base, err := adminBase(at, cfg)
			if err != nil {
				return err
			}
			return p.showContexts(cmd.Context(), base)
		},
	}
	cmd.Flags().StringVar(&at, "admin-url", "", "admin port of a running shop, such as http://127.0.0.1:8081 (default: that of the settings, on this machine)")
	settingFlags(cmd, "admin-addr")
	p.outputFlag(cmd)
	return cmd
}

// showContexts prints what a shop says. Errors: exitError with exitFailed or exitDependency; errReported, when a part is missing.
func (p *program) showContexts(ctx context.Context, base string) error {
	all, err := askContexts(ctx, base+"/contexts")
	if err != nil {
		return err
	}
	if err := p.print(all, func(t *text) { printContexts(t, all) }); err != nil {
		return err
	}
	for _, c := range all {
		if len(c.Errors) > 0 {
			return errReported
		}
	}
	return nil
}

// contextsPatience is longer than a shop takes to look at its contexts.
const contextsPatience = scrapePatience + 3*time.Second

// askContexts asks a shop. Errors: exitError with exitDependency, when it does not answer, or with exitFailed, when it is none.
func askContexts(ctx context.Context, url string) ([]placement, error) {
	ctx, cancel := context.WithTimeout(ctx, contextsPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy of the environment
	answer, err := client.Do(r)
	if err != nil {
		return nil, &exitError{exitDependency, err}
	}
	defer func() { _ = answer.Body.Close() }() // it is only read
	var all []placement
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&all); answer.StatusCode != http.StatusOK || err != nil {
		return nil, &exitError{exitFailed, fmt.Errorf("%s answers %s: that is no admin port of this version of shop", url, answer.Status)}
	}
	return all, nil
}

func printContexts(t *text, all []placement) {
	rows := make([][]string, len(all))
	for i, c := range all {
		rows[i] = []string{c.Context, c.Hosted, orDash(c.URL), shareText(c.Share), breakerText(c.Breakers), "-", "-", "-", "-"}
		if c.Outbox != nil {
			rows[i][5], rows[i][6] = strconv.FormatInt(c.Outbox.Pending, 10), (time.Duration(c.Outbox.OldestSeconds * float64(time.Second))).Round(100*time.Millisecond).String()
		}
		if c.Leading != nil && *c.Leading {
			rows[i][5] += "*"
		}
		if c.Waiting != nil {
			rows[i][7] = strconv.FormatInt(sum(c.Waiting), 10)
		}
		if c.DeadLetters != nil {
			rows[i][8] = strconv.FormatInt(sum(c.DeadLetters), 10)
		}
	}
	t.table([]string{"CONTEXT", "HOSTED", "URL", "SHARE", "BREAKER", "OUTBOX", "AGE", "WAITING", "DEAD"}, rows)
	for _, c := range all {
		for _, e := range c.Errors {
			t.linef("%s: %s", c.Context, e)
		}
	}
}

func sum(counts map[string]int64) (total int64) {
	for _, n := range counts {
		total += n
	}
	return total
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// shareText is how much goes elsewhere, and what else the flag says: "10% +3 -1 mirror".
func shareText(s *placementShare) string {
	switch {
	case s == nil:
		return "-"
	case s.Flag == "":
		return "no flag"
	case s.Kill:
		return "killed"
	}
	parts := []string{strconv.FormatFloat(s.Percent, 'f', -1, 64) + "%"}
	if s.Allow > 0 {
		parts = append(parts, fmt.Sprintf("+%d", s.Allow))
	}
	if s.Deny > 0 {
		parts = append(parts, fmt.Sprintf("-%d", s.Deny))
	}
	if s.Mirror {
		parts = append(parts, "mirror")
	}
	if s.Fallback {
		parts = append(parts, "fallback")
	}
	return strings.Join(parts, " ")
}

// breakerText is the state of the breakers: of each where they differ.
func breakerText(all []breakerView) string {
	if len(all) == 0 {
		return "-"
	}
	if !slices.ContainsFunc(all, func(b breakerView) bool { return b.State != all[0].State }) {
		return all[0].State
	}
	parts := make([]string, len(all))
	for i, b := range all {
		parts[i] = b.Traffic + ":" + b.State
	}
	return strings.Join(parts, " ")
}
