package main

import (
	"cmp"
	"slices"
	"time"

	"shop/internal/platform/telemetry/recorder"
)

// node is a span with what is below it.
type node struct {
	recorder.Span
	below  []*node
	shared bool          // it belongs to another trace, whose transaction this one shares
	lost   bool          // what it is below of was not recorded
	depth  int           // see inOrder
	pause  time.Duration // so long before it began nothing went on
}

// spanTree is a trace: the spans that are below no other, the earliest first.
type spanTree struct {
	roots      []*node
	start, end time.Time
}

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
	var walk func(nodes []*node, depth int)
	walk = func(nodes []*node, depth int) {
		for _, n := range nodes {
			if seen[n] {
				continue
			}
			seen[n] = true
			n.depth = depth
			list = append(list, n)
			walk(n.below, depth+1)
		}
	}
	walk(t.roots, 0)
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

// findPauses notes before which spans nothing went on.
func (t spanTree) findPauses() {
	busy := t.start
	for _, n := range t.byStart() {
		n.pause = max(0, n.Start.Sub(busy))
		busy = later(busy, n.End)
	}
}

// share is a part of a trace's time.
type share struct {
	node *node // nil: nothing went on
	took time.Duration
}

// shares says where the time went: each moment belongs to one span, of those that were under way to the one that began last. So what only waits for others gets what they leave.
// They add up to the whole; the largest come first.
func (t spanTree) shares() []share {
	list := t.byStart()
	moments := []time.Time{t.start, t.end}
	for _, n := range list {
		moments = append(moments, n.Start, n.End)
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	took := map[*node]time.Duration{}
	var active []*node // the one that began last comes last
	for i, m := range moments[:len(moments)-1] {
		active = slices.DeleteFunc(active, func(n *node) bool { return !n.End.After(m) })
		for len(list) > 0 && !list[0].Start.After(m) {
			if list[0].End.After(m) {
				active = append(active, list[0])
			}
			list = list[1:]
		}
		if m.Before(t.start) || !m.Before(t.end) { // of a transaction that another trace began
			continue
		}
		var last *node
		if len(active) > 0 {
			last = active[len(active)-1]
		}
		took[last] += moments[i+1].Sub(m)
	}
	var all []share
	for n, d := range took {
		all = append(all, share{n, d})
	}
	slices.SortFunc(all, func(a, b share) int {
		return cmp.Or(cmp.Compare(b.took, a.took), cmp.Compare(spanIDOf(a.node), spanIDOf(b.node)))
	})
	return all
}

func spanIDOf(n *node) string {
	if n == nil {
		return ""
	}
	return n.SpanID
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
