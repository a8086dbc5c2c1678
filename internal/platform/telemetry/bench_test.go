package telemetry_test

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry"
)

// BenchmarkSpan is what a span of a message costs until it is handed to the exporter.
func BenchmarkSpan(b *testing.B) {
	const sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for name, c := range map[string]struct {
		provider    trace.TracerProvider
		traceparent string
	}{
		"off":         {nil, sampled},
		"not sampled": {sdktrace.NewTracerProvider(), sampled[:54] + "0"},
		"sampled":     {sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter())), sampled},
	} {
		b.Run(name, func(b *testing.B) {
			telemetry.Use(c.provider)
			defer telemetry.Use(nil)
			parent := telemetry.WithTraceparent(b.Context(), c.traceparent)
			b.ReportAllocs()
			for b.Loop() {
				if !telemetry.Sampled(parent) {
					continue
				}
				_, span := telemetry.Start(parent, "process shop.orders.events", trace.SpanKindConsumer, telemetry.MessagingOperation.String("process"),
					telemetry.MessagingGroup.String("orders"), telemetry.MessageID.String("abcdefghi.12.3"), telemetry.MessageType.String("shop.orders.order.placed.v1"),
					telemetry.OrderID.String("ord_01m8309ssawtzterz6v6qk8m0c"))
				span.End()
			}
		})
	}
}
