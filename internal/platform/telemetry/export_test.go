package telemetry

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// catcher is a client that keeps what it would send, as the collector would read it.
type catcher struct {
	t     testing.TB
	spans map[string]*tracepb.Span
	about string // the process and the scope
}

func (c *catcher) Start(context.Context) error { return nil }
func (c *catcher) Stop(context.Context) error  { return nil }
func (c *catcher) UploadTraces(_ context.Context, all []*tracepb.ResourceSpans) error {
	sent, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: all})
	require.NoError(c.t, err)
	var read tracepb.TracesData
	require.NoError(c.t, proto.Unmarshal(sent, &read))
	c.spans = map[string]*tracepb.Span{}
	for _, from := range read.GetResourceSpans() {
		for _, scope := range from.GetScopeSpans() {
			require.Empty(c.t, scope.ProtoReflect().GetUnknown())
			c.about = from.GetResource().String() + scope.GetScope().String()
			for _, s := range scope.GetSpans() {
				require.NotContains(c.t, c.spans, string(s.GetSpanId()))
				c.spans[string(s.GetSpanId())] = s
			}
		}
	}
	return nil
}

func TestACollectorReadsWhatTheLibraryWouldHaveWritten(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	process := resource.NewSchemaless(attribute.String("service.name", "shop"))
	for range 200 {
		var batch []sdktrace.ReadOnlySpan
		for range 1 + dice.IntN(20) {
			batch = append(batch, anySpan(dice, process).Snapshot())
		}
		theirs, ours := &catcher{t: t}, &catcher{t: t}
		library, err := otlptrace.New(t.Context(), theirs)
		require.NoError(t, err)
		require.NoError(t, library.ExportSpans(t.Context(), batch))
		quick, err := newExporter(t.Context(), ours)
		require.NoError(t, err)
		require.NoError(t, quick.ExportSpans(t.Context(), batch))
		require.Len(t, ours.spans, len(batch))
		require.Equal(t, theirs.about, ours.about)
		for id, want := range theirs.spans {
			require.True(t, proto.Equal(want, ours.spans[id]), "want %s\ngot  %s", want, ours.spans[id])
		}
	}
}

// anySpan makes a span of any kind: most are usual, some have what only the library writes, and some are long.
func anySpan(dice *rand.Rand, process *resource.Resource) tracetest.SpanStub {
	text := func() string {
		return strings.Repeat("é", dice.IntN(4)) + []string{"", "x", "orders", strings.Repeat("long ", dice.IntN(5000))}[dice.IntN(4)]
	}
	context := func() trace.SpanContext {
		c := trace.SpanContextConfig{TraceFlags: trace.TraceFlags(dice.IntN(2)), Remote: dice.IntN(2) == 0}
		for i := range c.TraceID {
			c.TraceID[i] = byte(dice.IntN(256))
		}
		for i := range c.SpanID {
			c.SpanID[i] = byte(dice.IntN(256))
		}
		return trace.NewSpanContext(c)
	}
	s := tracetest.SpanStub{
		Name: text(), SpanContext: context(), SpanKind: trace.SpanKind(dice.IntN(6)), Resource: process,
		InstrumentationScope: instrumentation.Scope{Name: "shop"}, StartTime: time.Unix(0, dice.Int64()), EndTime: time.Unix(0, dice.Int64()),
		Status: sdktrace.Status{Code: codes.Code(dice.IntN(3)), Description: text()},
	}
	if dice.IntN(2) == 0 {
		s.Parent = context()
	}
	values := []func() attribute.Value{
		func() attribute.Value { return attribute.StringValue(text()) }, func() attribute.Value { return attribute.Int64Value(dice.Int64() - math.MaxInt64/2) },
		func() attribute.Value { return attribute.BoolValue(dice.IntN(2) == 0) }, func() attribute.Value { return attribute.Float64Value(dice.NormFloat64()) },
		func() attribute.Value { return attribute.Int64Value(0) },
	}
	for range dice.IntN(6) {
		s.Attributes = append(s.Attributes, attribute.KeyValue{Key: attribute.Key(text()), Value: values[dice.IntN(len(values))]()})
	}
	for range dice.IntN(3) {
		s.Links = append(s.Links, sdktrace.Link{SpanContext: context()})
	}
	switch dice.IntN(20) {
	case 0:
		s.Events = []sdktrace.Event{{Name: text(), Time: time.Unix(0, dice.Int64())}}
	case 1:
		s.Attributes = append(s.Attributes, attribute.StringSlice("list", []string{text()}))
	case 2:
		s.DroppedLinks = 1 + dice.IntN(3)
	case 3:
		s.Links = append(s.Links, sdktrace.Link{SpanContext: context(), Attributes: []attribute.KeyValue{attribute.Bool("b", true)}})
	case 4:
		s.InstrumentationScope.Name = "another"
	}
	return s
}

func BenchmarkExport(b *testing.B) {
	process := resource.NewSchemaless(attribute.String("service.name", "shop"))
	var batch []sdktrace.ReadOnlySpan
	for range 512 {
		s := anySpan(rand.New(rand.NewPCG(1, 2)), process)
		s.Events, s.Links, s.Name, s.Status = nil, nil, "process shop.orders.events", sdktrace.Status{}
		s.Attributes = []attribute.KeyValue{MessagingOperation.String("process"), MessagingGroup.String("orders"), MessageID.String("abcdefghi.12.3"),
			MessageType.String("shop.orders.order.placed.v1"), OrderID.String("ord_01m8309ssawtzterz6v6qk8m0c")}
		batch = append(batch, s.Snapshot())
	}
	for name, open := range map[string]func(otlptrace.Client) (sdktrace.SpanExporter, error){
		"library": func(c otlptrace.Client) (sdktrace.SpanExporter, error) { return otlptrace.New(b.Context(), c) },
		"ours":    func(c otlptrace.Client) (sdktrace.SpanExporter, error) { return newExporter(b.Context(), c) },
	} {
		b.Run(name, func(b *testing.B) {
			e, err := open(marshalling{})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, e.ExportSpans(b.Context(), batch))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/span")
		})
	}
}

// marshalling is a client that does with spans what gRPC does before it sends them.
type marshalling struct{}

func (marshalling) Start(context.Context) error { return nil }
func (marshalling) Stop(context.Context) error  { return nil }
func (marshalling) UploadTraces(_ context.Context, all []*tracepb.ResourceSpans) error {
	_, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: all})
	return err
}
