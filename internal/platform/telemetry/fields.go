package telemetry

import (
	"context"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Subject is what a request or a message is about, as far as that is known by now: each line of the log that is written on its behalf says so. It is noted while the
// request runs, by its own goroutine.
type Subject struct {
	OrderID   string
	Key       string // of a message, when that is no order's
	MessageID string
}

// SubjectOfMessage is what a message is about: its key is the id of an order, or of something else.
func SubjectOfMessage(id, key string) Subject {
	if IsOrder(key) {
		return Subject{MessageID: id, OrderID: key}
	}
	return Subject{MessageID: id, Key: key}
}

// SubjectKey is the key of a *Subject among the values of a context, for one that brings it along; others take WithSubject.
type SubjectKey struct{}

// WithSubject puts a subject into ctx.
func WithSubject(ctx context.Context, s *Subject) context.Context {
	return context.WithValue(ctx, SubjectKey{}, s)
}

// SubjectOf is what ctx is about; nil when nobody said.
func SubjectOf(ctx context.Context) *Subject {
	s, _ := ctx.Value(SubjectKey{}).(*Subject)
	return s
}

// NoteOrder says which order the request of ctx is about, for the lines and the span that follow.
func NoteOrder(ctx context.Context, orderID string) {
	if s := SubjectOf(ctx); s != nil {
		s.OrderID = orderID
	}
}

// NoteKey is NoteOrder for the key of a message, or the reference of a payment or a shipment, which may be the id of an order.
func NoteKey(ctx context.Context, key string) {
	if s := SubjectOf(ctx); s != nil {
		if IsOrder(key) {
			s.OrderID = key
		} else {
			s.Key = key
		}
	}
}

// Fields are what leads from a line of the log to its trace, its message and its order: trace_id, span_id, message_id, order_id or key; those that are known.
func Fields(ctx context.Context) zap.Field {
	return zap.Inline(fields{ctx})
}

type fields struct{ ctx context.Context }

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (f fields) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	if t := Traceparent(f.ctx); t != "" {
		enc.AddString("trace_id", t[3:35])
		enc.AddString("span_id", t[36:52])
	}
	if s := SubjectOf(f.ctx); s != nil {
		for _, f := range [...]struct{ name, value string }{{"message_id", s.MessageID}, {"order_id", s.OrderID}, {"key", s.Key}} {
			if f.value != "" {
				enc.AddString(f.name, f.value)
			}
		}
	}
	return nil
}
