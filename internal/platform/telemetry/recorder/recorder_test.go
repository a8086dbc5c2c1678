package recorder

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// process is a recorder behind a real tracer.
type process struct {
	t testing.TB
	*Recorder
	tracer trace.Tracer
}

func newProcess(t testing.TB, spans int) *process {
	r := New(spans)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r),
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName("shop"), semconv.ServiceInstanceID("pod-1"))))
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.WithoutCancel(t.Context()))) })
	return &process{t, r, provider.Tracer("test")}
}

// begin starts a span that began at noon and after.
func (p *process) begin(ctx context.Context, name string, after time.Duration, kind trace.SpanKind, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	return p.tracer.Start(ctx, name, trace.WithTimestamp(noon.Add(after)), trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
}

// span records a span that took so long, and returns a context below it.
func (p *process) span(ctx context.Context, name string, after, took time.Duration, attributes ...attribute.KeyValue) context.Context {
	ctx, s := p.begin(ctx, name, after, trace.SpanKindInternal, attributes...)
	s.End(trace.WithTimestamp(noon.Add(after + took)))
	return ctx
}

func traceOf(ctx context.Context) trace.TraceID { return trace.SpanContextFromContext(ctx).TraceID() }

// ask asks the handler, and requires that the form is the documented one.
func (p *process) ask(query string) Answer {
	p.t.Helper()
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/traces?"+query, nil))
	require.Equal(p.t, 200, w.Code, w.Body.String())
	require.Equal(p.t, "application/json", w.Header().Get("Content-Type"))
	dec := json.NewDecoder(w.Body)
	dec.DisallowUnknownFields()
	var a Answer
	require.NoError(p.t, dec.Decode(&a))
	return a
}

func names(a Answer) []string {
	var list []string
	for _, t := range a.Traces {
		list = append(list, t.Name)
	}
	return list
}

func TestASpanIsShownWithAllThatWasSaidOfIt(t *testing.T) {
	p := newProcess(t, 100)
	other := p.span(t.Context(), "other", 0, time.Millisecond)
	ctx, root := p.begin(t.Context(), "POST /v1/orders", time.Second, trace.SpanKindServer, telemetry.HTTPMethod.String("POST"), telemetry.HTTPRoute.String("/v1/orders"))
	root.SetAttributes(telemetry.OrderID.String("ord_1"), attribute.Int("n", -7), attribute.Int64("large", math.MaxInt64), attribute.Float64("f", 1.5), attribute.Bool("yes", true),
		attribute.Bool("no", false), attribute.StringSlice("list", []string{"a", "b"}), attribute.Float64("nan", math.NaN()))
	_, child := p.begin(ctx, "send shop.orders.events", time.Second+time.Millisecond, trace.SpanKindProducer)
	child.AddLink(trace.Link{SpanContext: trace.SpanContextFromContext(other)})
	child.SetStatus(codes.Error, "timeout")
	child.End(trace.WithTimestamp(noon.Add(time.Second + 3*time.Millisecond)))
	root.End(trace.WithTimestamp(noon.Add(time.Second + 2*time.Millisecond)))

	a := p.ask("trace=" + traceOf(ctx).String())
	require.Equal(t, "shop", a.Service)
	require.Equal(t, "pod-1", a.Instance)
	require.Equal(t, 3, a.Held.Spans)
	require.Len(t, a.Traces, 1)
	got := a.Traces[0]
	require.Equal(t, []Order{{"ord_1", true}}, got.Orders)
	require.Equal(t, "POST /v1/orders", got.Name)
	require.Equal(t, noon.Add(time.Second), got.Start)
	require.Equal(t, int64(3*time.Millisecond), got.DurationNS)
	require.Equal(t, 1, got.ErrorCount)
	require.False(t, got.Incomplete)
	require.Len(t, got.Spans, 2)
	require.Equal(t, map[string]any{"http.request.method": "POST", "http.route": "/v1/orders", "shop.order.id": "ord_1", "n": -7.0, "large": float64(math.MaxInt64), "f": 1.5,
		"yes": true, "no": false, "list": `["a","b"]`, "nan": nil}, got.Spans[0].Attributes)
	require.Equal(t, "server", got.Spans[0].Kind)
	require.Equal(t, "unset", got.Spans[0].Status)
	require.Equal(t, Span{
		TraceID: traceOf(ctx).String(), SpanID: child.SpanContext().SpanID().String(), ParentID: root.SpanContext().SpanID().String(), Name: "send shop.orders.events", Kind: "producer",
		Start: noon.Add(time.Second + time.Millisecond), End: noon.Add(time.Second + 3*time.Millisecond), DurationNS: int64(2 * time.Millisecond), Status: "error", StatusText: "timeout",
		Links: []Link{{traceOf(other).String(), trace.SpanContextFromContext(other).SpanID().String()}}, Service: "shop", Instance: "pod-1",
	}, got.Spans[1])
	require.Empty(t, got.Linked, "that is no transaction")
}

func TestOfAnOrderItsWayComesBeforeWhatElseHasToDoWithIt(t *testing.T) {
	p := newProcess(t, 100)
	order := telemetry.OrderID.String("ord_1")
	p.span(t.Context(), "an early read", 0, time.Millisecond, order)
	record := func(name string, after time.Duration, kind trace.SpanKind, attributes ...attribute.KeyValue) {
		_, s := p.begin(t.Context(), name, after, kind, append(attributes, order)...)
		s.End(trace.WithTimestamp(noon.Add(after + time.Millisecond)))
	}
	record("GET /v1/orders/{id}", 3, trace.SpanKindServer, telemetry.HTTPMethod.String("GET"), telemetry.HTTPRoute.String("/v1/orders/{id}"))
	record("process shop.shipping.events", 2, trace.SpanKindConsumer)
	record("POST /v1/orders", 1, trace.SpanKindServer, telemetry.HTTPMethod.String("POST"), telemetry.HTTPRoute.String("/v1/orders"))
	p.span(t.Context(), "another order", 0, time.Millisecond, telemetry.OrderID.String("ord_2"))
	require.Equal(t, []string{"POST /v1/orders", "process shop.shipping.events", "an early read", "GET /v1/orders/{id}"}, names(p.ask("order=ord_1")))
	require.Equal(t, []string{"another order"}, names(p.ask("order=ord_2")))
	require.Equal(t, []Trace{}, p.ask("order=ord_3").Traces)
}

func TestATransactionOfAnotherTraceIsShownWithThoseThatShareIt(t *testing.T) {
	p := newProcess(t, 100)
	first, job := p.begin(t.Context(), "first", 0, trace.SpanKindConsumer)
	_, second := p.begin(t.Context(), "second", 0, trace.SpanKindConsumer)
	transaction, tx := p.begin(first, "transaction orders", 0, trace.SpanKindClient)
	tx.AddLink(trace.Link{SpanContext: second.SpanContext()})
	second.AddLink(trace.Link{SpanContext: tx.SpanContext()})
	p.span(p.span(transaction, "INSERT events", 0, time.Millisecond), "below", 0, time.Millisecond)
	p.span(first, "something else", 0, time.Millisecond)
	for _, s := range []trace.Span{tx, second, job} {
		s.End(trace.WithTimestamp(noon.Add(time.Second)))
	}
	got := p.ask("trace=" + second.SpanContext().TraceID().String()).Traces[0]
	require.Len(t, got.Spans, 1)
	var linked []string
	for _, s := range got.Linked {
		linked = append(linked, s.Name)
		require.Equal(t, tx.SpanContext().TraceID().String(), s.TraceID)
	}
	require.Equal(t, []string{"transaction orders", "INSERT events", "below"}, linked)
	require.Empty(t, p.ask("trace=" + tx.SpanContext().TraceID().String()).Traces[0].Linked, "what is linked is no transaction")
}

func TestTracesWithErrorsAndSlowOnesGoLastButLeaveHalfOfTheRoom(t *testing.T) {
	p := newProcess(t, 20)
	slow := traceOf(p.span(t.Context(), "slow", 0, SlowAfter))
	ctx, failed := p.begin(t.Context(), "failed", 0, trace.SpanKindInternal)
	failed.SetStatus(codes.Error, "no")
	failed.End(trace.WithTimestamp(noon))
	for i := range 50 {
		p.span(t.Context(), fmt.Sprintf("ordinary %02d", i), time.Duration(i+1), time.Millisecond)
	}
	require.Len(t, p.ask("trace="+slow.String()).Traces, 1)
	require.Len(t, p.ask("trace="+traceOf(ctx).String()).Traces, 1)
	require.Equal(t, 20, p.ask("").Held.Spans)
	require.EqualValues(t, 32, p.ask("").Evicted)
	require.Equal(t, "ordinary 49", p.ask("limit=1").Traces[0].Name)
	for i := range 50 {
		p.span(t.Context(), fmt.Sprintf("slow %02d", i), time.Duration(i+1), 2*SlowAfter)
	}
	require.Empty(t, p.ask("trace="+slow.String()).Traces, "newer slow ones have its place")
	p.span(t.Context(), "ordinary", time.Hour, time.Millisecond)
	require.Equal(t, "ordinary", p.ask("").Traces[0].Name)
	require.Len(t, p.ask("slower=10s&limit=100").Traces, 10, "not more than half")
}

func TestWaitingForPeopleMakesNoTraceSlow(t *testing.T) {
	p := newProcess(t, 100)
	slow := func(ctx context.Context) bool { return p.ask("trace=" + traceOf(ctx).String()).Traces[0].Slow }
	order := p.span(t.Context(), "placed", 0, time.Second)
	p.span(order, "dispatched", 2*24*time.Hour, time.Second)
	p.span(order, "delivered", 3*24*time.Hour, time.Second)
	require.False(t, slow(order))
	p.span(order, "retried", 3*24*time.Hour+5*time.Second, time.Second)
	require.True(t, slow(order), "nine seconds of work and short pauses")

	waited := p.span(p.span(t.Context(), "written", 0, 0), "applied", time.Hour, time.Second)
	require.False(t, slow(waited))
	p.span(waited, "in the outbox meanwhile", 0, time.Hour)
	require.True(t, slow(waited))
}

func TestWhatStillGrowsIsKeptLongerThanWhatIsQuiet(t *testing.T) {
	p := newProcess(t, 10)
	growing, root := p.begin(t.Context(), "growing", 0, trace.SpanKindInternal)
	for range 4 {
		for range 5 {
			p.span(t.Context(), "quiet", 0, time.Millisecond)
		}
		p.span(growing, "more", 0, time.Millisecond)
	}
	root.End(trace.WithTimestamp(noon))
	got := p.ask("trace=" + traceOf(growing).String()).Traces
	require.Len(t, got, 1)
	require.Len(t, got[0].Spans, 5)
	require.False(t, got[0].Incomplete)
}

func TestASpanThatComesAfterItsTraceWentDoesNotLookWhole(t *testing.T) {
	p := newProcess(t, 10)
	old := p.span(t.Context(), "old", 0, time.Millisecond, telemetry.OrderID.String("ord_1"))
	for range 10 {
		p.span(t.Context(), "new", 0, time.Millisecond)
	}
	require.Empty(t, p.ask("order=ord_1").Traces, "the index forgets it too")
	require.Empty(t, p.orders)
	p.span(old, "late", time.Minute, time.Millisecond)
	got := p.ask("trace=" + traceOf(old).String()).Traces
	require.Len(t, got, 1)
	require.True(t, got[0].Incomplete)
	require.Equal(t, "late", got[0].Name)
	require.False(t, p.ask("limit=1000").Traces[1].Incomplete)
}

func TestATraceThatIsTooLargeIsCut(t *testing.T) {
	p := newProcess(t, 400)
	ctx := p.span(t.Context(), "import", 0, time.Millisecond)
	for i := range 200 {
		p.span(ctx, "row", 0, time.Millisecond, telemetry.OrderID.String(fmt.Sprintf("ord_%d", i)))
	}
	got := p.ask("trace=" + traceOf(ctx).String()).Traces[0]
	require.Len(t, got.Spans, 100)
	require.True(t, got.Incomplete)
	require.Len(t, got.Orders, ordersOfTrace)
	require.Len(t, p.orders, ordersOfTrace)
}

func TestWhatASpanSaysIsCut(t *testing.T) {
	p := newProcess(t, 10)
	long := strings.Repeat("ä", longestText) // two bytes each: cut in the middle of none
	attributes := []attribute.KeyValue{attribute.String("odd", "x"+long), telemetry.OrderID.String(long)}
	for i := range 2 * mostAttributes {
		attributes = append(attributes, attribute.Int(fmt.Sprint(i), i))
	}
	ctx := p.span(t.Context(), long, 0, 0, attributes...)
	s := p.ask("trace=" + traceOf(ctx).String()).Traces[0].Spans[0]
	require.Equal(t, long[:longestText], s.Name)
	require.Equal(t, "x"+long[:longestText-2]+"\uFFFD", s.Attributes["odd"])
	require.Len(t, s.Attributes, mostAttributes)
	require.Empty(t, p.orders)
}

func TestAListIsChosenAndSorted(t *testing.T) {
	p := newProcess(t, 100)
	for i, took := range []int{30, 10, 20} {
		_, s := p.begin(t.Context(), strconv.Itoa(took), time.Duration(i)*time.Second, trace.SpanKindServer)
		if took == 10 {
			s.SetStatus(codes.Error, "no")
		}
		s.End(trace.WithTimestamp(noon.Add(time.Duration(i)*time.Second + time.Duration(took)*time.Millisecond)))
	}
	for query, want := range map[string][]string{
		"": {"20", "10", "30"}, "sort=newest&limit=2": {"20", "10"}, "sort=slowest": {"30", "20", "10"}, "status=error": {"10"}, "slower=20ms": {"20", "30"}, "slower=1s": nil,
	} {
		a := p.ask(query)
		require.Equal(t, want, names(a), query)
		for _, tr := range a.Traces {
			require.Empty(t, tr.Spans)
		}
	}
	for _, wrong := range []string{"status=bad", "slower=soon", "slower=-1s", "limit=0", "limit=1001", "limit=x", "sort=oldest", "trace=12", "trace=" + strings.Repeat("0", 32)} {
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/traces?"+wrong, nil))
		require.Equal(t, 400, w.Code, wrong)
		require.Contains(t, w.Body.String(), "expected", wrong)
	}
}

// Many goroutines record, some of them long traces with errors, while others read; at the end the books are checked against what is held.
func TestItStaysWithinItsBoundsWhateverHappens(t *testing.T) {
	const room, writers, each = 1000, 8, 12_500
	p := newProcess(t, room)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			ctx := t.Context()
			for i := range each {
				if i%(7+w) == 0 {
					ctx = t.Context()
				}
				after := time.Duration(i) * time.Millisecond
				var s trace.Span
				ctx, s = p.begin(ctx, "span", after, trace.SpanKindConsumer, telemetry.OrderID.String(fmt.Sprintf("ord_%d", i%100)), attribute.String("text", strings.Repeat("x", i%900))) //nolint:fatcontext // a long trace is the point
				if i%97 == 0 {
					s.SetStatus(codes.Error, "no")
				}
				s.End(trace.WithTimestamp(noon.Add(after + time.Millisecond)))
			}
		})
	}
	var readers sync.WaitGroup
	readers.Go(func() {
		for range 300 {
			a := p.Order("ord_7")
			p.List(Filter{Limit: 10, Failed: true})
			if a.Held.Spans > room || a.Held.Bytes > room*bytesPerSpan {
				t.Errorf("%d spans, %d bytes", a.Held.Spans, a.Held.Bytes)
				return
			}
		}
	})
	all.Wait()
	readers.Wait()

	spans, bytes, index := 0, 0, 0
	for id, tr := range p.traces {
		require.Equal(t, id, tr.id)
		spans += len(tr.spans)
		size := sizeOfTrace + sizeOfAbout*len(tr.orders)
		for _, s := range tr.spans {
			size += sizeOfSpan + len(s.packed)
		}
		require.Equal(t, size, tr.bytes)
		bytes += size
		index += len(tr.orders)
		for _, a := range tr.orders {
			require.Contains(t, p.orders[a.order], tr)
		}
	}
	for _, found := range p.orders {
		index -= len(found)
	}
	require.Zero(t, index, "the index has what is held, and no more")
	require.Equal(t, Size{Spans: spans, Bytes: bytes}, p.List(Filter{}).Held)
	require.Equal(t, len(p.traces), p.ordinary.traces+p.kept.traces)
	require.LessOrEqual(t, spans, room)
	require.Greater(t, spans, room/2)
	require.LessOrEqual(t, len(p.gone.ids), room)
	require.Len(t, p.gone.ring, len(p.gone.ids))
	require.Greater(t, p.evicted, int64(writers*each/20))
}

