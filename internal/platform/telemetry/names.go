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
	URLScheme      = semconv.URLSchemeKey
	URLFull        = semconv.URLFullKey // without the query
	ServerAddress  = semconv.ServerAddressKey
	ServerPort     = semconv.ServerPortKey

	MessagingSystem      = semconv.MessagingSystemKey
	MessagingDestination = semconv.MessagingDestinationNameKey
	MessagingOperation   = semconv.MessagingOperationNameKey
	MessagingType        = semconv.MessagingOperationTypeKey
	MessagingGroup       = semconv.MessagingConsumerGroupNameKey
	MessageID            = semconv.MessagingMessageIDKey

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
	Provider       = attribute.Key("shop.provider")             // of payments
	ChargeStatus   = attribute.Key("shop.charge.status")        // what the provider says: captured, declined
	ShipmentStatus = attribute.Key("shop.shipment.status")      // what it becomes
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
	SpanCharge      = "charge"            // the payment provider is asked for the money
	SpanLookup      = "look up charge"    // or what became of a charge that it did not answer
	SpanVoid        = "void charge"       // or to give it up
	SpanRefund      = "refund"            // or to give money back
	SpanReconcile   = "reconcile"         // a row that was left behind, or not answered, has its turn: reconcile payments
	SpanLapse       = "lapse reservation" // its time is up: its owner is asked, then the stock given back
	SpanDeadline    = "deadline"          // of an order's step has passed: deadline orders
	SpanCancel      = "cancel order"      // somebody wants it to be, who asked in a trace of their own; so with the next two
	SpanIntervene   = "intervene"         // an operator ends a compensation that cannot succeed
	SpanMove        = "move shipment"     // an operator says what became of it
)

// orderPrefix is how the id of an order begins; see platform/id.
const orderPrefix = "ord_"

// IsOrder reports whether a key is the id of an order.
func IsOrder(key string) bool { return strings.HasPrefix(key, orderPrefix) }

// KeyAttribute is the attribute for the key of a message: that of the order, when it is one. A customer's id, which may be an address, stays out.
func KeyAttribute(key string) attribute.KeyValue {
	switch {
	case IsOrder(key):
		return OrderID.String(key)
	case strings.Contains(key, "@"):
		return MessageKey.String("*")
	}
	return MessageKey.String(key)
}
