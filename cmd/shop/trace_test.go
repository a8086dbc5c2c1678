package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/orders"
	"shop/internal/payments"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/recorder"
)

const (
	tracedOrder = "ord_01jd3q6k9v8xw2n4t7ryz5abcd"
	otherOrder  = "ord_01jd3q6k9v8xw2n4t7ryz5abce"
)

var traceNoon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// counting gives traces and spans the ids 1, 2, 3, so that what is printed is always the same.
type counting struct{ last atomic.Uint64 }

func (c *counting) NewIDs(ctx context.Context) (id trace.TraceID, _ trace.SpanID) {
	binary.BigEndian.PutUint64(id[8:], c.last.Add(1))
	return id, c.NewSpanID(ctx, id)
}

func (c *counting) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], c.last.Add(1))
	return id
}

// recording is a process with a recorder behind an admin port.
type recording struct {
	tracer trace.Tracer
	addr   string
}

func newRecording(t *testing.T, ids *counting, instance string) *recording {
	r := recorder.New(1000)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r), sdktrace.WithIDGenerator(ids),
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName("shop"), semconv.ServiceInstanceID(instance))))
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.WithoutCancel(t.Context()))) })
	mux := http.NewServeMux()
	mux.Handle("/traces", r.Handler())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &recording{provider.Tracer("shop"), strings.TrimPrefix(server.URL, "http://")}
}

// span records a span from a time to another, in milliseconds after noon.
func (r *recording) span(ctx context.Context, name string, kind trace.SpanKind, from, to float64, and func(trace.Span), attributes ...attribute.KeyValue) context.Context {
	at := func(ms float64) time.Time { return traceNoon.Add(time.Duration(ms * float64(time.Millisecond))) }
	ctx, s := r.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at(from)), trace.WithAttributes(attributes...))
	if and != nil {
		and(s)
	}
	s.End(trace.WithTimestamp(at(to)))
	return ctx
}

func failing(what string) func(trace.Span) {
	return func(s trace.Span) {
		s.SetAttributes(telemetry.ErrorType.String(what))
		s.SetStatus(codes.Error, what)
	}
}

func linkTo(ctx context.Context) func(trace.Span) {
	return func(s trace.Span) { s.AddLink(trace.Link{SpanContext: trace.SpanContextFromContext(ctx)}) }
}

// recordOrder records an order that shares a transaction with another, and whose payment failed at first. The payment is taken in the other process.
func recordOrder(ctx context.Context, here, there *recording) {
	placing := func(ctx context.Context, order string, and func(trace.Span)) context.Context {
		return here.span(ctx, "POST /v1/orders", trace.SpanKindServer, 0, 10, and, telemetry.HTTPMethod.String("POST"), telemetry.HTTPRoute.String("/v1/orders"),
			telemetry.HTTPStatusCode.Int(201), telemetry.OrderID.String(order))
	}
	other := placing(ctx, otherOrder, nil)
	shared := here.span(other, "transaction orders", trace.SpanKindClient, 1, 9, nil, telemetry.ContextName.String("orders"), telemetry.Jobs.Int(2))
	here.span(shared, "INSERT events", trace.SpanKindClient, 2, 3, nil)
	here.span(shared, "COMMIT", trace.SpanKindClient, 3, 8.5, nil)

	order := placing(ctx, tracedOrder, linkTo(shared))
	about := []attribute.KeyValue{telemetry.MessageType.String("shop.payments.payment.take.v1"), telemetry.OrderID.String(tracedOrder)}
	sent := here.span(order, "send shop.payments.commands", trace.SpanKindProducer, 8.5, 12, nil, append(about, telemetry.ContextName.String("orders"))...)
	about = append(about, telemetry.ContextName.String("payments"))
	process := func(from, to float64, attempt int, and func(trace.Span)) context.Context {
		remote := trace.ContextWithRemoteSpanContext(ctx, trace.SpanContextFromContext(sent))
		return there.span(remote, "process shop.payments.commands", trace.SpanKindConsumer, from, to, and, append(about, telemetry.MessageAttempt.Int(attempt))...)
	}
	process(11, 20, 1, failing("unavailable"))
	charged := process(4020, 4060, 2, nil)
	there.span(charged, "charge", trace.SpanKindClient, 4021, 4055, nil)
	here.span(ctx, "GET /v1/orders/{id}", trace.SpanKindServer, 5000, 5002, nil, telemetry.OrderID.String(tracedOrder))
}

