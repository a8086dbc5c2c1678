package recorder

import (
	"context"
	"sync"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// SlowAfter is how long a trace takes at least that is slow; see the package's documentation.
const SlowAfter = 5 * time.Second

// longPause is how long nothing happens in a trace that waits for people.
const longPause = time.Minute

const (
	bytesPerSpan  = 2 << 10  // the room for bytes, for each span that there is room for
	leastBytes    = 64 << 10 // of the whole
	smallTrace    = 64       // spans that any trace may have; beyond a quarter of the room for spans it is cut
	ordersOfTrace = 64       // of how many orders a trace can be found by their ids
	fewestGone    = 256      // traces that are remembered to be gone
	mostGone      = 1 << 16
)

// Recorder keeps the newest spans. It implements sdktrace.SpanProcessor and is safe for concurrent use.
type Recorder struct {
	limits Size
	max    int // spans of one trace

	mu       sync.Mutex
	traces   map[trace.TraceID]*record
	orders   map[string][]*record // by the order's id, the oldest trace first
	ordinary list
	kept     list // those with an error, and slow ones
	gone     graves
	evicted  int64
	service  string
	instance string
	known    bool // service and instance
}

// New makes a recorder with room for a number of spans, and for 2 KiB for each of them.
func New(spans int) *Recorder {
	spans = max(spans, 1)
	return &Recorder{
		limits: Size{Spans: spans, Bytes: max(spans*bytesPerSpan, leastBytes)},
		max:    max(spans/4, min(spans, smallTrace)),
		traces: map[trace.TraceID]*record{},
		orders: map[string][]*record{},
		gone:   graves{most: min(max(spans, fewestGone), mostGone)},
	}
}

// held is a span that is kept.
type held struct {
	id, parent trace.SpanID
	remote     bool // its parent is in another process, or came with a message
	kind       trace.SpanKind
	status     codes.Code
	start, end int64  // nanoseconds since 1970
	packed     []byte // the rest; see pack
}

// record is a trace that is kept.
type record struct {
	id          trace.TraceID
	spans       []held
	bytes       int
	first, last int64 // the earliest start and the latest end
	paused      int64 // of the time between them, nanoseconds in long pauses
	slow        bool
	errors      int
	dropped     int  // spans for which the trace was too large
	incomplete  bool // some of its spans are gone
	orders      []about

	in         *list
	prev, next *record
}

// about says that a trace has to do with an order.
type about struct {
	order string
	way   bool // it carries the order on: its placing, or a message about it
}

const (
	sizeOfSpan  = int(unsafe.Sizeof(held{}))
	sizeOfTrace = int(unsafe.Sizeof(record{})) + 100 // and its place in the map
	sizeOfAbout = 100                                // and its place in the index
)

// OnStart implements sdktrace.SpanProcessor.
func (r *Recorder) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// Shutdown implements sdktrace.SpanProcessor. What was recorded can still be read.
func (r *Recorder) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (r *Recorder) ForceFlush(context.Context) error { return nil }

// OnEnd keeps the span.
func (r *Recorder) OnEnd(s sdktrace.ReadOnlySpan) {
	parent := s.Parent()
	h := held{id: s.SpanContext().SpanID(), parent: parent.SpanID(), remote: parent.IsRemote(), kind: s.SpanKind(), status: s.Status().Code,
		start: s.StartTime().UnixNano(), end: s.EndTime().UnixNano()}
	var room [1 << 10]byte
	packed, order, way := pack(room[:0], s)
	h.packed = append(make([]byte, 0, len(packed)), packed...)

	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		r.introduce(s)
	}
	t := r.traceOf(s.SpanContext().TraceID(), h)
	before := t.bytes
	t.add(h, r.max, r.limits.Bytes/4)
	if order != "" {
		r.note(t, order, way)
	}
	t.in.grow(0, t.bytes-before)
	to := &r.ordinary
	if t.slow || t.errors > 0 {
		to = &r.kept
	}
	t.in.remove(t)
	to.push(t)
	for r.tooMuch() {
		r.evict()
	}
}

// introduce remembers who this process is.
func (r *Recorder) introduce(s sdktrace.ReadOnlySpan) {
	r.known = true
	if v, ok := s.Resource().Set().Value(semconv.ServiceNameKey); ok {
		r.service = v.AsString()
	}
	if v, ok := s.Resource().Set().Value(semconv.ServiceInstanceIDKey); ok {
		r.instance = v.AsString()
	}
}

