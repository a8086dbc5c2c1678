package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// outputFlag lets a command print its data as JSON.
func (p *program) outputFlag(cmd *cobra.Command) {
	cmd.Flags().VarP(&outputFormat{&p.output}, "output", "o", "form of the data on stdout: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

// outputFormat is a flag that takes only what print knows.
type outputFormat struct{ format *string }

func (f *outputFormat) String() string {
	if f.format == nil || *f.format == "" {
		return "text"
	}
	return *f.format
}

func (f *outputFormat) Type() string { return "format" }

func (f *outputFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("%q is neither text nor json", s)
	}
	*f.format = s
	return nil
}

// print puts data on stdout: as one JSON document, or as asText writes it.
func (p *program) print(data any, asText func(*text)) error {
	if p.output == "json" {
		enc := json.NewEncoder(p.stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(data)
	}
	t := &text{w: p.stdout}
	asText(t)
	return t.err
}

// text writes lines and tables for people, and remembers the first error.
type text struct {
	w   io.Writer
	err error
}

func (t *text) linef(format string, args ...any) {
	if _, err := fmt.Fprintf(t.w, format+"\n", args...); err != nil && t.err == nil {
		t.err = err
	}
}

// table aligns the rows below the headings.
func (t *text) table(headings []string, rows [][]string) {
	tw := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		if _, err := fmt.Fprintln(tw, strings.Join(row, "\t")); err != nil && t.err == nil {
			t.err = err
		}
	}
	if err := tw.Flush(); err != nil && t.err == nil {
		t.err = err
	}
}