const wayOfTheOrder = `Trace 00000000000000000000000000000006, 2026-11-22T12:00:00.000Z, 4.06 s, 5 spans, 1 error
  0.00 ms    10.0 ms  ▕█████                           ▏ POST /v1/orders  [shop/here]  201
  1.00 ms    8.00 ms  ▕████                            ▏   transaction orders  [orders@shop/here]  shared by 2
  2.00 ms    1.00 ms  ▕██                              ▏     INSERT events  [shop/here]
  3.00 ms    5.50 ms  ▕ ███                            ▏     COMMIT  [shop/here]
  8.50 ms    3.50 ms  ▕   ███                          ▏   send shop.payments.commands  [orders@shop/here]  shop.payments.payment.take.v1
  11.0 ms    9.00 ms  ▕    █████                       ▏     process shop.payments.commands  [payments@shop/there]  shop.payments.payment.take.v1  FAILED unavailable
  20.0 ms     4.00 s  ▕        ·······                 ▏     (nothing went on)
   4.02 s    40.0 ms  ▕              ██████████████████▏     process shop.payments.commands  [payments@shop/there]  shop.payments.payment.take.v1  attempt 2
   4.02 s    34.0 ms  ▕               ███████████████  ▏       charge  [shop/there]
Where the time went: 34.0 ms 57% charge; 15.0 ms 25% process shop.payments.commands [payments]; 5.50 ms 9% COMMIT in transaction orders
Nothing went on for 4.00 s, before process shop.payments.commands

What else has to do with it, such as reads:
  shop trace 0000000000000000000000000000000c   2026-11-22T12:00:05Z  2.00 ms  GET /v1/orders/{id}
`

func TestTheWayOfAnOrderIsATreeOfWhatAllProcessesRecorded(t *testing.T) {
	ids := &counting{}
	here, there := newRecording(t, ids, "here"), newRecording(t, ids, "there")
	recordOrder(t.Context(), here, there)
	nowhere := t.TempDir()
	r := run(t, "trace", tracedOrder, "--admin", here.addr+","+there.addr+","+here.addr, "--data", nowhere)
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Equal(t, wayOfTheOrder, r.stdout)
	require.NotContains(t, r.stdout, "\x1b")
	require.Contains(t, r.stderr, "its history cannot be read, nor what it waits for: there is no "+nowhere)

	r = run(t, "trace", tracedOrder, "--admin", here.addr+","+there.addr, "--data", nowhere, "-o", "json")
	var found orderTrace
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &found))
	require.Len(t, found.Traces, 2)
	require.Len(t, found.Traces[0].Spans, 5)
	require.Len(t, found.Traces[0].Linked, 3)
	require.Equal(t, "4.06 s", short(time.Duration(found.Traces[0].DurationNS)))
	require.Contains(t, r.stdout, `"http.response.status_code": 201`)
}

