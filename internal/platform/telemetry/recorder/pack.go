package recorder

import (
	"encoding/binary"
	"math"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry"
)

// What a span may say at most; the rest is cut.
const (
	longestText    = 1 << 10 // bytes of a name or a value
	mostAttributes = 64
	mostLinks      = 128
)

// Kinds of values.
const (
	isText byte = iota
	isInt
	isFloat
	isTrue
	isFalse
)

// pack writes the name, the status' text, the attributes and the links of a span into one piece of bytes: so a span costs one allocation, holds on to nothing else, and its size is
// known. It also says which order the span is about, if any, and whether it carries the order on.
func pack(b []byte, s sdktrace.ReadOnlySpan) (packed []byte, order string, way bool) {
	b = appendText(b, s.Name())
	b = appendText(b, s.Status().Description)
	attributes := s.Attributes()
	attributes = attributes[:min(len(attributes), mostAttributes)]
	b = binary.AppendUvarint(b, uint64(len(attributes)))
	var method, route string
	for _, a := range attributes {
		switch a.Key {
		case telemetry.OrderID:
			order = a.Value.AsString()
		case telemetry.HTTPMethod:
			method = a.Value.AsString()
		case telemetry.HTTPRoute:
			route = a.Value.AsString()
		}
		b = appendValue(appendText(b, string(a.Key)), a.Value)
	}
	links := s.Links()
	links = links[:min(len(links), mostLinks)]
	b = binary.AppendUvarint(b, uint64(len(links)))
	for _, l := range links {
		t, id := l.SpanContext.TraceID(), l.SpanContext.SpanID()
		b = append(append(b, t[:]...), id[:]...)
	}
	switch s.SpanKind() {
	case trace.SpanKindProducer, trace.SpanKindConsumer:
		way = true
	default:
		way = method == http.MethodPost && strings.HasSuffix(route, "/orders")
	}
	if len(order) > 64 { // it is none
		order = ""
	}
	return b, order, way
}

func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), longestText)]
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendValue(b []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.INT64:
		return binary.AppendVarint(append(b, isInt), v.AsInt64())
	case attribute.FLOAT64:
		return binary.BigEndian.AppendUint64(append(b, isFloat), math.Float64bits(v.AsFloat64()))
	case attribute.BOOL:
		if v.AsBool() {
			return append(b, isTrue)
		}
		return append(b, isFalse)
	case attribute.STRING:
		return appendText(append(b, isText), v.AsString())
	default: // a list
		return appendText(append(b, isText), v.String())
	}
}

// unpacker reads what pack wrote.
type unpacker []byte

func (u *unpacker) count() int {
	n, size := binary.Uvarint(*u)
	*u = (*u)[size:]
	return int(n)
}

func (u *unpacker) bytes(n int) []byte {
	b := (*u)[:n]
	*u = (*u)[n:]
	return b
}

func (u *unpacker) text() string { return strings.ToValidUTF8(string(u.bytes(u.count())), "\uFFFD") }

func (u *unpacker) value() any {
	switch u.bytes(1)[0] {
	case isInt:
		n, size := binary.Varint(*u)
		*u = (*u)[size:]
		return n
	case isFloat:
		f := math.Float64frombits(binary.BigEndian.Uint64(u.bytes(8)))
		if math.IsNaN(f) || math.IsInf(f, 0) { // no JSON
			return nil
		}
		return f
	case isTrue:
		return true
	case isFalse:
		return false
	}
	return u.text()
}

// unpack fills in what was packed.
func (s *Span) unpack(packed []byte) {
	u := unpacker(packed)
	s.Name = u.text()
	s.StatusText = u.text()
	n := u.count()
	s.Attributes = make(map[string]any, n)
	for range n {
		key := u.text()
		s.Attributes[key] = u.value()
	}
	for range u.count() {
		s.Links = append(s.Links, Link{trace.TraceID(u.bytes(16)).String(), trace.SpanID(u.bytes(8)).String()})
	}
}