func TestAQueryIsAnsweredForAnEmptyRecorder(t *testing.T) {
	p := newProcess(t, 0)
	require.Equal(t, []Trace{}, p.ask("").Traces)
	require.Equal(t, 1, p.ask(url.Values{"order": {"ord_1"}}.Encode()).Limits.Spans)
	p.span(t.Context(), "one", 0, 0)
	p.span(t.Context(), "two", 0, 0)
	require.Equal(t, []string{"two"}, names(p.ask("")))
	require.NoError(t, p.ForceFlush(t.Context()))
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/traces", nil))
	require.Equal(t, 405, w.Code)
}

// What the recorder adds to the end of a span, with the attributes of one that applies a message.
func BenchmarkOnEnd(b *testing.B) {
	r := New(10_000)
	var ended sdktrace.ReadOnlySpan
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(last{&ended}))
	tracer := provider.Tracer("bench")
	var spans []sdktrace.ReadOnlySpan
	for range 4096 {
		ctx, root := tracer.Start(b.Context(), "process shop.inventory.commands", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			telemetry.MessagingSystem.String("memory"), telemetry.MessagingDestination.String("shop.inventory.commands"), telemetry.MessageType.String("shop.inventory.stock.reserve.v1"),
			telemetry.OrderID.String("ord_01jd3q6k9v8xw2n4t7ryz5abcd"), telemetry.MessageID.String("k2j3h4k5j.3f.0"), telemetry.MessagingGroup.String("inventory"), telemetry.MessageAttempt.Int(1)))
		for range 11 {
			_, s := tracer.Start(ctx, "INSERT events", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(telemetry.DBSystem.String("sqlite"), telemetry.DBSummary.String("INSERT events")))
			s.End()
			spans = append(spans, ended)
		}
		root.End()
		spans = append(spans, ended)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.OnEnd(spans[i%len(spans)])
	}
}

// last remembers the span that ended last.
type last struct{ span *sdktrace.ReadOnlySpan }

func (l last) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (l last) OnEnd(s sdktrace.ReadOnlySpan)                   { *l.span = s }
func (l last) Shutdown(context.Context) error                  { return nil }
func (l last) ForceFlush(context.Context) error                { return nil }
