package bus

import (
	"context"
	"errors"
	"maps"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// Named is a transport to a broker: it says what OpenTelemetry calls that, such as kafka.
type Named interface {
	System() string
}

// sending begins the span of a letter on its way to a broker, from its row in the outbox until the broker has it, and puts it into the message; nil when the trace is not
// sampled. Within a process nothing is sent: there the handler's span follows that of the publisher.
func (e *Endpoint) sending(l *letter, p *parcel, msg *message.Message) trace.Span {
	broker, ok := e.cfg.Transport.(Named)
	if !ok || !telemetry.SampledTraceparent(l.Traceparent) {
		return nil
	}
	ctx := telemetry.WithTraceparent(context.Background(), l.Traceparent)
	ctx, span := telemetry.StartAt(ctx, sqldb.Time(p.CreatedAt), telemetry.SpanSend+" "+p.Topic, trace.SpanKindProducer,
		telemetry.ContextName.String(e.cfg.Context),
		telemetry.MessagingSystem.String(broker.System()), telemetry.MessagingDestination.String(p.Topic),
		telemetry.MessagingOperation.String(telemetry.SpanSend), telemetry.MessagingType.String("send"),
		telemetry.MessageID.String(l.ID), telemetry.MessageType.String(l.Type), telemetry.KeyAttribute(l.Key))
	msg.Metadata[metaTraceparent] = telemetry.Traceparent(ctx)
	return span
}

// sent ends the span of a letter that arrived. One that was refused is sent again, and its span then tells of the whole wait.
func sent(span trace.Span, err error) {
	if span != nil && err == nil {
		span.End()
	}
}

// begin makes the context of an attempt to apply the message, and its span.
func (d *delivery) begin(e *Endpoint) {
	d.ctx, d.span = d.context(context.Background()), nil
	if telemetry.Sampled(d.ctx) {
		d.ctx, d.span = telemetry.Start(d.ctx, telemetry.SpanProcess+" "+d.handler.typ.Topic(), trace.SpanKindConsumer, d.attributes(e, telemetry.SpanProcess)...)
	}
}

// attributes says which message it is. Within a process there is no messaging system to speak of, and the rest is in the span's name, and each attribute costs.
func (d *delivery) attributes(e *Endpoint, operation string) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, 9)
	all = append(all, telemetry.MessagingOperation.String(operation), telemetry.MessagingGroup.String(e.cfg.Context),
		telemetry.MessageID.String(d.id), telemetry.MessageType.String(d.typ), telemetry.KeyAttribute(d.key))
	if broker, ok := e.cfg.Transport.(Named); ok {
		all = append(all, telemetry.MessagingSystem.String(broker.System()), telemetry.MessagingType.String("process"), telemetry.MessagingDestination.String(d.handler.typ.Topic()))
	}
	if d.attempts > 0 {
		all = append(all, telemetry.MessageAttempt.Int(d.attempts+1))
	}
	return all
}

// end ends the span of an attempt.
func (d *delivery) end(buried bool, err error) {
	if d.span == nil {
		return
	}
	if buried && err == nil {
		telemetry.Fail(d.span, "dead_letter")
	}
	if err != nil {
		d.failed = telemetry.Traceparent(d.ctx)
	}
	ended(d.span, err)
	d.span = nil
}

func ended(span trace.Span, err error) {
	if err != nil {
		telemetry.Fail(span, errorType(err))
	}
	span.End()
}

func errorType(err error) string {
	if f := fault.As(err); f != nil {
		return f.Code
	}
	if errors.Is(err, sqldb.ErrUnavailable) {
		return "unavailable"
	}
	return "handler_failed"
}

// headers are the message's, and for a dead letter which attempt failed last.
func (d *delivery) headers() message.Metadata {
	if d.failed == "" {
		return d.msg.Metadata
	}
	all := maps.Clone(d.msg.Metadata)
	all[metaFailed] = d.failed
	return all
}

// again begins the span of a dead letter's replay: in the message's own trace, with a link to the attempt that failed.
func (d *delivery) again(ctx context.Context, e *Endpoint, number int64) (context.Context, trace.Span) {
	ctx, span := telemetry.Start(d.context(ctx), telemetry.SpanReplay+" "+d.handler.typ.Topic(), trace.SpanKindConsumer,
		append(d.attributes(e, telemetry.SpanReplay), telemetry.DeadLetter.Int64(number))...)
	if failed, ok := telemetry.LinkTo(d.msg.Metadata.Get(metaFailed)); ok {
		span.AddLink(failed)
	}
	return ctx, span
}
