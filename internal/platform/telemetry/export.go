package telemetry

import (
	"bytes"
	"context"
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// exporter is OpenTelemetry's exporter, but for usual spans it writes what that would write by itself: without a message object a span and an attribute, and without reflection. That is a
// third of what it costs to trace every order. Whatever is unusual (events, values that are lists) goes the library's way, and so does everything between here and the collector:
// connection, headers, TLS, compression, repetition.
type exporter struct {
	*otlptrace.Exporter
	room []byte // of the last export
}

// newExporter starts an exporter on a client of the library. Errors: those of the client.
func newExporter(ctx context.Context, c otlptrace.Client) (*exporter, error) {
	e, err := otlptrace.New(ctx, addingClient{c})
	return &exporter{Exporter: e}, err
}

// ExportSpans implements sdktrace.SpanExporter. The first span goes the library's way, which so describes the process; the usual ones join it.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	first := spans[0]
	rest := []sdktrace.ReadOnlySpan{first}
	more := joining{first: first.SpanContext().SpanID(), spans: e.room[:0]}
	for _, s := range spans[1:] {
		if s.Resource() == first.Resource() && s.InstrumentationScope() == first.InstrumentationScope() && usual(s) {
			more.spans = appendSpan(more.spans, s)
		} else {
			rest = append(rest, s)
		}
	}
	e.room = more.spans // for the next one: exports follow one another
	return e.Exporter.ExportSpans(context.WithValue(ctx, joiningKey{}, more), rest)
}

// joining are encoded spans that go with another, which it names.
type joining struct {
	first trace.SpanID
	spans []byte // of the field 2 of ScopeSpans, once for each
}

type joiningKey struct{}

// addingClient adds the spans that go with others. Those are fields that the message in memory does not know, which protobuf writes as they are, and whoever reads them knows.
type addingClient struct{ otlptrace.Client }

// UploadTraces implements otlptrace.Client.
func (c addingClient) UploadTraces(ctx context.Context, traces []*tracepb.ResourceSpans) error {
	if more, _ := ctx.Value(joiningKey{}).(joining); len(more.spans) > 0 {
		for _, from := range traces {
			for _, scope := range from.GetScopeSpans() {
				if bytes.Equal(scope.GetSpans()[0].GetSpanId(), more.first[:]) {
					scope.ProtoReflect().SetUnknown(more.spans)
				}
			}
		}
	}
	return c.Client.UploadTraces(ctx, traces)
}

// usual reports whether appendSpan can write the span.
func usual(s sdktrace.ReadOnlySpan) bool {
	for _, a := range s.Attributes() {
		switch a.Value.Type() {
		case attribute.STRING, attribute.INT64, attribute.BOOL, attribute.FLOAT64:
		default:
			return false
		}
	}
	for _, l := range s.Links() {
		if len(l.Attributes) > 0 || l.DroppedAttributeCount > 0 {
			return false
		}
	}
	return len(s.Events()) == 0 && s.DroppedAttributes() == 0 && s.DroppedEvents() == 0 && s.DroppedLinks() == 0 && s.SpanContext().TraceState().Len() == 0
}

// Numbers of the fields, in https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto.
const (
	scopeSpans = 2

	spanTraceID    = 1
	spanID         = 2
	spanParentID   = 4
	spanName       = 5
	spanKind       = 6
	spanStart      = 7
	spanEnd        = 8
	spanAttributes = 9
	spanLinks      = 13
	spanStatus     = 15
	spanFlags      = 16

	statusMessage = 2
	statusCode    = 3

	linkTraceID = 1
	linkSpanID  = 2
	linkFlags   = 6

	pairKey   = 1
	pairValue = 2

	valueString = 1
	valueBool   = 2
	valueInt    = 3
	valueDouble = 4
)

