package telemetry

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"shop/internal/platform/id"
)

type traceKey struct{}

// WithTraceparent puts a W3C trace context into ctx: what begins there belongs to that trace. One that is not well formed is replaced by a new one.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	if !wellFormed(traceparent) {
		traceparent = NewTraceparent()
	}
	if trace.SpanFromContext(ctx).SpanContext().IsValid() {
		ctx = trace.ContextWithSpan(ctx, noop.Span{})
	}
	return context.WithValue(ctx, traceKey{}, traceparent)
}

// Traceparent is the trace context that ctx carries, or "".
func Traceparent(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		return traceparentOf(sc)
	}
	s, _ := ctx.Value(traceKey{}).(string)
	return s
}

// TraceID is the trace id that ctx carries, 32 hex digits, or "".
func TraceID(ctx context.Context) string {
	if s := Traceparent(ctx); s != "" {
		return s[3:35]
	}
	return ""
}

// SpanID is the span that a traceparent names, 16 hex digits, or "".
func SpanID(traceparent string) string {
	if len(traceparent) != 55 {
		return ""
	}
	return traceparent[36:52]
}

// TraceparentOf is the traceparent of a span that was stored because it is recorded, or, without a span, of a trace that is not.
func TraceparentOf(traceID, spanID string) string {
	if spanID == "" {
		return "00-" + traceID + NewTraceparent()[35:]
	}
	return "00-" + traceID + "-" + spanID + "-01"
}

// Abridge is what has to be stored of a traceparent beside what it is about: of a trace that is not recorded its id says all, and that is not said again of what is named after it.
func Abridge(traceparent, subject string) string {
	if len(traceparent) == 55 && traceparent[52:] == "-00" {
		return AbridgeID(traceparent[3:35], subject)
	}
	return traceparent
}

// Unabridged is a traceparent for what Abridge made of one.
func Unabridged(abridged, subject string) string {
	if traceID := UnabridgedID(abridged, subject); len(traceID) == 32 {
		return TraceparentOf(traceID, "")
	}
	return abridged
}

// namesake stands for the id of a trace after which what it is about is named: see id.Of.
const namesake = "="

// AbridgeID is Abridge of a trace's id.
func AbridgeID(traceID, subject string) string {
	if id.IsOf(subject, traceID) {
		return namesake
	}
	return traceID
}

// UnabridgedID is the id of a trace for what AbridgeID made of one.
func UnabridgedID(abridged, subject string) string {
	if abridged == namesake {
		return cmp.Or(id.Digits(subject), abridged)
	}
	return abridged
}

// Sampled reports whether spans that begin in ctx are recorded. Ask it before gathering what only a span wants to know.
func Sampled(ctx context.Context) bool {
	if current.Load() == nil {
		return false
	}
	if span := trace.SpanFromContext(ctx); span.SpanContext().IsValid() {
		return span.IsRecording()
	}
	s, _ := ctx.Value(traceKey{}).(string)
	return sampled(s)
}

// SampledTraceparent is Sampled of a ctx that carries traceparent.
func SampledTraceparent(traceparent string) bool {
	return current.Load() != nil && wellFormed(traceparent) && sampled(traceparent)
}

// sampled reads the lowest bit of the flags.
func sampled(traceparent string) bool {
	if len(traceparent) != 55 {
		return false
	}
	switch traceparent[54] {
	case '1', '3', '5', '7', '9', 'b', 'd', 'f':
		return true
	}
	return false
}

// NewTraceparent begins a trace that is not sampled.
func NewTraceparent() string {
	var b [55]byte
	copy(b[:], "00-")
	traceID, span := newTraceID(), newSpanID()
	hex.Encode(b[3:35], traceID[:])
	b[35] = '-'
	hex.Encode(b[36:52], span[:])
	copy(b[52:], "-00")
	return string(b[:])
}

// nextSpan is a traceparent with another span id.
func nextSpan(traceparent string) string {
	var b [55]byte
	copy(b[:], traceparent)
	span := newSpanID()
	hex.Encode(b[36:52], span[:])
	return string(b[:])
}

func traceparentOf(sc trace.SpanContext) string {
	var b [55]byte
	copy(b[:], "00-")
	traceID, span := sc.TraceID(), sc.SpanID()
	hex.Encode(b[3:35], traceID[:])
	b[35] = '-'
	hex.Encode(b[36:52], span[:])
	b[52] = '-'
	hex.Encode(b[53:], []byte{byte(sc.TraceFlags() & trace.FlagsSampled)})
	return string(b[:])
}

// spanContextOf reads a traceparent that is well formed.
func spanContextOf(traceparent string) trace.SpanContext {
	var c trace.SpanContextConfig
	var flags [1]byte
	_, _ = hex.Decode(c.TraceID[:], []byte(traceparent[3:35]))
	_, _ = hex.Decode(c.SpanID[:], []byte(traceparent[36:52]))
	_, _ = hex.Decode(flags[:], []byte(traceparent[53:55]))
	c.TraceFlags, c.Remote = trace.TraceFlags(flags[0])&trace.FlagsSampled, true
	return trace.NewSpanContext(c)
}

// wellFormed reports whether s is a traceparent of version 00.
func wellFormed(s string) bool {
	return len(s) == 55 && s[:2] == "00" && s[2] == '-' && s[35] == '-' && s[52] == '-' &&
		lowerHex(s[3:35]) && lowerHex(s[36:52]) && lowerHex(s[53:]) && !allZero(s[3:35]) && !allZero(s[36:52])
}

// Continues reports whether a request with that traceparent header goes on in a trace of its caller's; otherwise it begins one.
func Continues(traceparent string) bool { return received(traceparent) != "" }

// received is the traceparent of a caller as one of version 00, or "" when it is none. A later version may append fields; version ff is not valid, nor are ids of
// zeros or in upper case.
func received(s string) string {
	if len(s) < 55 || !lowerHex(s[:2]) || s[:2] == "ff" || len(s) > 55 && (s[:2] == "00" || s[55] != '-') {
		return ""
	}
	if s = "00" + s[2:55]; !wellFormed(s) {
		return ""
	}
	return s
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func allZero(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return true
}

// newTraceID names a trace as everything else is named (see id.Bits): what was made together has the time in common, and what is compressed with several of them, such as a parcel of the outbox, is
// smaller. The rest is random, as Trace Context asks of the last 56 bits.
func newTraceID() trace.TraceID { return id.Bits() }

func newSpanID() (s trace.SpanID) {
	binary.BigEndian.PutUint64(s[:], rand.Uint64()|1) // never all zeros
	return s
}

// ids has the SDK name traces and spans as we do. It implements sdktrace.IDGenerator.
type ids struct{}

func (ids) NewIDs(context.Context) (trace.TraceID, trace.SpanID)      { return newTraceID(), newSpanID() }
func (ids) NewSpanID(_ context.Context, _ trace.TraceID) trace.SpanID { return newSpanID() }
