package bus

import (
	"context"
	"fmt"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"

	"shop/internal/platform/telemetry"
)

// Kind tells what happened from what shall happen.
type Kind string

const (
	Event   Kind = "events"   // something happened; any number of contexts listen
	Command Kind = "commands" // something shall happen; exactly the context it is addressed to listens
)

// Type names a kind of message for good. Changes of its body are additive; a break is a new version beside the old.
type Type struct {
	Context string // who owns the words: the publisher of an event, the receiver of a command
	Kind    Kind
	Name    string // stock.reserved
	Version int
	full    string
	topic   string
}

// NewEvent names an event of a context: NewEvent("orders", "order.placed", 1) is shop.orders.order.placed.v1.
func NewEvent(context, name string, version int) Type { return newType(context, Event, name, version) }

// NewCommand names a command to a context.
func NewCommand(context, name string, version int) Type {
	return newType(context, Command, name, version)
}

func newType(context string, kind Kind, name string, version int) Type {
	return Type{context, kind, name, version, fmt.Sprintf("shop.%s.%s.v%d", context, name, version), Topic(context, kind)}
}

// String is the CloudEvents type: shop.orders.order.placed.v1.
func (t Type) String() string { return t.full }

// Topic is where messages of this type travel: one topic a context for its events, one for its commands.
func (t Type) Topic() string { return t.topic }

// Topic names the topic of a context's events or commands: shop.orders.events.
func Topic(context string, kind Kind) string { return "shop." + context + "." + string(kind) }

// Addressee is the context to which the commands of a topic go; ok is false for a topic of events, which anybody may hear.
func Addressee(topic string) (context string, ok bool) {
	context, ok = strings.CutSuffix(strings.TrimPrefix(topic, "shop."), "."+string(Command))
	return context, ok
}

// Body is the content of a message.
type Body interface {
	MessageType() Type  // the same for every value of the Go type
	MessageKey() string // the aggregate's id; messages of one key arrive in order
}

// Metadata keys, the CloudEvents attributes and ours.
const (
	metaID          = "ce_id"
	metaType        = "ce_type"
	metaSource      = "ce_source"
	metaSubject     = "ce_subject"
	metaTime        = "ce_time"
	metaSpec        = "ce_specversion"
	metaContentType = "content-type"
	metaTraceparent = "traceparent"
	metaCorrelation = "correlation_id"
	metaCausation   = "causation_id"
	metaFailed      = "failed_traceparent" // of a dead letter: the attempt that failed last
)

// Cause is the message in whose handler the code runs.
type Cause struct {
	MessageID   string // becomes the causation id of what is published
	Correlation string // the id of the first message of the conversation
}

type bodyKey struct{}

// withBody lets a message carry its body beside its JSON, to those who hear it in the same process.
func withBody(ctx context.Context, b Body) context.Context {
	return context.WithValue(ctx, bodyKey{}, b)
}

func bodyOf(msg *message.Message) Body {
	b, _ := msg.Context().Value(bodyKey{}).(Body)
	return b
}

type causeKey struct{}

func withCause(ctx context.Context, c Cause) context.Context {
	return context.WithValue(ctx, causeKey{}, c)
}

// CauseOf is the message that ctx belongs to; zero outside a handler.
func CauseOf(ctx context.Context) Cause {
	c, _ := ctx.Value(causeKey{}).(Cause)
	return c
}

// Continue is ctx as a continuation of from: in the same trace, and with the same cause for what it publishes. For work that goes on after a handler has ended.
func Continue(ctx, from context.Context) context.Context {
	if cause := CauseOf(from); cause.MessageID != "" {
		ctx = withCause(ctx, cause)
	}
	if trace := telemetry.Traceparent(from); trace != "" {
		ctx = telemetry.WithTraceparent(ctx, trace)
	}
	if about := telemetry.SubjectOf(from); about != nil {
		ctx = telemetry.WithSubject(ctx, about)
	}
	return ctx
}
