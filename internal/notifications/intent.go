package notifications

import (
	"strings"
	"time"

	"shop/internal/platform/money"
)

// kind is what a message is about.
type kind string

const (
	orderConfirmed kind = "order_confirmed"
	orderShipped   kind = "order_shipped"
	orderCancelled kind = "order_cancelled"
	refundedKind   kind = "refunded"
)

// state is where an intent stands; see the package comment.
type state string

const (
	pending state = "pending"
	sending state = "sending"
	sent    state = "sent"
	failed  state = "failed"
	unknown state = "unknown"
	skipped state = "skipped"
)

// Why an intent was skipped.
const (
	noAddress = "no_address"
	wasErased = "customer_erased"
)

// news is what a message says, beside the order and the customer. It is stored as JSON: changes are additive.
type news struct {
	kind     kind
	occasion string

	Total          money.Money `json:"total,omitzero"`
	Carrier        string      `json:"carrier,omitempty"`
	TrackingNumber string      `json:"tracking_number,omitempty"`
	Reason         string      `json:"reason,omitempty"`
	Amount         money.Money `json:"amount,omitzero"`   // of this refund
	Refunded       money.Money `json:"refunded,omitzero"` // all that went back
}

// intentID names the message for good, and says what it is about; partsOf reads it back.
func intentID(orderID string, k kind, occasion string) string {
	id := orderID + "." + string(k)
	if occasion != "" {
		id += "." + occasion
	}
	return id
}

func partsOf(intentID string) (orderID string, k kind, occasion string) {
	orderID, rest, _ := strings.Cut(intentID, ".")
	name, occasion, _ := strings.Cut(rest, ".")
	return orderID, kind(name), occasion
}

// The pauses after the first, second, … attempt that failed for the moment: about a day in all. Then the message is failed.
var pauses = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}

// outcome is what came of an attempt.
type outcome struct {
	state   state  // sent, failed, unknown, or pending: not this time
	problem string // in words; may repeat what the mail server said
	free    bool   // the message was not even begun: the attempt does not count
	usable  bool   // the connection can go on
	code    int    // of the refusal, by RFC 5321; 0: there was none
}

// attemptOver is what an intent becomes.
type attemptOver struct {
	state    state
	attempts int64
	dueAt    time.Time
	sentAt   time.Time
}

// after is what becomes of an intent by the outcome of its attempt. attempts counts the present one.
func (o outcome) after(attempts int64, now time.Time) attemptOver {
	next := attemptOver{state: o.state, attempts: attempts}
	switch {
	case o.state == sent:
		next.sentAt = now
	case o.state != pending:
	case o.free:
		next.attempts--
		next.dueAt = now.Add(pauses[0])
	case attempts > int64(len(pauses)):
		next.state = failed
	default:
		next.dueAt = now.Add(pauses[attempts-1])
	}
	return next
}
