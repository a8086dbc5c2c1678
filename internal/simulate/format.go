package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// table is one of the document's: Markdown, made from cells.
type table struct {
	b strings.Builder
}

// newTable begins one. A heading that ends with a colon is of a column of numbers, aligned to the right.
func newTable(headings ...string) *table {
	t := &table{}
	rule := make([]string, len(headings))
	for i, h := range headings {
		rule[i] = "---"
		if strings.HasSuffix(h, ":") {
			rule[i] = "--:"
			headings[i] = strings.TrimSuffix(h, ":")
		}
	}
	t.row(headings...)
	t.b.WriteString("|" + strings.Join(rule, "|") + "|\n")
	return t
}

func (t *table) row(cells ...string) {
	t.b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// say adds a paragraph below the table.
func (t *table) say(format string, args ...any) {
	fmt.Fprintf(&t.b, "\n"+format+"\n", args...)
}

func (t *table) String() string { return t.b.String() }

// number has three significant digits, and commas between thousands.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 1e15:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case a >= 100:
		digits := math.Pow(10, math.Floor(math.Log10(a))-2)
		return commas(math.Round(v/digits) * digits)
	case a >= 10:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	case a >= 0.995:
		return trim(strconv.FormatFloat(v, 'f', 2, 64))
	}
	return trim(strconv.FormatFloat(v, 'f', 2-int(math.Floor(math.Log10(math.Abs(v)))), 64))
}

func trim(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// commas writes a whole number.
func commas(v float64) string {
	s := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 {
		s = "-" + s
	}
	return s
}

func count(n int) string { return commas(float64(n)) }

// ms is a duration in milliseconds, without the unit.
func ms(d time.Duration) string { return number(float64(d) / float64(time.Millisecond)) }

func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*100), 'f', 0, 64) + " %"
}
