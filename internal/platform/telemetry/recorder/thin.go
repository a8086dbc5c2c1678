package recorder

import (
	"encoding/binary"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Thin gives a recorder about so many of the traces that begin in a second, all of them when there are fewer, and each span that failed or was slow: for a process whose traces
// are exported, where the recorder need not have all of them as well. What it leaves out costs nothing. A trace is taken by its id, so all of its spans are, also
// in another process that takes as large a part; but when the rate changes, a trace may lose what came before or after.
func Thin(r *Recorder, perSecond int) sdktrace.SpanProcessor {
	t := &thinned{Recorder: r, perSecond: float64(perSecond)}
	t.below.Store(math.MaxUint64)
	return t
}

// thinned takes the traces whose ids, which are random, are below a number.
type thinned struct {
	*Recorder
	perSecond float64
	below     atomic.Uint64
	begun     atomic.Int64 // traces, in the present second
	second    atomic.Int64 // Unix
}

// OnEnd implements sdktrace.SpanProcessor.
func (t *thinned) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.Parent().IsValid() {
		t.count(s.EndTime())
	}
	id := s.SpanContext().TraceID()
	if binary.BigEndian.Uint64(id[8:]) <= t.below.Load() || s.Status().Code == codes.Error || s.EndTime().Sub(s.StartTime()) >= SlowAfter {
		t.Recorder.OnEnd(s)
	}
}

// count counts a trace that began here, and with the first of a second decides how large a part of the next ones is taken.
func (t *thinned) count(at time.Time) {
	n := t.begun.Add(1)
	now, before := at.Unix(), t.second.Load()
	if now <= before || !t.second.CompareAndSwap(before, now) {
		return
	}
	t.begun.Store(0)
	part := uint64(math.MaxUint64)
	if rate := float64(n) / float64(now-before); rate > t.perSecond {
		part = uint64(t.perSecond / rate * math.MaxUint64)
	}
	t.below.Store(part)
}
