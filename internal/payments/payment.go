package payments

import (
	"fmt"
	"slices"
	"time"

	"shop/internal/payments/internal/provider"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/id"
	"shop/internal/platform/money"
)

type status string

const (
	created           status = "created" // asked for, not handed to the provider
	sending           status = "sending" // the provider has been asked, or is about to be
	unknown           status = "unknown" // the provider was asked and did not answer
	authorized        status = "authorized"
	captured          status = "captured"
	partiallyRefunded status = "partially_refunded"
	refunded          status = "refunded"
	declined          status = "declined"
	voided            status = "voided"
)

// transitions says where a payment can go from where it is. From unknown no way leads on but by the provider's word.
var transitions = map[status][]status{
	created:           {sending, captured, declined, voided}, // captured when there is nothing to pay
	sending:           {authorized, declined, unknown, voided},
	unknown:           {authorized, declined, voided},
	authorized:        {captured, declined, voided},
	captured:          {partiallyRefunded, refunded},
	partiallyRefunded: {partiallyRefunded, refunded},
	refunded:          {},
	declined:          {},
	voided:            {},
}

// Codes with which payments itself declines.
const (
	codeCancelled     = "cancelled"      // a CancelPayment came first
	codeInvalidAmount = "invalid_amount" // negative, or in no currency
	codeNotCharged    = "not_charged"    // the provider could not be brought to charge in time, and has promised not to any more
)

// payment is the aggregate. It is a value: a transition changes a copy, which counts once it is saved.
type payment struct {
	id         string // also the provider's idempotency key for the charge
	reference  string
	customerID string // who pays, and may see it
	method     string // empty in the tombstone of a payment that was cancelled before it was asked for
	amount     money.Money
	status     status
	authorized int64
	captured   int64
	refunded   int64
	refunding  int64 // reserved for refunds that are not certain yet
	failure    string
	chargeID   string // the provider's

	cancelAt     time.Time // when the caller asked that nothing be paid; zero when it did not
	cancelReason string

	attempts    int64     // to find out what became of it, without an answer
	nextAttempt time.Time // when the reconciler takes it up; until then somebody has it in hand. Zero when all is known
	trace       string    // to go on in; see telemetry.Rejoin
	createdAt   time.Time
	updatedAt   time.Time
	version     int64
}

// newPayment is the intent to charge. What cannot be charged is declined, and what costs nothing is captured, without asking the provider. lease is for how long
// the reconciler leaves it to the sender.
func newPayment(c paymentsapi.TakePayment, now time.Time, lease time.Duration) payment {
	p := payment{id: id.New("pay"), reference: c.Reference, customerID: c.CustomerID, method: c.Method, amount: c.Amount, status: created, createdAt: now, updatedAt: now, version: 1}
	switch {
	case c.Amount.Amount < 0 || c.Amount.Currency == "":
		p.amount.Amount, p.failure, p.status = 0, codeInvalidAmount, declined
	case c.Amount.Amount == 0:
		p.status = captured
	default:
		p.status, p.nextAttempt = sending, now.Add(lease)
	}
	return p
}

// tombstone keeps the place of a payment that was cancelled before it was asked for.
func tombstone(c paymentsapi.CancelPayment, now time.Time) payment {
	return payment{id: id.New("pay"), reference: c.Reference, status: voided, failure: codeCancelled, cancelAt: now, cancelReason: c.Reason,
		createdAt: now, updatedAt: now, version: 1}
}

func (p payment) isTombstone() bool { return p.method == "" && p.status == voided }

// describedBy is the tombstone with what was to be paid.
func (p payment) describedBy(c paymentsapi.TakePayment) payment {
	p.customerID, p.method, p.amount = c.CustomerID, c.Method, c.Amount
	p.amount.Amount = max(0, p.amount.Amount)
	return p
}

// open: only the provider can say what becomes of it.
func (p payment) open() bool {
	return p.status == sending || p.status == unknown || p.status == authorized
}

func (p payment) cancelling() bool { return !p.cancelAt.IsZero() }

// refundable is what can still be given back.
func (p payment) refundable() int64 { return p.captured - p.refunded - p.refunding }

// touched is p as the next version.
func (p payment) touched(now time.Time) payment {
	p.version++
	p.updatedAt = now
	return p
}

func (p *payment) move(to status) error {
	if !slices.Contains(transitions[p.status], to) {
		return fmt.Errorf("payment %s cannot go from %s to %s", p.id, p.status, to)
	}
	p.status = to
	return nil
}

