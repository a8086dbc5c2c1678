package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
)

func (p *program) deadLettersCommand() *cobra.Command {
	const refs = "\n\nA dead letter is named by its context and number, such as orders/12."
	var only string
	list := &cobra.Command{
		Use:   "list",
		Short: "List messages that could not be applied, and those that wait behind them",
		Args:  cobra.NoArgs,
		RunE: p.withDatabases(func(ctx context.Context, d databases, _ []string) error {
			return p.listDeadLetters(ctx, d, only)
		}),
	}
	list.Flags().StringVar(&only, "context", "", "only of this context")
	_ = list.RegisterFlagCompletionFunc("context", cobra.FixedCompletions(contextNames(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists

	show := &cobra.Command{
		Use:   "show ID…",
		Short: "Show dead letters with their bodies",
		Long:  "Show prints dead letters with their headers, bodies and errors." + refs,
		Args:  cobra.MinimumNArgs(1),
		RunE:  p.withDatabases(p.showDeadLetters),
	}
	replay := &cobra.Command{
		Use:   "replay ID…",
		Short: "Apply dead letters again, and what waits behind them",
		Long:  "Replay has dead letters applied again by the shop that runs, at once or as soon as one does. Those that wait behind them follow in their order." + refs,
		Args:  cobra.MinimumNArgs(1),
		RunE:  p.withDatabases(p.eachDeadLetter("replayed", bus.Replay)),
	}
	discard := &cobra.Command{
		Use:   "discard ID…",
		Short: "Give dead letters up for good",
		Long:  "Discard deletes dead letters: their messages are never applied. What waits behind them is applied then." + refs,
		Args:  cobra.MinimumNArgs(1),
		RunE:  p.withDatabases(p.eachDeadLetter("discarded", bus.Discard)),
	}
	for _, cmd := range []*cobra.Command{list, show, replay, discard} {
		settingFlags(cmd, "contexts", "data", "database-url")
		p.outputFlag(cmd)
	}
	return group(&cobra.Command{Use: "deadletters", Aliases: []string{"dead-letters"}, Short: "Look after messages that could not be applied"}, list, show, replay, discard)
}

// withDatabases runs a command on the configured databases, which may be in use.
func (p *program) withDatabases(run func(context.Context, databases, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		cfg, err := p.configure(cmd)
		if err != nil {
			return err
		}
		d, err := openMigrated(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		defer func() { add(&err, d.close()) }()
		return run(cmd.Context(), d, args)
	}
}

// deadLetter is a dead letter as it is printed, with the name by which an operator calls it.
type deadLetter struct {
	Ref       string     `json:"ref"`
	State     string     `json:"state"` // dead, parked behind a dead one, or replay
	Type      string     `json:"type"`
	Key       string     `json:"key"`
	MessageID string     `json:"message_id"`
	Consumer  string     `json:"consumer"`
	Attempts  int64      `json:"attempts"`
	CreatedAt time.Time  `json:"created_at"`
	Error     string     `json:"error"`
	Headers   sqldb.JSON `json:"headers"`
	Body      sqldb.JSON `json:"body"`
}

func newDeadLetter(context string, d bus.DeadLetter) deadLetter {
	return deadLetter{
		Ref: fmt.Sprintf("%s/%d", context, d.ID), State: d.State, Type: d.Type, Key: d.Key, MessageID: d.MessageID, Consumer: d.Consumer,
		Attempts: d.Attempts, CreatedAt: sqldb.Time(d.CreatedAt), Error: d.Error, Headers: d.Headers, Body: d.Body,
	}
}

func (p *program) listDeadLetters(ctx context.Context, d databases, only string) error {
	if only != "" && !slices.ContainsFunc(d, func(db *database) bool { return db.own && db.name == only }) {
		return &exitError{exitUsage, fmt.Errorf("--context: there is no context %q here", only)}
	}
	all := []deadLetter{}
	for _, db := range d {
		if !db.own || only != "" && db.name != only {
			continue
		}
		for after := int64(0); ; {
			page, err := bus.DeadLetters(ctx, db.DB, after, 500)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			for _, letter := range page {
				all = append(all, newDeadLetter(db.name, letter))
			}
			after = page[len(page)-1].ID
		}
	}
	return p.print(all, func(t *text) {
		if len(all) == 0 {
			t.linef("There are no dead letters.")
			return
		}
		rows := make([][]string, len(all))
		for i, l := range all {
			rows[i] = []string{l.Ref, l.State, l.Type, l.Key, strconv.FormatInt(l.Attempts, 10), l.CreatedAt.Format(time.RFC3339), firstLine(l.Error, 80)}
		}
		t.table([]string{"ID", "STATE", "TYPE", "KEY", "ATTEMPTS", "SINCE", "ERROR"}, rows)
	})
}

// firstLine shortens a text for a table.
func firstLine(s string, longest int) string {
	line, _, more := strings.Cut(s, "\n")
	if r := []rune(line); len(r) > longest {
		line, more = string(r[:longest]), true
	}
	if more {
		line += "…"
	}
	return line
}

func (p *program) showDeadLetters(ctx context.Context, d databases, refs []string) error {
	letters := []deadLetter{}
	for _, ref := range refs {
		db, id, err := d.resolve(ref)
		if err != nil {
			return err
		}
		letter, err := bus.FindDeadLetter(ctx, db.DB, id)
		if err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
		letters = append(letters, newDeadLetter(db.name, letter))
	}
	return p.print(letters, func(t *text) {
		for _, l := range letters {
			t.linef("%s  %s", l.Ref, l.State)
			t.linef("  type       %s", l.Type)
			t.linef("  key        %s", l.Key)
			t.linef("  message    %s", l.MessageID)
			t.linef("  consumer   %s", l.Consumer)
			t.linef("  since      %s, %d attempts", l.CreatedAt.Format(time.RFC3339), l.Attempts)
			t.linef("  error      %s", strings.ReplaceAll(l.Error, "\n", "\n             "))
			t.linef("  headers    %s", l.Headers)
			t.linef("  body       %s", l.Body)
		}
	})
}

// done is what was done to a dead letter.
type done struct {
	Ref    string `json:"ref"`
	Action string `json:"action"`
}

func (p *program) eachDeadLetter(action string, do func(context.Context, *sqldb.DB, int64) error) func(context.Context, databases, []string) error {
	return func(ctx context.Context, d databases, refs []string) error {
		all := []done{}
		shown := newQuietProgress(p.stderr)
		shown.Begin(action, len(refs))
		for _, ref := range refs {
			db, id, err := d.resolve(ref)
			if err == nil {
				if err = do(ctx, db.DB, id); err != nil {
					err = fmt.Errorf("%s: %w", ref, err)
				}
			}
			if err != nil {
				shown.End()
				return err
			}
			shown.Add(1)
			all = append(all, done{ref, action})
		}
		shown.End()
		return p.print(all, func(t *text) {
			for _, l := range all {
				t.linef("%s %s", l.Ref, l.Action)
			}
		})
	}
}

// resolve finds the database and the number that a reference such as orders/12 names.
func (d databases) resolve(ref string) (*database, int64, error) {
	name, number, _ := strings.Cut(ref, "/")
	id, err := strconv.ParseInt(number, 10, 64)
	i := slices.IndexFunc(d, func(db *database) bool { return db.own && db.name == name })
	if err != nil || i < 0 {
		return nil, 0, &exitError{exitUsage, fmt.Errorf("%q names no dead letter; expected CONTEXT/NUMBER, such as orders/12", ref)}
	}
	return d[i], id, nil
}
