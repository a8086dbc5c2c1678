package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/recorder"
)

// node is a span with what is below it.
type node struct {
	recorder.Span
	below  []*node
	shared bool          // it belongs to another trace, whose transaction this one shares
	lost   bool          // what it is below of was not recorded
	depth  int           // see inOrder
	in     string        // the transaction that it is a part of
	pause  time.Duration // so long before it began nothing went on
}

// spanTree is a trace: the spans that are below no other, the earliest first.
type spanTree struct {
	roots      []*node
	start, end time.Time
	pauses     []pause
	busy       time.Duration // without the pauses
}

// pause is a time in which nothing went on.
type pause struct {
	from, to time.Time
	before   *node // what ended it
}

func (p pause) took() time.Duration { return p.to.Sub(p.from) }

// treeOf puts the spans of a trace below their parents, and transactions that it shares below the spans that have a link to them.
func treeOf(t recorder.Trace) spanTree {
	out := spanTree{start: t.Start, end: t.End}
	nodes := make([]*node, len(t.Spans))
	byID := map[string]*node{}
	for i, s := range t.Spans {
		nodes[i] = &node{Span: s}
		byID[s.SpanID] = nodes[i]
	}
	for _, n := range nodes {
		if parent := byID[n.ParentID]; parent != nil && parent != n {
			parent.below = append(parent.below, n)
			continue
		}
		n.lost = n.ParentID != "" && (n.Kind != "server" || !n.ParentRemote)
		out.roots = append(out.roots, n)
	}
	linked := linkedNodes(t.Linked)
	for _, n := range nodes {
		for _, l := range n.Links {
			if other := linked[l]; other != nil {
				n.below = append(n.below, other)
				delete(linked, l) // once is enough
			}
		}
		slices.SortStableFunc(n.below, func(a, b *node) int { return a.Start.Compare(b.Start) })
	}
	for _, n := range out.inOrder() {
		out.end = later(out.end, n.End)
	}
	out.findPauses()
	return out
}

// linkedNodes are the transactions of other traces, with what is below them.
func linkedNodes(spans []recorder.Span) map[recorder.Link]*node {
	all := map[recorder.Link]*node{}
	for _, s := range spans {
		all[recorder.Link{TraceID: s.TraceID, SpanID: s.SpanID}] = &node{Span: s, shared: true}
	}
	for _, s := range spans {
		n := all[recorder.Link{TraceID: s.TraceID, SpanID: s.SpanID}]
		if parent := all[recorder.Link{TraceID: s.TraceID, SpanID: s.ParentID}]; parent != nil && parent != n {
			parent.below = append(parent.below, n)
		}
	}
	return all
}

// inOrder are all spans, each before what is below it.
func (t spanTree) inOrder() []*node {
	var list []*node
	seen := map[*node]bool{}
	var walk func(nodes []*node, depth int, in string)
	walk = func(nodes []*node, depth int, in string) {
		for _, n := range nodes {
			if seen[n] {
				continue
			}
			seen[n] = true
			n.depth, n.in = depth, in
			list = append(list, n)
			switch {
			case strings.HasPrefix(n.Name, telemetry.SpanTransaction+" "):
				walk(n.below, depth+1, n.Name)
			case n.Kind == "client" && in != "":
				walk(n.below, depth+1, in)
			default:
				walk(n.below, depth+1, "")
			}
		}
	}
	walk(t.roots, 0, "")
	return list
}

// byStart are all spans, the earliest first; of those that began together the outer one.
func (t spanTree) byStart() []*node {
	list := t.inOrder()
	slices.SortStableFunc(list, func(a, b *node) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.depth, b.depth))
	})
	return list
}

// findPauses notes when nothing went on.
func (t *spanTree) findPauses() {
	t.busy = t.end.Sub(t.start)
	until := t.start
	for _, n := range t.byStart() {
		if n.Start.After(until) {
			n.pause = n.Start.Sub(until)
			t.pauses = append(t.pauses, pause{until, n.Start, n})
			t.busy -= n.pause
		}
		until = later(until, n.End)
	}
}

// axis is the place of a moment on a time axis, and the length of the axis. A pause that is longer than all the work is cut to a quarter of that.
func (t spanTree) axis(at time.Time) (place, length time.Duration) {
	place, length = at.Sub(t.start), t.end.Sub(t.start)
	for _, p := range t.pauses {
		if p.took() <= t.busy {
			continue
		}
		shown := float64(t.busy) / 4 / float64(p.took())
		length -= p.took() - time.Duration(float64(p.took())*shown)
		if gone := min(at.Sub(p.from), p.took()); gone > 0 {
			place -= gone - time.Duration(float64(gone)*shown)
		}
	}
	return place, length
}

// share is a part of a trace's time.
type share struct {
	what string
	took time.Duration
}

// shares says where the time went that was no pause: each moment belongs to one span, of those that were under way to the one that began last. So what only waits for others gets
// what they leave. Spans that do the same in the same place count together; the largest share comes first.
func (t spanTree) shares() []share {
	list := t.byStart()
	moments := []time.Time{t.start, t.end}
	for _, n := range list {
		moments = append(moments, n.Start, n.End)
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	took := map[string]time.Duration{}
	var active []*node // the one that began last comes last
	for i, m := range moments[:len(moments)-1] {
		active = slices.DeleteFunc(active, func(n *node) bool { return !n.End.After(m) })
		for len(list) > 0 && !list[0].Start.After(m) {
			if list[0].End.After(m) {
				active = append(active, list[0])
			}
			list = list[1:]
		}
		if len(active) > 0 && !m.Before(t.start) { // not what another trace began before
			took[active[len(active)-1].work()] += moments[i+1].Sub(m)
		}
	}
	all := make([]share, 0, len(took))
	for what, d := range took {
		all = append(all, share{what, d})
	}
	slices.SortFunc(all, func(a, b share) int { return cmp.Or(cmp.Compare(b.took, a.took), cmp.Compare(a.what, b.what)) })
	return all
}

// work is what a span does, and where: the context, or for a statement its transaction.
func (n *node) work() string {
	if n.in != "" {
		return n.Name + " in " + n.in
	}
	if where := n.where(); where != "" && !strings.HasSuffix(n.Name, " "+where) {
		return n.Name + " [" + where + "]"
	}
	return n.Name
}

// where is the context that did it: who sent a message, or the group that applied it.
func (n *node) where() string {
	return cmp.Or(n.said(telemetry.ContextName), n.said(telemetry.MessagingGroup))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