// learn applies what the provider says of the charge. Hearing the same again changes nothing. Errors: the provider contradicts what it said before.
func (p *payment) learn(c provider.Charge) error {
	if taken := c.Status == provider.Authorized || c.Status == provider.Captured; taken && c.Amount != p.amount {
		return fmt.Errorf("payment %s is over %s: the provider says %s", p.id, p.amount, c.Amount)
	}
	switch c.Status {
	case provider.Authorized:
		return p.authorize(c)
	case provider.Captured:
		if err := p.authorize(c); err != nil {
			return err
		}
		return p.capture()
	case provider.Declined:
		return p.decline(declined, c.Code)
	case provider.Voided:
		if p.cancelling() {
			return p.decline(voided, codeCancelled)
		}
		return p.decline(declined, codeNotCharged)
	}
	return fmt.Errorf("payment %s: the provider says %q", p.id, c.Status)
}

func (p *payment) authorize(c provider.Charge) error {
	if p.chargeID == c.ID && p.authorized > 0 {
		return nil
	}
	p.authorized, p.chargeID = c.Amount.Amount, c.ID
	return p.move(authorized)
}

func (p *payment) capture() error {
	if p.captured > 0 {
		return nil
	}
	p.captured = p.authorized
	p.attempts, p.nextAttempt = 0, time.Time{}
	return p.move(captured)
}

func (p *payment) decline(to status, code string) error {
	if p.status == declined || p.status == voided {
		return nil
	}
	p.failure = code
	p.attempts, p.nextAttempt = 0, time.Time{}
	return p.move(to)
}

// wonder notes that it is not certain yet what becomes of the payment, and when to ask again. What is certain stays certain.
func (p *payment) wonder(now time.Time) {
	if !p.open() {
		return
	}
	p.attempts++
	p.nextAttempt = now.Add(pauseAfter(p.attempts))
	if slices.Contains(transitions[p.status], unknown) {
		p.status = unknown
	}
}

// pauses after the first, second, … attempt without an answer.
var pauses = [...]time.Duration{200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}

func pauseAfter(attempts int64) time.Duration {
	return pauses[min(max(attempts, 1), int64(len(pauses)))-1]
}

// cancel notes that the caller wants to pay nothing. A second time changes nothing.
func (p *payment) cancel(reason string, now time.Time) {
	if p.cancelling() {
		return
	}
	p.cancelAt, p.cancelReason = now, reason
	if p.status == captured && p.captured == 0 { // what cost nothing is given back by saying so
		p.status = refunded
	}
}

// cancelFailed gives the cancellation up; the money stays where it is until somebody asks again.
func (p *payment) cancelFailed() { p.cancelAt, p.cancelReason = time.Time{}, "" }

// reserve sets money aside for a refund. Errors: ErrNotCaptured, ErrNothingToRefund, ErrRefundTooLarge.
func (p *payment) reserve(amount int64) error {
	switch {
	case p.captured == 0:
		return ErrNotCaptured
	case p.refundable() == 0:
		return ErrNothingToRefund
	case amount > p.refundable():
		return ErrRefundTooLarge
	}
	p.refunding += amount
	return nil
}

// refundEnded takes the money out of the reserve: it has gone back, or it has not.
func (p *payment) refundEnded(amount int64, succeeded bool) error {
	p.refunding -= amount
	if !succeeded {
		return nil
	}
	p.refunded += amount
	if p.refunded == p.captured {
		return p.move(refunded)
	}
	return p.move(partiallyRefunded)
}

// cancelled: the customer has paid nothing, or has it all back.
func (p payment) cancelled() bool { return !p.open() && p.captured == p.refunded }

// takeAnswer is the event that answers TakePayment, or nil while the answer is not certain. Once a cancellation was asked for, its answer is the only one.
func (p payment) takeAnswer() bus.Body {
	switch {
	case p.cancelling() && p.cancelled():
		return paymentsapi.PaymentDeclined{Reference: p.reference, PaymentID: p.id, Code: codeCancelled}
	case p.cancelling(), p.open():
		return nil
	case p.status == declined || p.status == voided:
		return paymentsapi.PaymentDeclined{Reference: p.reference, PaymentID: p.id, Code: p.failure}
	}
	return paymentsapi.PaymentCaptured{Reference: p.reference, PaymentID: p.id, Amount: money.Money{Amount: p.captured, Currency: p.amount.Currency}}
}

// cancelAnswer is the event that answers CancelPayment, or nil while that is not done.
func (p payment) cancelAnswer() bus.Body {
	if !p.cancelled() {
		return nil
	}
	e := paymentsapi.PaymentCancelled{Reference: p.reference, PaymentID: p.id, Refunded: money.Money{Amount: p.refunded, Currency: p.amount.Currency}}
	if p.isTombstone() {
		e.PaymentID = ""
	}
	return e
}