// appendSpan writes a usual span as a field of ScopeSpans.
func appendSpan(b []byte, s sdktrace.ReadOnlySpan) []byte {
	return appendMessage(b, scopeSpans, func(b []byte) []byte {
		self, parent := s.SpanContext(), s.Parent()
		b = appendIDs(b, spanTraceID, spanID, self)
		if parent.SpanID().IsValid() {
			id := parent.SpanID()
			b = protowire.AppendBytes(protowire.AppendTag(b, spanParentID, protowire.BytesType), id[:])
		}
		b = appendText(b, spanName, s.Name())
		b = appendNumber(b, spanKind, uint64(kinds[s.SpanKind()]))
		b = appendFixed(b, spanStart, uint64(max(0, s.StartTime().UnixNano())))
		b = appendFixed(b, spanEnd, uint64(max(0, s.EndTime().UnixNano())))
		for _, a := range s.Attributes() {
			b = appendMessage(b, spanAttributes, func(b []byte) []byte { return appendAttribute(b, a) })
		}
		for _, l := range s.Links() {
			b = appendMessage(b, spanLinks, func(b []byte) []byte {
				b = appendIDs(b, linkTraceID, linkSpanID, l.SpanContext)
				return appendFlags(b, linkFlags, l.SpanContext.TraceFlags(), l.SpanContext)
			})
		}
		b = appendMessage(b, spanStatus, func(b []byte) []byte {
			status := s.Status()
			return appendNumber(appendText(b, statusMessage, status.Description), statusCode, uint64(statuses[status.Code]))
		})
		return appendFlags(b, spanFlags, self.TraceFlags(), parent)
	})
}

var (
	kinds = map[trace.SpanKind]tracepb.Span_SpanKind{
		trace.SpanKindInternal: tracepb.Span_SPAN_KIND_INTERNAL, trace.SpanKindServer: tracepb.Span_SPAN_KIND_SERVER, trace.SpanKindClient: tracepb.Span_SPAN_KIND_CLIENT,
		trace.SpanKindProducer: tracepb.Span_SPAN_KIND_PRODUCER, trace.SpanKindConsumer: tracepb.Span_SPAN_KIND_CONSUMER,
	}
	statuses = map[codes.Code]tracepb.Status_StatusCode{codes.Ok: tracepb.Status_STATUS_CODE_OK, codes.Error: tracepb.Status_STATUS_CODE_ERROR}
)

func appendAttribute(b []byte, a attribute.KeyValue) []byte {
	b = appendText(b, pairKey, string(a.Key))
	return appendMessage(b, pairValue, func(b []byte) []byte { // one of them is there also when it is zero
		switch a.Value.Type() {
		case attribute.STRING:
			return protowire.AppendString(protowire.AppendTag(b, valueString, protowire.BytesType), a.Value.AsString())
		case attribute.INT64:
			return protowire.AppendVarint(protowire.AppendTag(b, valueInt, protowire.VarintType), uint64(a.Value.AsInt64()))
		case attribute.BOOL:
			return protowire.AppendVarint(protowire.AppendTag(b, valueBool, protowire.VarintType), protowire.EncodeBool(a.Value.AsBool()))
		default:
			return protowire.AppendFixed64(protowire.AppendTag(b, valueDouble, protowire.Fixed64Type), math.Float64bits(a.Value.AsFloat64()))
		}
	})
}

func appendIDs(b []byte, traceField, spanField protowire.Number, c trace.SpanContext) []byte {
	t, s := c.TraceID(), c.SpanID()
	b = protowire.AppendBytes(protowire.AppendTag(b, traceField, protowire.BytesType), t[:])
	return protowire.AppendBytes(protowire.AppendTag(b, spanField, protowire.BytesType), s[:])
}

// appendFlags writes the flags of the trace, and whether other is in another process.
func appendFlags(b []byte, field protowire.Number, flags trace.TraceFlags, other trace.SpanContext) []byte {
	all := uint32(flags) | uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	if other.IsRemote() {
		all |= uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	}
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), all)
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

func appendFixed(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), n)
}

// appendMessage writes a message within another: its length takes two bytes, which is right up to 16 KiB, and is written when it is known.
func appendMessage(b []byte, field protowire.Number, content func(b []byte) []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	at := len(b)
	b = content(append(b, 0, 0))
	n := len(b) - at - 2
	if n >= 1<<14 {
		long := protowire.AppendVarint(nil, uint64(n))
		return append(append(b[:at:at], long...), b[at+2:]...)
	}
	b[at], b[at+1] = byte(n)|0x80, byte(n>>7)
	return b
}
