package telemetry

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Attributes of OpenTelemetry's semantic conventions.
const (
	ErrorType = semconv.ErrorTypeKey

	HTTPMethod     = semconv.HTTPRequestMethodKey
	HTTPRoute      = semconv.HTTPRouteKey
	HTTPStatusCode = semconv.HTTPResponseStatusCodeKey
	URLPath        = semconv.URLPathKey
	ServerAddress  = semconv.ServerAddressKey
	ServerPort     = semconv.ServerPortKey

	MessagingSystem      = semconv.MessagingSystemKey
	MessagingDestination = semconv.MessagingDestinationNameKey
	MessagingOperation   = semconv.MessagingOperationNameKey
	MessagingType        = semconv.MessagingOperationTypeKey
	MessagingGroup       = semconv.MessagingConsumerGroupNameKey
	MessageID            = semconv.MessagingMessageIDKey
	ConversationID       = semconv.MessagingMessageConversationIDKey

	DBSystem     = semconv.DBSystemNameKey
	DBNamespace  = semconv.DBNamespaceKey
	DBSummary    = semconv.DBQuerySummaryKey
	DBBatchSize  = semconv.DBOperationBatchSizeKey
	DBStatusCode = semconv.DBResponseStatusCodeKey
)

// Attributes of our own.
const (
	OrderID        = attribute.Key("shop.order.id")
	ContextName    = attribute.Key("shop.context")              // which bounded context did it
	MessageType    = attribute.Key("shop.message.type")         // CloudEvents type: shop.orders.order.placed.v1
	MessageKey     = attribute.Key("shop.message.key")          // the aggregate's id, when that is no order
	MessageAttempt = attribute.Key("shop.message.attempt")      // from 1
	Jobs           = attribute.Key("shop.transaction.jobs")     // how many pieces of work share the transaction
	Attempts       = attribute.Key("shop.transaction.attempts") // how often it was tried
	Provider       = attribute.Key("shop.provider")             // of payments, of shipments
	MailTemplate   = attribute.Key("shop.mail.template")
	DeadLetter     = attribute.Key("shop.dead_letter.id")
)

// Names of spans. Where there is a destination or a table, it follows the name.
const (
	SpanSend        = "send"        // a message waits in the outbox and goes to the transport, until that has it for good: send shop.orders.events
	SpanProcess     = "process"     // a consumer applies a message, until its transaction is durable: process shop.orders.events
	SpanReplay      = "replay"      // an operator sends a dead letter again: replay shop.orders.events
	SpanTransaction = "transaction" // what waits for a context's database at one time is written together: transaction orders
	SpanMail        = "send mail"
)

// orderPrefix is how the id of an order begins; see platform/id.
const orderPrefix = "ord_"

// IsOrder reports whether a key is the id of an order.
func IsOrder(key string) bool { return strings.HasPrefix(key, orderPrefix) }

// KeyAttribute is the attribute for the key of a message: that of the order, when it is one.
func KeyAttribute(key string) attribute.KeyValue {
	if IsOrder(key) {
		return OrderID.String(key)
	}
	return MessageKey.String(key)
}