func TestATraceOfWhichAPartIsMissingSaysSo(t *testing.T) {
	ids := &counting{}
	here, there := newRecording(t, ids, "here"), newRecording(t, ids, "there")
	recordOrder(t.Context(), here, there)
	r := run(t, "trace", "00000000000000000000000000000006", "--admin", there.addr)
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Equal(t, `Trace 00000000000000000000000000000006, 2026-11-22T12:00:00.011Z, 4.05 s, 3 spans, 1 error
It is incomplete: some of its spans are not recorded any more, or by processes that were not asked.
  0.00 ms    9.00 ms  ▕█████                           ▏ process shop.payments.commands  [payments]  shop.payments.payment.take.v1  FAILED unavailable  (what led to it is not recorded)
  9.00 ms     4.00 s  ▕    ········                    ▏ (nothing went on)
   4.01 s    40.0 ms  ▕           █████████████████████▏ process shop.payments.commands  [payments]  shop.payments.payment.take.v1  attempt 2  (what led to it is not recorded)
   4.01 s    34.0 ms  ▕           ███████████████████  ▏   charge
Where the time went: 34.0 ms 69% charge; 15.0 ms 31% process shop.payments.commands [payments]
Nothing went on for 4.00 s, before process shop.payments.commands
`, r.stdout)
}

func TestOnATerminalLinesFitAndHaveColour(t *testing.T) {
	ids := &counting{}
	here, there := newRecording(t, ids, "here"), newRecording(t, ids, "there")
	recordOrder(t.Context(), here, there)
	asked := askRecorders(t.Context(), []string{"http://" + here.addr, "http://" + there.addr}, "order="+tracedOrder)
	require.Empty(t, asked.failures)
	const width = 72
	var out bytes.Buffer
	w := &waterfall{text: &text{w: &out}, style: &style{colour: true}, width: width}
	w.draw(asked.traces[0])
	lines := strings.Split(out.String(), "\n")[1:10]
	for _, l := range lines {
		require.LessOrEqual(t, len([]rune(colours.ReplaceAllString(l, ""))), width, l)
	}
	require.Contains(t, lines[1], "\x1b[2m  transaction orders", "what is shared is dim")
	require.Contains(t, lines[5], "\x1b[31m", "what failed is red")
	require.Contains(t, lines[5], "…")
	require.Contains(t, lines[6], "\x1b[33m    (nothing went on)")
	require.Contains(t, lines[0], " POST /v1/orders  [shop/here]")
}

var colours = regexp.MustCompile("\x1b\\[[0-9]+m")

func TestBarsKeepTheirPlacesThroughDaysOfWaiting(t *testing.T) {
	ids := &counting{}
	p := newRecording(t, ids, "")
	const day = 24 * 60 * 60 * 1000
	order := p.span(t.Context(), "POST /v1/orders", trace.SpanKindServer, 0, 100, nil)
	p.span(order, "dispatch", trace.SpanKindInternal, 2*day, 2*day+100, nil)
	p.span(order, "deliver", trace.SpanKindInternal, 5*day, 5*day+200, nil)
	r := run(t, "trace", "00000000000000000000000000000001", "--admin", p.addr)
	require.Equal(t, `Trace 00000000000000000000000000000001, 2026-11-22T12:00:00.000Z, 5.0 days, 3 spans
  0.00 ms   100.0 ms  ▕██████                          ▏ POST /v1/orders
 100.0 ms   2.0 days  ▕     ······                     ▏   (nothing went on)
 2.0 days   100.0 ms  ▕          ██████                ▏   dispatch
 2.0 days   3.0 days  ▕                ······          ▏   (nothing went on)
 5.0 days   200.0 ms  ▕                     ███████████▏   deliver
Where the time went: 200.0 ms 50% deliver; 100.0 ms 25% POST /v1/orders; 100.0 ms 25% dispatch
Nothing went on for 5.0 days, longest for 3.0 days, before deliver
`, r.stdout)
}

