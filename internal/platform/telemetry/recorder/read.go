package recorder

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry"
)

// mostLinked is how many spans of other traces are shown with a trace.
const mostLinked = 500

// Order is all that was recorded about an order: traces that carry it on first, then others, such as reads by its customer; of each the oldest first.
func (r *Recorder) Order(id string) Answer {
	return r.answer(func() []Trace {
		found := make([]Trace, 0, len(r.orders[id]))
		for _, t := range r.orders[id] {
			found = append(found, r.whole(t))
		}
		slices.SortStableFunc(found, func(a, b Trace) int {
			if a.carries(id) != b.carries(id) {
				if a.carries(id) {
					return -1
				}
				return 1
			}
			return a.Start.Compare(b.Start)
		})
		return found
	})
}

// carries reports whether the trace carries an order on.
func (t Trace) carries(order string) bool {
	return slices.ContainsFunc(t.Orders, func(o Order) bool { return o.ID == order && o.Way })
}

// Trace is what was recorded of one trace, if anything was.
func (r *Recorder) Trace(id trace.TraceID) Answer {
	return r.answer(func() []Trace {
		if t := r.traces[id]; t != nil {
			return []Trace{r.whole(t)}
		}
		return []Trace{}
	})
}

// Filter chooses traces for a list.
type Filter struct {
	Failed  bool          // only those with an error
	Slower  time.Duration // only those that took so long or longer
	Slowest bool          // the slowest first, instead of the newest
	Limit   int           // how many at most
}

// List is a list of traces without their spans.
func (r *Recorder) List(f Filter) Answer {
	return r.answer(func() []Trace {
		var chosen []*record
		for _, t := range r.traces {
			if (!f.Failed || t.errors > 0) && t.last-t.first >= int64(f.Slower) {
				chosen = append(chosen, t)
			}
		}
		slices.SortFunc(chosen, func(a, b *record) int {
			if d := cmp.Compare(b.last-b.first, a.last-a.first); f.Slowest && d != 0 {
				return d
			}
			return cmp.Or(cmp.Compare(b.first, a.first), bytes.Compare(a.id[:], b.id[:]))
		})
		found := make([]Trace, 0, f.Limit)
		for _, t := range chosen[:min(len(chosen), f.Limit)] {
			found = append(found, r.summary(t))
		}
		return found
	})
}

// answer reads while nothing is recorded.
func (r *Recorder) answer(read func() []Trace) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Answer{
		Service: r.service, Instance: r.instance, Limits: r.limits, Evicted: r.evicted,
		Held:   Size{Spans: r.ordinary.Spans + r.kept.Spans, Bytes: r.ordinary.Bytes + r.kept.Bytes},
		Traces: read(),
	}
}

func (r *Recorder) summary(t *record) Trace {
	out := Trace{
		TraceID: t.id.String(), Start: at(t.first), End: at(t.last), DurationNS: t.last - t.first, SpanCount: len(t.spans), ErrorCount: t.errors,
		Slow: t.slow, Incomplete: t.incomplete, Instance: r.instance,
	}
	for _, a := range t.orders {
		out.Orders = append(out.Orders, Order{a.order, a.way})
	}
	if len(t.spans) > 0 {
		u := unpacker(slices.MinFunc(t.spans, earlier).packed)
		out.Name = u.text()
	}
	return out
}

func (r *Recorder) whole(t *record) Trace {
	out := r.summary(t)
	for _, h := range t.spans {
		out.Spans = append(out.Spans, r.show(t.id, h))
	}
	slices.SortStableFunc(out.Spans, func(a, b Span) int { return a.Start.Compare(b.Start) })
	shown := map[Link]bool{}
	for _, s := range out.Spans {
		for _, l := range s.Links {
			if l.TraceID != out.TraceID {
				out.Linked = r.shared(out.Linked, shown, l)
			}
		}
	}
	return out
}

// shared adds the transaction that a link leads to, with what is below it.
func (r *Recorder) shared(list []Span, shown map[Link]bool, l Link) []Span {
	id, err := trace.TraceIDFromHex(l.TraceID)
	t := r.traces[id]
	if err != nil || t == nil || shown[l] {
		return list
	}
	i := slices.IndexFunc(t.spans, func(h held) bool { return h.id.String() == l.SpanID })
	if i < 0 {
		return list
	}
	top := r.show(id, t.spans[i])
	if !strings.HasPrefix(top.Name, telemetry.SpanTransaction+" ") {
		return list
	}
	shown[l] = true
	list = append(list, top)
	for below := []trace.SpanID{t.spans[i].id}; len(below) > 0; below = below[1:] {
		for _, h := range t.spans {
			if h.parent == below[0] && len(list) < mostLinked {
				list = append(list, r.show(id, h))
				below = append(below, h.id)
			}
		}
	}
	return list
}

func (r *Recorder) show(t trace.TraceID, h held) Span {
	s := Span{
		TraceID: t.String(), SpanID: h.id.String(), ParentRemote: h.remote, Kind: h.kind.String(), Start: at(h.start), End: at(h.end), DurationNS: h.end - h.start,
		Status: strings.ToLower(h.status.String()), Service: r.service, Instance: r.instance,
	}
	if h.parent.IsValid() {
		s.ParentID = h.parent.String()
	}
	s.unpack(h.packed)
	return s
}

func earlier(a, b held) int { return cmp.Compare(a.start, b.start) }

func at(ns int64) time.Time { return time.Unix(0, ns).UTC() }
