package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/money"
	"shop/internal/platform/telemetry"
)

type benchLine struct {
	SKU      string `json:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"10000"`
}

type benchAddress struct {
	Name       string `json:"name" minLength:"1" maxLength:"100"`
	Line1      string `json:"line1" minLength:"1" maxLength:"100"`
	City       string `json:"city" minLength:"1" maxLength:"100"`
	PostalCode string `json:"postal_code" minLength:"1" maxLength:"20"`
	Country    string `json:"country" pattern:"^[A-Z]{2}$"`
}

type benchOrder struct {
	Items    []benchLine       `json:"items" minItems:"1" maxItems:"100"`
	Method   string            `json:"payment_method" minLength:"1" maxLength:"64"`
	Address  benchAddress      `json:"shipping_address"`
	Email    string            `json:"email,omitempty" format:"email"`
	Expected *money.Money      `json:"expected_total,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

var benchBody = []byte(`{"items":[{"sku":"SKU-00001","quantity":2},{"sku":"SKU-00002","quantity":1},{"sku":"SKU-00003","quantity":1}],` +
	`"payment_method":"pm_test_ok","shipping_address":{"name":"Ada Lovelace","line1":"12 St James Sq","city":"London","postal_code":"SW1Y 4JH",` +
	`"country":"GB"},"email":"ada@example.com"}`)

func benchShape() (huma.Registry, *huma.Schema, shape) {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	t := reflect.TypeFor[benchOrder]()
	schema := registry.Schema(t, true, "")
	return registry, schema, newShape(registry, t, schema)
}

// BenchmarkDecode is what an operation of Register does with its body.
func BenchmarkDecode(b *testing.B) {
	registry, _, s := benchShape()
	b.ReportAllocs()
	for b.Loop() {
		var v benchOrder
		if err := decodeBody(registry, s, benchBody, reflect.ValueOf(&v).Elem()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeByHuma is what huma would do with it, once made strict: scan, parse into maps, validate those, parse again.
func BenchmarkDecodeByHuma(b *testing.B) {
	registry, schema, _ := benchShape()
	path, result := huma.NewPathBuffer(nil, 0), &huma.ValidateResult{}
	b.ReportAllocs()
	for b.Loop() {
		var parsed any
		if checkStrict(benchBody) != nil || json.Unmarshal(benchBody, &parsed) != nil {
			b.Fatal("refused")
		}
		huma.Validate(registry, schema, path, huma.ModeWriteToServer, parsed, result)
		var v benchOrder
		if json.Unmarshal(benchBody, &v) != nil || len(result.Errors) > 0 {
			b.Fatal("refused")
		}
	}
}

// discard is a ResponseWriter that keeps nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// BenchmarkOperation is the whole edge around a handler that does nothing, without the network.
func BenchmarkOperation(b *testing.B) {
	edge := New(Options{Metrics: prometheus.NewRegistry(), Use: []func(http.Handler) http.Handler{authtest.Trust}})
	Register(edge.API, Op{Method: http.MethodPost, Path: "/v1/orders", ID: "place", Status: http.StatusCreated, Returns: benchOrder{}},
		func(ctx context.Context, in *struct {
			Key    string `header:"Idempotency-Key"`
			Prefer string `header:"Prefer"`
			Body   benchOrder
		}) (Raw, error) {
			return Raw{Status: http.StatusCreated, Body: benchBody, Header: http.Header{"Location": {"/v1/orders/ord_1"}}}, nil
		})
	handler := edge.Handler()
	body := bytes.NewReader(benchBody)
	r := httptest.NewRequest(http.MethodPost, "/v1/orders", nil)
	r.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"abc"}, "Authorization": {"Bearer x"}}
	r.ContentLength = int64(len(benchBody))
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(benchBody)
		r.Body = io.NopCloser(body)
		w := &discard{header: make(http.Header, 16)}
		handler.ServeHTTP(w, r)
		if w.status != http.StatusCreated {
			b.Fatal(w.status)
		}
	}
}

// BenchmarkRead is the same around a read, which has no body: what the edge costs every request. Tracing is off, on for no trace, and on for each.
func BenchmarkRead(b *testing.B) {
	b.Run("off", func(b *testing.B) { benchmarkRead(b, readEdge().Handler()) })
	for name, sampler := range map[string]sdktrace.Sampler{"unsampled": sdktrace.NeverSample(), "sampled": sdktrace.AlwaysSample()} {
		b.Run(name, func(b *testing.B) {
			telemetry.Use(sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)))
			defer telemetry.Use(nil)
			benchmarkRead(b, readEdge().Handler())
		})
	}
}

// BenchmarkReadByOtelhttp is what the instrumentation from OpenTelemetry's own collection adds to the edge, which has its own tracing off: see docs/adr/0014.
func BenchmarkReadByOtelhttp(b *testing.B) {
	for name, provider := range map[string]trace.TracerProvider{
		"off":       tracenoop.NewTracerProvider(),
		"unsampled": sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())),
		"sampled":   sdktrace.NewTracerProvider(),
	} {
		b.Run(name, func(b *testing.B) {
			benchmarkRead(b, otelhttp.NewHandler(readEdge().Handler(), "shop", otelhttp.WithTracerProvider(provider),
				otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), otelhttp.WithPropagators(propagation.TraceContext{})))
		})
	}
}

func readEdge() *Edge {
	edge := New(Options{Metrics: prometheus.NewRegistry(), Use: []func(http.Handler) http.Handler{authtest.Trust}})
	Register(edge.API, Op{Method: http.MethodGet, Path: "/v1/orders/{id}", ID: "read", Returns: benchOrder{}},
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (Raw, error) {
			return Raw{Status: http.StatusOK, Body: benchBody}, nil
		})
	return edge
}

func benchmarkRead(b *testing.B, handler http.Handler) {
	r := httptest.NewRequest(http.MethodGet, "/v1/orders/ord_01jd3q6k9v8xw2n4t7ryz5abcd", nil)
	r.Header = http.Header{"Authorization": {"Bearer x"}}
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{header: make(http.Header, 16)}
		handler.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}
