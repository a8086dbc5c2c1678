package payments

import (
	"context"
	"fmt"
	"time"

	"shop/internal/payments/internal/provider"
	"shop/internal/platform/audit"
)

const (
	auditPage = 1000
	// undecidedTooLong is how old a payment or refund may be without being certain.
	undecidedTooLong = time.Hour
)

// books are what Audit reads, and what it found. The order of reading matters on a live system: what must have happened before is always read after what it made possible.
type books struct {
	m        *Module
	ledger   Ledger // nil when the provider does not open its books
	findings []audit.Finding
}

// Audit checks that amounts are in order (I5) and that each payment and refund stands in the provider's ledger as it does here (I6).
// Errors: sqldb.ErrUnavailable, those of the provider.
func (m *Module) Audit(ctx context.Context) ([]audit.Finding, error) {
	b := &books{m: m}
	b.ledger, _ = m.provider.(Ledger)
	checks := []func(context.Context) error{b.payments, b.refunds}
	if b.ledger != nil {
		checks = append(checks, b.charges, b.returned)
	}
	for _, check := range checks {
		if err := check(ctx); err != nil {
			return nil, err
		}
	}
	return b.findings, nil
}

func (b *books) found(invariant, subject, detail string, args ...any) {
	b.findings = append(b.findings, audit.Finding{Invariant: invariant, Context: "payments", Subject: subject, Detail: fmt.Sprintf(detail, args...)})
}

func (b *books) tooOld(createdAt time.Time) bool {
	return b.m.clock.Now().Sub(createdAt) > undecidedTooLong
}

// auditedPayment is a payment and the sums of its refunds, read at one moment.
type auditedPayment struct {
	paymentRow
	Succeeded int64 `db:"succeeded"`
	Pending   int64 `db:"pending"`
}

// payments holds each payment against its refunds and its charge.
func (b *books) payments(ctx context.Context) error {
	const query = `SELECT ` + paymentColumns + `,
		(SELECT CAST(coalesce(sum(r.amount), 0) AS BIGINT) FROM refunds r WHERE r.payment_id = payments.id AND r.status = 'succeeded') AS succeeded,
		(SELECT CAST(coalesce(sum(r.amount), 0) AS BIGINT) FROM refunds r WHERE r.payment_id = payments.id AND r.status = 'pending') AS pending
		FROM payments WHERE id > $1 ORDER BY id LIMIT $2`
	return pages(func(after string) (string, int, error) {
		var rows []auditedPayment
		if err := b.m.db.Select(ctx, &rows, query, after, auditPage); err != nil || len(rows) == 0 {
			return "", 0, err
		}
		ids := make([]string, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
			b.amounts(r.payment(), r.Succeeded, r.Pending)
		}
		if b.ledger == nil {
			return ids[len(ids)-1], len(rows), nil
		}
		charges, err := b.ledger.ChargesOf(ctx, ids)
		if err != nil {
			return "", 0, err
		}
		charged := make(map[string]provider.Charge, len(charges))
		for _, c := range charges {
			charged[c.Key] = c
		}
		for _, r := range rows {
			b.charged(r.payment(), charged[r.ID])
		}
		return ids[len(ids)-1], len(rows), nil
	})
}

// pages calls next with the key after which to read until a page is not full.
func pages(next func(after string) (last string, n int, err error)) error {
	for after, n := "", auditPage; n == auditPage; {
		var err error
		if after, n, err = next(after); err != nil {
			return err
		}
	}
	return nil
}

// amounts checks what can be seen in the payment alone and in its refunds.
func (b *books) amounts(p payment, succeeded, pending int64) {
	if p.refunded < 0 || p.refunding < 0 || p.refunded+p.refunding > p.captured || p.captured > p.authorized || p.authorized > p.amount.Amount {
		b.found("I5", p.id, "refunded %d + %d pending ≤ captured %d ≤ authorized %d ≤ amount %d does not hold", p.refunded, p.refunding, p.captured, p.authorized, p.amount.Amount)
	}
	if p.refunded != succeeded || p.refunding != pending {
		b.found("I5", p.id, "refunded %d and pending %d, but its refunds sum to %d and %d", p.refunded, p.refunding, succeeded, pending)
	}
	if want := p.statusByAmounts(); p.status != want {
		b.found("I5", p.id, "is %s, but captured %d and refunded %d make it %s", p.status, p.captured, p.refunded, want)
	}
	if p.open() && b.tooOld(p.createdAt) {
		b.found("I6", p.id, "is %s since %s", p.status, p.createdAt.Format(time.RFC3339))
	}
}

// statusByAmounts is what the status must be when money was captured, and otherwise the status it has, if that fits no money.
func (p payment) statusByAmounts() status {
	switch {
	case p.captured > 0 && p.refunded == p.captured:
		return refunded
	case p.captured > 0 && p.refunded > 0:
		return partiallyRefunded
	case p.captured > 0:
		return captured
	case p.amount.Amount > 0 && (p.status == captured || p.status == partiallyRefunded || p.status == refunded):
		return unknown
	}
	return p.status
}

