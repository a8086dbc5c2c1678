package payments

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"shop/internal/payments/internal/provider"
	"shop/internal/platform/telemetry"
)

// Spans tell whom we asked and what came of it. How much money it was about, and from which card, they do not.

// asking begins the span of a call to the provider.
func (m *Module) asking(ctx context.Context, question, reference string) (context.Context, trace.Span) {
	if !telemetry.Sampled(ctx) {
		return ctx, noop.Span{}
	}
	return telemetry.Start(ctx, question, trace.SpanKindClient, telemetry.Provider.String(m.provider.Name()), telemetry.KeyAttribute(reference))
}

// answered ends it. A refusal is an answer, and so is that there is nothing under the key.
func answered(span trace.Span, status string, err error) {
	switch {
	case !span.IsRecording():
	case errors.Is(err, provider.ErrNotFound):
		span.SetAttributes(telemetry.ChargeStatus.String("not_found"))
	case err != nil:
		telemetry.Fail(span, telemetry.TypeOf(err))
	default:
		span.SetAttributes(telemetry.ChargeStatus.String(status))
	}
	span.End()
}

// turn begins the span of a row's turn at the reconciler: in the trace that led to the row, or, when that is not recorded, in one of its own.
func (r *reconciler) turn(ctx context.Context, a attempt) (context.Context, trace.Span) {
	name := telemetry.SpanReconcile + " " + r.name
	if telemetry.SampledTraceparent(a.trace) {
		return telemetry.Rejoin(ctx, a.trace, name, telemetry.KeyAttribute(a.reference))
	}
	ctx, span := telemetry.StartTrace(ctx, name)
	if span.IsRecording() {
		span.SetAttributes(telemetry.KeyAttribute(a.reference))
	}
	return ctx, span
}
