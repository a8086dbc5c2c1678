package testpsp

import (
	"context"

	"shop/internal/payments/internal/provider"
)

// Charges is a page of the books. Errors: those of the database.
func (p *Provider) Charges(ctx context.Context, after string, limit int) ([]provider.Charge, error) {
	const query = `SELECT key, id, reference, method, amount, currency, status, code, created_at FROM charges
		WHERE key > $1 ORDER BY key LIMIT $2`
	return p.charges(ctx, query, after, limit)
}

// ChargesOf are the entries with the given keys. Errors: those of the database.
func (p *Provider) ChargesOf(ctx context.Context, keys []string) ([]provider.Charge, error) {
	const query = `SELECT key, id, reference, method, amount, currency, status, code, created_at FROM charges WHERE key IN {$1}`
	return p.charges(ctx, query, keys)
}

// Refunds is a page of the books. Errors: those of the database.
func (p *Provider) Refunds(ctx context.Context, after string, limit int) ([]provider.Refund, error) {
	const query = `SELECT key, id, charge_key, amount, currency, code FROM refunds WHERE key > $1 ORDER BY key LIMIT $2`
	return p.refunds(ctx, query, after, limit)
}

// RefundsOf are the refunds with the given keys. Errors: those of the database.
func (p *Provider) RefundsOf(ctx context.Context, keys []string) ([]provider.Refund, error) {
	const query = `SELECT key, id, charge_key, amount, currency, code FROM refunds WHERE key IN {$1}`
	return p.refunds(ctx, query, keys)
}

func (p *Provider) charges(ctx context.Context, query string, args ...any) ([]provider.Charge, error) {
	var rows []entry
	if err := p.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	charges := make([]provider.Charge, len(rows))
	for i := range rows {
		charges[i] = rows[i].charge()
	}
	return charges, nil
}

func (p *Provider) refunds(ctx context.Context, query string, args ...any) ([]provider.Refund, error) {
	var rows []refundEntry
	if err := p.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	refunds := make([]provider.Refund, len(rows))
	for i := range rows {
		refunds[i] = rows[i].refund()
	}
	return refunds, nil
}
