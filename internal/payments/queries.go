package payments

import (
	"context"
	"errors"
	"time"

	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
)

// ErrPaymentNotFound: there is no payment with that id, or it is not the caller's.
var ErrPaymentNotFound = fault.New(fault.NotFound, "payment_not_found", "there is no such payment")

var _ paymentsapi.Queries = (*Module)(nil)

// Payments of the given references; a reference without a payment is left out. Errors: sqldb.ErrUnavailable.
func (m *Module) Payments(ctx context.Context, references []string) ([]paymentsapi.Payment, error) {
	const query = `SELECT ` + paymentColumns + ` FROM payments WHERE reference IN {$1} AND method <> ''`
	rows, err := m.selectPayments(ctx, query, references)
	if err != nil {
		return nil, err
	}
	out := make([]paymentsapi.Payment, len(rows))
	for i, p := range rows {
		out[i] = p.published()
	}
	return out, nil
}

// payment reads one. Errors: ErrPaymentNotFound, sqldb.ErrUnavailable.
func (m *Module) payment(ctx context.Context, paymentID string) (payment, error) {
	const query = `SELECT ` + paymentColumns + ` FROM payments WHERE id = $1 AND method <> ''`
	var row paymentRow
	if err := m.db.Get(ctx, &row, query, paymentID); err != nil {
		if errors.Is(err, sqldb.ErrNoRows) {
			err = ErrPaymentNotFound
		}
		return payment{}, err
	}
	return row.payment(), nil
}

// paymentFor reads one for somebody. Errors: ErrPaymentNotFound, sqldb.ErrUnavailable.
func (m *Module) paymentFor(ctx context.Context, who auth.Principal, paymentID string) (payment, error) {
	p, err := m.payment(ctx, paymentID)
	if err == nil && !who.ActsFor(p.customerID) {
		return payment{}, ErrPaymentNotFound
	}
	return p, err
}

// listPayments is a page, newest first, of all payments or of those of one reference. before is the id that the page begins after; empty for the first.
func (m *Module) listPayments(ctx context.Context, reference, before string, limit int) ([]payment, error) {
	const query = `SELECT ` + paymentColumns + ` FROM payments
		WHERE ($1 = '' OR id < $1) AND method <> '' ORDER BY id DESC LIMIT $2`
	const ofReference = `SELECT ` + paymentColumns + ` FROM payments
		WHERE reference = $3 AND ($1 = '' OR id < $1) AND method <> '' ORDER BY id DESC LIMIT $2`
	if reference == "" {
		return m.selectPayments(ctx, query, before, limit)
	}
	return m.selectPayments(ctx, ofReference, before, limit, reference)
}

// duePayments are those whose time has come, the longest waiting first.
func (m *Module) duePayments(ctx context.Context, now time.Time, limit int) ([]attempt, error) {
	const query = `SELECT ` + paymentColumns + ` FROM payments
		WHERE next_attempt_at > 0 AND next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $2`
	due, err := m.selectPayments(ctx, query, sqldb.Micros(now), limit)
	attempts := make([]attempt, len(due))
	for i, p := range due {
		attempts[i] = attempt{p.id, p.reference, func(ctx context.Context) error { return m.resolve(ctx, p) }, p.trace}
	}
	return attempts, err
}

func (m *Module) selectPayments(ctx context.Context, query string, args ...any) ([]payment, error) {
	var rows []paymentRow
	if err := m.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	payments := make([]payment, len(rows))
	for i := range rows {
		payments[i] = rows[i].payment()
	}
	return payments, nil
}

// refundByID reads one. Errors: sqldb.ErrNoRows, sqldb.ErrUnavailable.
func (m *Module) refundByID(ctx context.Context, refundID string) (refund, error) {
	const query = `SELECT ` + refundColumns + ` FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.id = $1`
	var row refundRow
	if err := m.db.Get(ctx, &row, query, refundID); err != nil {
		return refund{}, err
	}
	return row.refund(), nil
}

// listRefunds is a page of a payment's refunds, oldest first. after is the id that the page begins after; empty for the first.
func (m *Module) listRefunds(ctx context.Context, paymentID, after string, limit int) ([]refund, error) {
	const query = `SELECT ` + refundColumns + ` FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.payment_id = $1 AND r.id > $2 ORDER BY r.id LIMIT $3`
	return m.selectRefunds(ctx, query, paymentID, after, limit)
}

// dueRefunds are those whose time has come, the longest waiting first.
func (m *Module) dueRefunds(ctx context.Context, now time.Time, limit int) ([]attempt, error) {
	const query = `SELECT ` + refundColumns + ` FROM refunds r JOIN payments p ON p.id = r.payment_id
		WHERE r.next_attempt_at > 0 AND r.next_attempt_at <= $1 ORDER BY r.next_attempt_at LIMIT $2`
	due, err := m.selectRefunds(ctx, query, sqldb.Micros(now), limit)
	attempts := make([]attempt, len(due))
	for i, r := range due {
		attempts[i] = attempt{r.id, r.reference, func(ctx context.Context) error { return m.sendRefund(ctx, r) }, r.trace}
	}
	return attempts, err
}

func (m *Module) selectRefunds(ctx context.Context, query string, args ...any) ([]refund, error) {
	var rows []refundRow
	if err := m.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	refunds := make([]refund, len(rows))
	for i := range rows {
		refunds[i] = rows[i].refund()
	}
	return refunds, nil
}

// published is the payment as others may see it.
func (p payment) published() paymentsapi.Payment {
	return paymentsapi.Payment{
		ID: p.id, Reference: p.reference, Status: string(p.status), Amount: p.amount, Authorized: p.authorized, Captured: p.captured, Refunded: p.refunded,
		Method: p.method, Failure: p.failure, CreatedAt: p.createdAt, UpdatedAt: p.updatedAt,
	}
}
