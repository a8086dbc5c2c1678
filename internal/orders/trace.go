package orders

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"shop/internal/platform/telemetry"
)

// An order is one trace, that of the request which placed it. What is done about it later goes on there, if the trace is recorded.

// rejoin begins the span of what somebody wants done about an order. Their request, a trace of its own, has a link to it.
func (m *Module) rejoin(ctx context.Context, name, orderID string) (context.Context, trace.Span) {
	if !telemetry.On() {
		return ctx, noop.Span{}
	}
	traces, err := m.store.traces(ctx, []string{orderID})
	if err != nil { // what is to be done finds that out too
		return ctx, noop.Span{}
	}
	return telemetry.Rejoin(ctx, traces[orderID], name, telemetry.OrderID.String(orderID))
}

// overdueSpan begins the span of a deadline that has passed. It is recorded if the order's trace is; for one without a trace the sampler decides.
func overdueSpan(ctx context.Context, traceparent, orderID string) (context.Context, trace.Span) {
	const name = telemetry.SpanDeadline + " orders"
	switch {
	case telemetry.SampledTraceparent(traceparent):
		return telemetry.Rejoin(ctx, traceparent, name, telemetry.OrderID.String(orderID))
	case traceparent != "":
		return telemetry.WithTraceparent(ctx, traceparent), noop.Span{}
	}
	ctx, span := telemetry.StartTrace(ctx, name)
	span.SetAttributes(telemetry.OrderID.String(orderID))
	return ctx, span
}