// traceOf is the trace to which a span belongs, which may be a new one.
func (r *Recorder) traceOf(id trace.TraceID, h held) *record {
	if t := r.traces[id]; t != nil {
		return t
	}
	t := &record{id: id, bytes: sizeOfTrace, first: h.start, last: h.end, incomplete: r.gone.has(id)}
	r.traces[id] = t
	r.ordinary.push(t)
	return t
}

// add adds a span, unless the trace is too large.
func (t *record) add(h held, maxSpans, maxBytes int) {
	if pause := h.start - t.last; pause >= int64(longPause) {
		t.paused += pause
	}
	t.first, t.last = min(t.first, h.start), max(t.last, h.end)
	t.slow = t.slow || h.end-h.start >= int64(SlowAfter) || t.last-t.first-t.paused >= int64(SlowAfter)
	if h.status == codes.Error {
		t.errors++
	}
	size := sizeOfSpan + len(h.packed)
	if len(t.spans) >= maxSpans || t.bytes+size > maxBytes {
		t.dropped++
		t.incomplete = true
		return
	}
	t.spans = append(t.spans, h)
	t.bytes += size
	t.in.grow(1, 0)
}

// note lets a trace be found by an order.
func (r *Recorder) note(t *record, order string, way bool) {
	for i := range t.orders {
		if a := &t.orders[i]; a.order == order {
			a.way = a.way || way
			return
		}
	}
	if len(t.orders) == ordersOfTrace {
		return
	}
	t.orders = append(t.orders, about{order, way})
	t.bytes += sizeOfAbout
	r.orders[order] = append(r.orders[order], t)
}

func (r *Recorder) tooMuch() bool {
	return r.ordinary.Spans+r.kept.Spans > r.limits.Spans || r.ordinary.Bytes+r.kept.Bytes > r.limits.Bytes
}

// evict removes the trace that was quiet longest: an ordinary one, unless there is none or the others have more than half of the room.
func (r *Recorder) evict() {
	t := r.ordinary.oldest
	if t == nil || r.kept.Spans > r.limits.Spans/2 || r.kept.Bytes > r.limits.Bytes/2 {
		t = r.kept.oldest
	}
	t.in.remove(t)
	delete(r.traces, t.id)
	for _, a := range t.orders {
		r.forget(a.order, t)
	}
	r.gone.bury(t.id)
	r.evicted++
}

func (r *Recorder) forget(order string, t *record) {
	all := r.orders[order]
	left := all[:0]
	for _, other := range all {
		if other != t {
			left = append(left, other)
		}
	}
	clear(all[len(left):])
	if len(left) == 0 {
		delete(r.orders, order)
		return
	}
	r.orders[order] = left
}

// list is a chain of traces, the one that was quiet longest first, and how much they take.
type list struct {
	oldest, newest *record
	Size
	traces int
}

func (l *list) push(t *record) {
	t.in, t.prev, t.next = l, l.newest, nil
	if l.newest == nil {
		l.oldest = t
	} else {
		l.newest.next = t
	}
	l.newest = t
	l.traces++
	l.grow(len(t.spans), t.bytes)
}

func (l *list) remove(t *record) {
	if t.prev == nil {
		l.oldest = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		l.newest = t.prev
	} else {
		t.next.prev = t.prev
	}
	l.traces--
	l.grow(-len(t.spans), -t.bytes)
}

func (l *list) grow(spans, bytes int) {
	l.Spans += spans
	l.Bytes += bytes
}

// graves remembers the last traces that went.
type graves struct {
	most int
	ids  map[trace.TraceID]struct{}
	ring []trace.TraceID
	next int
}

func (g *graves) has(id trace.TraceID) bool {
	_, ok := g.ids[id]
	return ok
}

func (g *graves) bury(id trace.TraceID) {
	if g.has(id) {
		return
	}
	if g.ids == nil {
		g.ids = map[trace.TraceID]struct{}{}
	}
	if len(g.ring) < g.most {
		g.ring = append(g.ring, id)
	} else {
		delete(g.ids, g.ring[g.next])
		g.ring[g.next] = id
		g.next = (g.next + 1) % g.most
	}
	g.ids[id] = struct{}{}
}
