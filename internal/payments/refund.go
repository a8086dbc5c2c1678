package payments

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"go.uber.org/zap"

	"shop/internal/payments/internal/provider"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/fault"
	"shop/internal/platform/id"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

var (
	// ErrNotCaptured: no money was taken, so none can be given back.
	ErrNotCaptured = fault.New(fault.Conflict, "payment_not_captured", "nothing was captured by this payment")
	// ErrNothingToRefund: everything was given back, or is about to be.
	ErrNothingToRefund = fault.New(fault.Conflict, "nothing_to_refund", "the whole payment is refunded, or about to be")
	// ErrRefundTooLarge: more than is left.
	ErrRefundTooLarge = fault.New(fault.Conflict, "refund_exceeds_captured", "the amount is more than is left of the payment")
	// ErrRefundCurrency: a payment is refunded in its own currency.
	ErrRefundCurrency = fault.New(fault.Invalid, "currency_mismatch", "the refund must be in the payment's currency")
)

type refundStatus string

const (
	refundPending   refundStatus = "pending" // it is not certain yet whether the money went back
	refundSucceeded refundStatus = "succeeded"
	refundFailed    refundStatus = "failed" // the provider refused
)

type origin string

const (
	byOperator     origin = "operator"
	byCancellation origin = "cancellation"
)

// refund is money on its way back. While it is pending, the payment keeps its amount reserved.
type refund struct {
	id          string // also the provider's idempotency key
	paymentID   string
	reference   string // of the payment
	amount      money.Money
	reason      string
	origin      origin
	status      refundStatus
	failure     string
	attempts    int64
	nextAttempt time.Time // when the reconciler takes it up; zero when the outcome is certain
	trace       string    // to go on in; see telemetry.Rejoin
	createdAt   time.Time
	updatedAt   time.Time
}

func newRefund(p payment, amount int64, reason string, by origin, now time.Time, lease time.Duration) refund {
	return refund{id: id.New("ref"), paymentID: p.id, reference: p.reference, amount: money.Money{Amount: amount, Currency: p.amount.Currency}, reason: reason,
		origin: by, status: refundPending, nextAttempt: now.Add(lease), createdAt: now, updatedAt: now}
}

// learn applies the provider's answer, or its silence.
func (r *refund) learn(answer provider.Refund, callErr error, now time.Time) {
	r.updatedAt = now
	if callErr != nil {
		r.attempts++
		r.nextAttempt = now.Add(pauseAfter(r.attempts))
		return
	}
	r.status, r.nextAttempt = answerTo(answer), time.Time{}
	if answer.Failed {
		r.failure = answer.Code
	}
}

// answerTo is the status of a refund that the provider has decided about.
func answerTo(answer provider.Refund) refundStatus {
	if answer.Failed {
		return refundFailed
	}
	return refundSucceeded
}

// refundRequest is what an operator asks for. Without an amount it is all that is left.
type refundRequest struct {
	Amount *money.Money `json:"amount"`
	Reason string       `json:"reason"`
}

// refundTicket is what the idempotency key remembers: the refund's state changes, so it is read again for each answer.
type refundTicket struct {
	ID string `json:"id"`
}

// refund gives money back: the intent is committed, the provider asked, its answer recorded. When the provider does not answer in time the refund is returned as pending.
// Errors: ErrPaymentNotFound, ErrNotCaptured, ErrNothingToRefund, ErrRefundTooLarge, ErrRefundCurrency, those of web.Idempotency.Do.
func (m *Module) refund(ctx context.Context, keyed web.Keyed, paymentID string, in refundRequest) (refund, error) {
	p, err := m.payment(ctx, paymentID)
	if err != nil {
		return refund{}, err
	}
	telemetry.NoteKey(ctx, p.reference)
	raw, err := m.idempotency.Do(ctx, keyed, p.reference, func(ctx context.Context, tx *sqldb.Tx) (web.Raw, error) {
		r, err := m.intendRefund(ctx, tx, p.reference, in)
		if err != nil {
			return web.Raw{}, err
		}
		return web.JSON(http.StatusCreated, refundTicket{r.id})
	})
	if err != nil {
		return refund{}, err
	}
	var ticket refundTicket
	if err := json.Unmarshal(raw.Body, &ticket); err != nil {
		return refund{}, err
	}
	r, err := m.refundByID(ctx, ticket.ID)
	if err != nil || r.status != refundPending {
		return r, err
	}
	if err := m.sendRefund(ctx, r); err != nil { // it is written down, and the reconciler goes on with it
		m.log.Warn("refund not settled yet", telemetry.FieldsOf(ctx, r.reference), zap.String("refund_id", r.id), zap.Error(err))
	}
	return m.refundByID(ctx, ticket.ID)
}

