package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/term"

	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/recorder"
)

// waterfall draws traces as trees, one line a span, with a bar that says when it ran.
type waterfall struct {
	*text
	style *style
	width int // columns of the terminal; 0: lines may have any length
}

func (p *program) waterfall(t *text) *waterfall {
	return &waterfall{text: t, style: newStyle(p.stdout, p.environ), width: terminalWidth(p.stdout)}
}

// terminalWidth is how many columns there are; 0 where it is no terminal.
func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok && isTerminal(w) {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			return columns
		}
	}
	return 0
}

// Widths of columns.
const (
	timeColumn = 9
	barPlain   = 32
	barLeast   = 8
	barMost    = 48
)

// barColumns is how long the bar may be.
func (w *waterfall) barColumns() int {
	if w.width == 0 {
		return barPlain
	}
	return min(max(w.width/4, barLeast), barMost)
}

// draw shows one trace.
func (w *waterfall) draw(t recorder.Trace) {
	head := fmt.Sprintf("Trace %s, %s, %s, %s", t.TraceID, t.Start.Format("2006-01-02T15:04:05.000Z"), short(time.Duration(t.DurationNS)), count(len(t.Spans), "span"))
	if t.ErrorCount > 0 {
		head += ", " + count(t.ErrorCount, "error")
	}
	w.linef("%s", w.style.paint("1", head))
	if isIncomplete(t) {
		w.linef("%s", w.style.paint("33", "It is incomplete: some of its spans are not recorded any more, or by processes that were not asked."))
	}
	all := treeOf(t)
	crew := several(t)
	for _, n := range all.inOrder() {
		if all.tells(n.pause) {
			w.line(all.start, all, n.Start.Add(-n.pause), n.Start, '·', n.depth, "33", "(nothing went on)")
		}
		colour := ""
		switch {
		case n.Status == "error":
			colour = "31"
		case n.shared:
			colour = "2"
		}
		w.line(all.start, all, n.Start, n.End, '█', n.depth, colour, n.label(crew))
	}
	w.summary(all)
}

// tells reports whether a pause is worth a line.
func (t spanTree) tells(pause time.Duration) bool {
	return pause >= time.Millisecond && pause >= t.end.Sub(t.start)/50
}

// line is one line: when it began, how long it took, the bar, and what it is.
func (w *waterfall) line(zero time.Time, all spanTree, from, to time.Time, mark rune, depth int, colour, label string) {
	columns := w.barColumns()
	left := fmt.Sprintf("%*s  %*s  ", timeColumn, short(from.Sub(zero)), timeColumn, short(to.Sub(from)))
	label = strings.Repeat("  ", depth) + label
	if w.width > 0 {
		label = cut(label, w.width-len([]rune(left))-columns-3)
	}
	if colour != "" {
		label = w.style.paint(colour, label)
	}
	w.linef("%s▕%s▏ %s", left, bar(all, from, to, columns, mark), label)
}

// bar marks a part of the trace's time; what is shorter than a column has one.
func bar(t spanTree, from, to time.Time, columns int, mark rune) string {
	place := func(at time.Time) float64 {
		here, whole := t.axis(at)
		return min(max(float64(here)/float64(max(whole, 1)), 0), 1) * float64(columns)
	}
	first := min(int(place(from)), columns-1)
	last := min(max(int(math.Ceil(place(to))), first+1), columns)
	return strings.Repeat(" ", first) + strings.Repeat(string(mark), last-first) + strings.Repeat(" ", columns-last)
}

// cut shortens a text to so many columns.
func cut(s string, columns int) string {
	r := []rune(s)
	if len(r) <= columns {
		return s
	}
	return string(r[:max(columns-1, 0)]) + "…"
}

// several reports whether more than one process took part.
func several(t recorder.Trace) bool {
	for _, s := range t.Spans {
		if s.Service != t.Spans[0].Service || s.Instance != t.Spans[0].Instance {
			return true
		}
	}
	return false
}

// label is the span in words: its name, where it ran, what it was about, and how it ended.
func (n *node) label(crew bool) string {
	parts := []string{n.Name}
	where := n.where()
	if crew {
		process := strings.TrimSuffix(n.Service+"/"+n.Instance, "/")
		where = strings.TrimPrefix(where+"@"+process, "@")
	}
	if where != "" {
		parts = append(parts, "["+where+"]")
	}
	if kind := n.said(telemetry.MessageType); kind != "" {
		parts = append(parts, kind)
	}
	if status := n.said(telemetry.HTTPStatusCode); status != "" {
		parts = append(parts, status)
	}
	if at := n.said(telemetry.MessageAttempt); at != "" && at != "1" {
		parts = append(parts, "attempt "+at)
	}
	if jobs := n.said(telemetry.Jobs); jobs != "" && jobs != "1" {
		parts = append(parts, "shared by "+jobs)
	}
	if letter := n.said(telemetry.DeadLetter); letter != "" {
		parts = append(parts, "dead letter "+letter)
	}
	if n.Status == "error" {
		what := n.said(telemetry.ErrorType)
		if what == "" {
			what = n.StatusText
		}
		parts = append(parts, strings.TrimSpace("FAILED "+what))
	}
	if n.lost {
		parts = append(parts, "(what led to it is not recorded)")
	}
	return strings.Join(parts, "  ")
}

// said is the text of an attribute; empty when the span has none.
func (n *node) said(key attribute.Key) string {
	if v, ok := n.Attributes[string(key)]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// tellShares is how many spans the summary names.
const tellShares = 3

// summary says where the time went, and how long nothing went on.
func (w *waterfall) summary(t spanTree) {
	if t.busy <= 0 {
		return
	}
	all := t.shares()
	var parts []string
	for _, s := range all[:min(len(all), tellShares)] {
		parts = append(parts, fmt.Sprintf("%s %.0f%% %s", short(s.took), 100*float64(s.took)/float64(t.busy), s.what))
	}
	w.linef("%s %s", w.style.paint("1", "Where the time went:"), strings.Join(parts, "; "))
	var paused time.Duration
	var longest pause
	for _, p := range t.pauses {
		if paused += p.took(); p.took() > longest.took() {
			longest = p
		}
	}
	if !t.tells(longest.took()) {
		return
	}
	how := short(paused)
	if longest.took() < paused*9/10 {
		how += ", longest for " + short(longest.took())
	}
	w.linef("%s %s, before %s", w.style.paint("1", "Nothing went on for"), how, longest.before.Name)
}

// short is a duration for people, in three or four digits.
func short(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case d < 0:
		return "-" + short(-d)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", ms)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", ms)
	case d < time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < 24*time.Hour:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
