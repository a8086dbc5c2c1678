package telemetry

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"shop/internal/platform/fault"
)

// current is the tracer of this process; nil while tracing is off. It is no parameter of everything, since a process has one.
var current atomic.Pointer[trace.Tracer]

// Use makes spans go to a provider from now on; nil ends tracing. What began before ends where it began.
func Use(p trace.TracerProvider) {
	if p == nil {
		current.Store(nil)
		return
	}
	t := p.Tracer("shop")
	current.Store(&t)
}

// On reports whether tracing is on.
func On() bool { return current.Load() != nil }

// Start begins a span in the trace of ctx, when that is sampled; otherwise it returns ctx and a span that does nothing. Ask Sampled before you gather attributes.
func Start(ctx context.Context, name string, kind trace.SpanKind, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	return StartAt(ctx, time.Time{}, name, kind, attributes...)
}

// StartAt is Start of what began at another time; the zero time is now.
func StartAt(ctx context.Context, at time.Time, name string, kind trace.SpanKind, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	t := current.Load()
	if t == nil || !Sampled(ctx) {
		return ctx, noop.Span{}
	}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, spanContextOf(Traceparent(ctx)))
	}
	options := append(make([]trace.SpanStartOption, 0, 2), trace.WithSpanKind(kind))
	if !at.IsZero() {
		options = append(options, trace.WithTimestamp(at))
	}
	ctx, span := (*t).Start(ctx, name, options...)
	span.SetAttributes(attributes...) // which does not copy them once more, as the option does; what is sampled was decided before
	return ctx, span
}

// StartRequest begins the trace of a request, or continues the one that its traceparent header names. The sampler decides whether the span is recorded.
func StartRequest(ctx context.Context, traceparent string) (context.Context, trace.Span) {
	from := received(traceparent)
	t := current.Load()
	if t == nil {
		if from == "" {
			return WithTraceparent(ctx, NewTraceparent()), noop.Span{}
		}
		return WithTraceparent(ctx, nextSpan(from)), noop.Span{}
	}
	if from != "" {
		ctx = trace.ContextWithRemoteSpanContext(ctx, spanContextOf(from))
	}
	return (*t).Start(ctx, "HTTP", trace.WithSpanKind(trace.SpanKindServer))
}

// StartTrace begins a new trace of what nobody asked for: a job that found something to do. The sampler decides whether it is recorded. links are what led to it.
func StartTrace(ctx context.Context, name string, links ...trace.Link) (context.Context, trace.Span) {
	t := current.Load()
	if t == nil {
		return WithTraceparent(ctx, NewTraceparent()), noop.Span{}
	}
	return (*t).Start(ctx, name, trace.WithNewRoot(), trace.WithLinks(links...))
}

// Rejoin begins a span of work that goes on in the trace that a stored traceparent names, when that is sampled. The span that ctx was in, if any, and the new one get a
// link to each other. Otherwise ctx stays as it is, and the span does nothing.
func Rejoin(ctx context.Context, traceparent, name string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	if !SampledTraceparent(traceparent) {
		return ctx, noop.Span{}
	}
	from := trace.SpanFromContext(ctx)
	ctx, span := Start(WithTraceparent(ctx, traceparent), name, trace.SpanKindInternal, attributes...)
	if from.IsRecording() {
		span.AddLink(trace.Link{SpanContext: from.SpanContext()})
		from.AddLink(trace.Link{SpanContext: span.SpanContext()})
	}
	return ctx, span
}

// ToStore is what a row keeps of the trace of ctx, so that work which goes on from there stays in it: see Rejoin. It is empty when the trace is not sampled.
func ToStore(ctx context.Context) string {
	if !Sampled(ctx) {
		return ""
	}
	return Traceparent(ctx)
}

// LinkTo is a link to the span that a traceparent names; ok is false when it names none.
func LinkTo(traceparent string) (link trace.Link, ok bool) {
	if !wellFormed(traceparent) {
		return trace.Link{}, false
	}
	return trace.Link{SpanContext: spanContextOf(traceparent)}, true
}

// TypeOf names the kind of an error: the code of a fault, timeout, canceled, or _OTHER, as the conventions want it for what has no name.
func TypeOf(err error) string {
	f := fault.As(err)
	switch {
	case f != nil:
		return f.Code
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "_OTHER"
}

// Fail says that the span's operation failed, and of which kind the error is. Its text stays out: it may hold what nobody outside may see.
func Fail(span trace.Span, errorType string) {
	if span.IsRecording() {
		span.SetAttributes(ErrorType.String(errorType))
		span.SetStatus(codes.Error, errorType)
	}
}