func TestWithoutAnArgumentTracesAreListed(t *testing.T) {
	ids := &counting{}
	here, there := newRecording(t, ids, "here"), newRecording(t, ids, "there")
	r := run(t, "trace", "--admin", here.addr)
	require.Equal(t, ran{exitOK, "Nothing is recorded yet.\n", ""}, r)
	recordOrder(t.Context(), here, there)
	r = run(t, "trace", "--admin", here.addr+","+there.addr, "--limit", "2")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Equal(t, `NEWEST                            BEGAN                     TOOK     SPANS  ERRORS  NAME                 ORDER
0000000000000000000000000000000c  2026-11-22T12:00:05.000Z  2.00 ms  1      0       GET /v1/orders/{id}  ord_01jd3q6k9v8xw2n4t7ryz5abcd
00000000000000000000000000000001  2026-11-22T12:00:00.000Z  10.0 ms  4      0       POST /v1/orders      ord_01jd3q6k9v8xw2n4t7ryz5abce

SLOWEST                           BEGAN                     TOOK     SPANS  ERRORS  NAME             ORDER
00000000000000000000000000000006  2026-11-22T12:00:00.000Z  4.06 s   5      1       POST /v1/orders  ord_01jd3q6k9v8xw2n4t7ryz5abcd
00000000000000000000000000000001  2026-11-22T12:00:00.000Z  10.0 ms  4      0       POST /v1/orders  ord_01jd3q6k9v8xw2n4t7ryz5abce

FAILED                            BEGAN                     TOOK    SPANS  ERRORS  NAME             ORDER
00000000000000000000000000000006  2026-11-22T12:00:00.000Z  4.06 s  5      1       POST /v1/orders  ord_01jd3q6k9v8xw2n4t7ryz5abcd

shop trace ORDER or shop trace TRACE shows one.
`, r.stdout)
	var lists traceLists
	require.NoError(t, json.Unmarshal([]byte(run(t, "trace", "--admin", here.addr, "-o", "json").stdout), &lists))
	require.Len(t, lists.Newest, 3)
}

func TestTracingThatMakesNoSenseOrFindsNobodySaysSo(t *testing.T) {
	p := newRecording(t, &counting{}, "")
	for _, args := range [][]string{{"ord_1"}, {"4BF92F3577B34DA6A3CE929D0E0E4736"}, {strings.Repeat("0", 32)}, {tracedOrder, "--admin", "8081"}, {tracedOrder, "--admin", "http://x:1/traces"},
		{tracedOrder, "--admin", "ftp://x:1"}, {tracedOrder, "--url", "localhost:8080"}, {"--limit", "0"}, {"--admin-addr", "off"}, {tracedOrder, tracedOrder}} {
		r := run(t, append([]string{"trace"}, args...)...)
		require.Equal(t, exitUsage, r.code, "%v: %s", args, r.stderr)
		require.Empty(t, r.stdout)
	}
	r := run(t, "trace", "4bf92f3577b34da6a3ce929d0e0e4736", "--admin", p.addr)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "nothing is recorded of the trace 4bf92f3577b34da6a3ce929d0e0e4736")
	for _, args := range [][]string{{}, {"4bf92f3577b34da6a3ce929d0e0e4736"}} {
		r = run(t, append([]string{"trace", "--admin", "127.0.0.1:1"}, args...)...)
		require.Equal(t, exitDependency, r.code, r.stderr)
		require.Contains(t, r.stderr, "refused")
	}
	without := httptest.NewServer(http.NotFoundHandler())
	defer without.Close()
	r = run(t, "trace", "--admin", strings.TrimPrefix(without.URL, "http://"))
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "SHOP_TRACE_SPANS")

	nowhere := t.TempDir()
	r = run(t, "trace", tracedOrder, "--admin", p.addr, "--data", nowhere)
	require.Equal(t, exitConfiguration, r.code)
	require.Contains(t, r.stderr, "the recorder has nothing, and its history cannot be read: there is no "+nowhere)
	require.Contains(t, r.stderr, "SHOP_TOKEN")
}

