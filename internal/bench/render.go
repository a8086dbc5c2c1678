package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// render writes the plots, and the tables into the document, from results.jsonl.
func render(args []string, progress io.Writer) error {
	f := flag.NewFlagSet("bench render", flag.ContinueOnError)
	f.SetOutput(progress)
	out := f.String("out", "docs/performance", "directory of results.jsonl, and for the plots")
	doc := f.String("doc", "docs/performance.md", "the document with the places for the tables: <!-- bench:NAME --> … <!-- /bench:NAME -->")
	if err := f.Parse(args); err != nil {
		return err
	}
	all, err := readRecords(filepath.Join(*out, resultsFile))
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("there is no %s in %s: measure first", resultsFile, *out)
	}
	for name, c := range charts(all) {
		if err := os.WriteFile(filepath.Join(*out, name+".svg"), c.svg(), 0o644); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(*doc)
	if err != nil {
		return err
	}
	filled, err := fillMarkers(text, tables(all))
	if err != nil {
		return fmt.Errorf("%s: %w", *doc, err)
	}
	return os.WriteFile(*doc, filled, 0o644)
}

var marker = regexp.MustCompile(`(?m)^<!-- (/?)bench:([a-z-]+) -->$`)

// fillMarkers puts each block between its markers, each of which has a line to itself: <!-- bench:NAME --> and <!-- /bench:NAME -->. What stands
// between them is replaced; a block for which there is no place is left out. Errors: a marker without its other half, or without a block.
func fillMarkers(text []byte, blocks map[string]string) ([]byte, error) {
	var out bytes.Buffer
	var complaints []error
	open, from := "", 0
	for _, at := range marker.FindAllSubmatchIndex(text, -1) {
		closes, name := at[3] > at[2], string(text[at[4]:at[5]])
		switch {
		case !closes && open != "":
			complaints = append(complaints, fmt.Errorf("bench:%s begins inside bench:%s", name, open))
		case closes && name != open:
			complaints = append(complaints, fmt.Errorf("bench:%s ends where it has not begun", name))
		case !closes:
			block, ok := blocks[name]
			if !ok {
				complaints = append(complaints, fmt.Errorf("there is no block %s", name))
			}
			out.Write(text[from:at[1]])
			out.WriteString("\n" + strings.TrimSpace(block) + "\n")
			open = name
		default:
			open, from = "", at[0]
		}
	}
	if open != "" {
		complaints = append(complaints, fmt.Errorf("bench:%s does not end", open))
	}
	out.Write(text[from:])
	return out.Bytes(), errors.Join(complaints...)
}

// markdown writes a table.
func markdown(header []string, rows [][]string) string {
	if len(rows) == 0 {
		return notMeasured
	}
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(header)
	rule := make([]string, len(header))
	for i := range rule {
		rule[i] = "--:"
	}
	rule[0] = "---"
	line(rule)
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

const notMeasured = "Not measured yet."