// charged checks that a payment whose outcome is certain has the charge it says it has. The charge was read after the payment.
func (b *books) charged(p payment, c provider.Charge) {
	switch {
	case p.captured > 0 && (c.Status != provider.Captured || c.ID != p.chargeID || c.Amount.Amount != p.captured || c.Amount.Currency != p.amount.Currency):
		b.found("I6", p.id, "captured %d %s, but the provider's ledger says %q %d %s", p.captured, p.amount.Currency, c.Status, c.Amount.Amount, c.Amount.Currency)
	case p.captured == 0 && !p.open() && (c.Status == provider.Captured || c.Status == provider.Authorized):
		b.found("I6", p.id, "is %s, but the provider's ledger says %q", p.status, c.Status)
	case c.Key != "" && c.Reference != "" && c.Reference != p.reference:
		b.found("I6", p.id, "is for another reference in the provider's ledger")
	}
}

// charges checks that each successful charge in the ledger is one of our payments; with one payment a reference and one charge a payment, there is at most
// one a reference. The payments are read after the charges.
func (b *books) charges(ctx context.Context) error {
	const query = `SELECT id FROM payments WHERE id IN {$1}`
	return pages(func(after string) (string, int, error) {
		charges, err := b.ledger.Charges(ctx, after, auditPage)
		if err != nil || len(charges) == 0 {
			return "", 0, err
		}
		keys := make([]string, len(charges))
		for i, c := range charges {
			keys[i] = c.Key
		}
		var ours []string
		if err := b.m.db.Select(ctx, &ours, query, keys); err != nil {
			return "", 0, err
		}
		known := setOf(ours)
		for _, c := range charges {
			if !known[c.Key] && c.Status != provider.Declined && c.Status != provider.Voided {
				b.found("I6", c.Key, "the provider's ledger has a charge %s over %s that belongs to no payment", c.ID, c.Amount)
			}
		}
		return keys[len(keys)-1], len(charges), nil
	})
}

// refunds holds each refund against the ledger, which is read after it.
func (b *books) refunds(ctx context.Context) error {
	const query = `SELECT ` + refundColumns + ` FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.id > $1 ORDER BY r.id LIMIT $2`
	return pages(func(after string) (string, int, error) {
		refunds, err := b.m.selectRefunds(ctx, query, after, auditPage)
		if err != nil || len(refunds) == 0 {
			return "", 0, err
		}
		ids := make([]string, len(refunds))
		for i, r := range refunds {
			ids[i] = r.id
			if r.status == refundPending && b.tooOld(r.createdAt) {
				b.found("I6", r.id, "refund is pending since %s", r.createdAt.Format(time.RFC3339))
			}
		}
		if b.ledger == nil {
			return ids[len(ids)-1], len(refunds), nil
		}
		booked, err := b.ledger.RefundsOf(ctx, ids)
		if err != nil {
			return "", 0, err
		}
		byKey := make(map[string]provider.Refund, len(booked))
		for _, e := range booked {
			byKey[e.Key] = e
		}
		for _, r := range refunds {
			b.returnedAs(r, byKey[r.id])
		}
		return ids[len(ids)-1], len(refunds), nil
	})
}

// returnedAs checks that a refund whose outcome is certain stands in the ledger as it does here.
func (b *books) returnedAs(r refund, e provider.Refund) {
	wentBack := e.Key != "" && !e.Failed
	switch {
	case r.status == refundSucceeded && (!wentBack || e.Amount != r.amount || e.ChargeKey != r.paymentID):
		b.found("I6", r.id, "refund of %s succeeded, but the provider's ledger says otherwise", r.amount)
	case r.status == refundFailed && wentBack:
		b.found("I6", r.id, "refund of %s failed, but stands in the provider's ledger", r.amount)
	}
}

// returned checks that each refund in the ledger is one of ours. Ours are read after the ledger's.
func (b *books) returned(ctx context.Context) error {
	const query = `SELECT id FROM refunds WHERE id IN {$1}`
	return pages(func(after string) (string, int, error) {
		booked, err := b.ledger.Refunds(ctx, after, auditPage)
		if err != nil || len(booked) == 0 {
			return "", 0, err
		}
		keys := make([]string, len(booked))
		for i, e := range booked {
			keys[i] = e.Key
		}
		var ours []string
		if err := b.m.db.Select(ctx, &ours, query, keys); err != nil {
			return "", 0, err
		}
		known := setOf(ours)
		for _, e := range booked {
			if !known[e.Key] && !e.Failed {
				b.found("I6", e.Key, "the provider's ledger has a refund of %s that is none of ours", e.Amount)
			}
		}
		return keys[len(keys)-1], len(booked), nil
	})
}

func setOf(keys []string) map[string]bool {
	set := make(map[string]bool, len(keys))
	for _, k := range keys {
		set[k] = true
	}
	return set
}

var _ audit.Auditor = (*Module)(nil)