func TestWhatAnOpenOrderWaitsForIsToldWithWhatToType(t *testing.T) {
	since, now := traceNoon.Add(-10*time.Minute), traceNoon
	passed, ahead := traceNoon.Add(-time.Minute), traceNoon.Add(90*time.Second)
	for _, c := range []struct {
		of   orderTrace
		want []string
	}{
		{orderTrace{Order: &orders.Diagnosis{Waits: &orders.Wait{Step: "dispatch", On: "operator", Since: since, ShipmentID: "shp_1"}}},
			[]string{"it waits to be dispatched, since 2026-11-22T11:50:00Z, for 10m0s.", `next: curl -X POST http://shop/v1/shipments/shp_1/dispatch -H "Authorization: Bearer $TOKEN"`}},
		{orderTrace{Order: &orders.Diagnosis{Waits: &orders.Wait{Step: "delivery", On: "carrier", Since: since, ShipmentID: "shp_1"}}},
			[]string{"It is on its way to the customer", "/v1/shipments/shp_1/deliver"}},
		{orderTrace{Order: &orders.Diagnosis{Waits: &orders.Wait{Step: "take_payment", Compensation: true, On: "operator", Since: since, Error: "charge_disputed"}}},
			[]string{"take_payment could not be taken back (charge_disputed); an operator has to decide", "http://shop/v1/orders/ord_1/saga/retry", `'{"note":"why"}'`, "end-a-stuck-compensation.md"}},
		{orderTrace{Order: &orders.Diagnosis{Waits: &orders.Wait{Step: "take_payment", Compensation: true, On: "payments", Since: since, Attempts: 3, Deadline: &ahead}},
			Payment: &payments.Diagnosis{PaymentID: "pay_1", Status: "captured", Refund: &payments.Refunding{RefundID: "ref_1", Attempts: 2, NextAttempt: &ahead}}},
			[]string{"It waits for take_payment to be taken back, by payments, since 2026-11-22T11:50:00Z, for 10m0s, asked for 3 times; it is asked for again in 1m30s",
				"Its refund ref_1 is not confirmed by the payment provider: asked 2 times, next in 1m30s.", "next: shop doctor"}},
		{orderTrace{Order: &orders.Diagnosis{Waits: &orders.Wait{Step: "take_payment", On: "payments", Since: since, Attempts: 1, Deadline: &passed}},
			Payment: &payments.Diagnosis{PaymentID: "pay_1", Status: "unknown", Attempts: 1, NextAttempt: &passed}},
			[]string{"its deadline passed 1m0s ago, and then the order is cancelled", "The payment provider does not say what became of pay_1 (unknown): asked again once, due for 1m0s."}},
		{orderTrace{Order: &orders.Diagnosis{Waits: &orders.Wait{Step: "create_shipment", On: "shipping", Since: since, Attempts: 1}}},
			[]string{"It waits for create_shipment, by shipping", "it is with the broker, or being worked on", "next: shop doctor"}},
		{orderTrace{Order: &orders.Diagnosis{Waits: &orders.Wait{Step: "create_shipment", On: "shipping", Since: since, Attempts: 1}},
			Messages: []heldMessage{{Where: "outbox", Context: "orders", Type: "shop.shipping.shipment.create.v1", Since: now.Add(-time.Second)}}},
			[]string{"1 message just written, and on its way."}},
		{orderTrace{Order: &orders.Diagnosis{Waits: &orders.Wait{Step: "create_shipment", On: "shipping", Since: since, Attempts: 1}},
			Messages: []heldMessage{{Where: "outbox", Context: "orders", Type: "shop.shipping.shipment.create.v1", MessageID: "m.1", Since: since}}},
			[]string{"shop.shipping.shipment.create.v1 waits in the outbox of orders, for 10m0s (message m.1).", "next: shop doctor"}},
	} {
		c.of.OrderID, c.of.api = "ord_1", "http://shop"
		var out bytes.Buffer
		c.of.printState(&waterfall{text: &text{w: &out}, style: &style{}}, now)
		for _, want := range c.want {
			require.Contains(t, out.String(), want)
		}
	}
}
