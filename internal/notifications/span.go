package notifications

import (
	"context"
	"strconv"

	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry"
)

// traced delivers a message, as a client span of its order's trace. The span tells neither to whom nor what was written.
func (c *courier) traced(ctx context.Context, line *connection, in intent) outcome {
	if !telemetry.SampledTraceparent(in.Traceparent) {
		return line.deliver(in)
	}
	server := line.sender.mail
	_, span := telemetry.Start(telemetry.WithTraceparent(ctx, in.Traceparent), telemetry.SpanMail, trace.SpanKindClient, telemetry.KeyAttribute(in.orderID()),
		telemetry.MailTemplate.String(string(in.kind())), telemetry.ServerAddress.String(server.Host), telemetry.ServerPort.Int(server.Port))
	defer span.End()
	o := line.deliver(in)
	if o.state != sent {
		telemetry.Fail(span, o.errorType())
	}
	return o
}

// errorType names why a message was not sent: the code of the mail server's refusal, or what is known otherwise.
func (o outcome) errorType() string {
	switch {
	case o.code != 0:
		return strconv.Itoa(o.code)
	case o.state == unknown:
		return "no_answer"
	case o.free:
		return "connection_closed"
	}
	return "not_deliverable"
}

// within is ctx in the trace of the attempt's message, if that is recorded: what is written down about the message belongs there.
func (a *attempt) within(ctx context.Context) context.Context {
	if a == nil || !telemetry.SampledTraceparent(a.Traceparent) {
		return ctx
	}
	return telemetry.WithTraceparent(ctx, a.Traceparent)
}