// intendRefund reserves the money and writes the refund, as pending.
func (m *Module) intendRefund(ctx context.Context, tx *sqldb.Tx, reference string, in refundRequest) (refund, error) {
	p, found, err := find(ctx, tx, reference)
	switch {
	case err != nil:
		return refund{}, err
	case !found:
		return refund{}, ErrPaymentNotFound
	}
	amount := p.refundable()
	if in.Amount != nil {
		if in.Amount.Currency != "" && in.Amount.Currency != p.amount.Currency {
			return refund{}, ErrRefundCurrency
		}
		amount = in.Amount.Amount
	}
	if err := p.reserve(amount); err != nil {
		return refund{}, err
	}
	now := m.clock.Now()
	r := newRefund(p, amount, in.Reason, byOperator, now, m.lease)
	r.trace = telemetry.ToStore(ctx)
	save(tx, p, now)
	insertRefund(tx, r)
	return r, nil
}

// giveBack is the task that sends a refund, unless its lease is so old that the reconciler may have it.
func (m *Module) giveBack(r refund) task {
	return func(ctx context.Context) {
		if !m.inTime(r.nextAttempt) {
			return
		}
		if err := m.sendRefund(ctx, r); err != nil {
			m.log.Warn("refund not settled yet", telemetry.FieldsOf(ctx, r.reference), zap.String("refund_id", r.id), zap.Error(err))
		}
	}
}

// sendRefund asks the provider for the refund, also when it was asked before, and records the answer. Errors: sqldb.ErrUnavailable.
func (m *Module) sendRefund(ctx context.Context, r refund) error {
	cctx, cancel := context.WithTimeout(ctx, m.deadline)
	defer cancel()
	cctx, span := m.asking(cctx, telemetry.SpanRefund, r.reference)
	answer, callErr := m.provider.Refund(cctx, provider.RefundRequest{Key: r.id, ChargeKey: r.paymentID, Amount: r.amount})
	answered(span, string(answerTo(answer)), callErr)
	if callErr != nil && ctx.Err() == nil {
		m.log.Warn("the provider did not answer", telemetry.FieldsOf(ctx, r.reference), zap.String("refund_id", r.id), zap.Error(callErr))
	}
	return m.db.Write(ctx, r.reference, func(ctx context.Context, tx *sqldb.Tx) error {
		return m.recordRefund(ctx, tx, r, answer, callErr)
	})
}

// recordRefund writes what became of a refund, once, and tells whoever is to know.
func (m *Module) recordRefund(ctx context.Context, tx *sqldb.Tx, r refund, answer provider.Refund, callErr error) error {
	p, found, err := find(ctx, tx, r.reference)
	if err != nil || !found {
		return err
	}
	pending, err := refundStillPending(ctx, tx, r.id)
	if err != nil || !pending {
		return err
	}
	now := m.clock.Now()
	r.learn(answer, callErr, now)
	if err := updateRefund(ctx, tx, r); err != nil || callErr != nil {
		return err
	}
	if err := p.refundEnded(r.amount.Amount, r.status == refundSucceeded); err != nil {
		return err
	}
	if r.status == refundSucceeded && r.origin == byOperator {
		err := m.bus.Publish(ctx, tx, paymentsapi.PaymentRefunded{Reference: p.reference, PaymentID: p.id, RefundID: r.id, Amount: r.amount,
			Total: money.Money{Amount: p.refunded, Currency: p.amount.Currency}})
		if err != nil {
			return err
		}
	}
	s := step{payment: p}
	switch {
	case !p.cancelling():
	case r.status == refundFailed && r.origin == byCancellation:
		s.payment.cancelFailed()
		s.event = paymentsapi.PaymentCancelFailed{Reference: p.reference, PaymentID: p.id, Code: r.failure}
	default:
		s.pursue(now, m.lease)
	}
	s.payment = save(tx, s.payment, now)
	return m.carryOut(ctx, tx, s)
}
