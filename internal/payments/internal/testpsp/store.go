package testpsp

import (
	"context"
	"errors"
	"time"

	"shop/internal/payments/internal/provider"
	"shop/internal/platform/id"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
)

// entry is a row of charges.
type entry struct {
	Key       string `db:"key"`
	ID        string `db:"id"`
	Reference string `db:"reference"`
	Method    string `db:"method"`
	Amount    int64  `db:"amount"`
	Currency  string `db:"currency"`
	Status    string `db:"status"`
	Code      string `db:"code"`
	CreatedAt int64  `db:"created_at"`
}

// newEntry is what a charge by this method comes to.
func newEntry(r provider.ChargeRequest, m method, now time.Time) *entry {
	e := &entry{Key: r.Key, ID: id.New("ch"), Reference: r.Reference, Method: r.Method, Amount: r.Amount.Amount, Currency: r.Amount.Currency,
		Status: string(provider.Captured), Code: m.declines, CreatedAt: sqldb.Micros(now)}
	if e.Amount < 0 {
		e.Amount, e.Code = 0, "invalid_amount"
	}
	if e.Code != "" {
		e.Status = string(provider.Declined)
	}
	return e
}

// closingEntry holds a key's place, so that nothing is charged under it.
func closingEntry(key string, now time.Time) *entry {
	return &entry{Key: key, ID: id.New("ch"), Status: string(provider.Voided), CreatedAt: sqldb.Micros(now)}
}

func (e *entry) charge() provider.Charge {
	return provider.Charge{Key: e.Key, ID: e.ID, Reference: e.Reference, Status: provider.Status(e.Status),
		Amount: money.Money{Amount: e.Amount, Currency: e.Currency}, Code: e.Code}
}

// contradicts reports that the other entry was asked for with other words; closing a key contradicts nothing.
func (e *entry) contradicts(o *entry) bool {
	if e.Method == "" || o.Method == "" {
		return false
	}
	return e.Method != o.Method || e.Amount != o.Amount || e.Currency != o.Currency || e.Reference != o.Reference
}

// book writes the entry, unless there is one with that key, and returns the one that counts when it is durable.
func (p *Provider) book(ctx context.Context, e *entry) (provider.Charge, error) {
	first := e
	err := p.db.Do(ctx, sqldb.Job{Key: e.Key, Kind: p.booking, Arg: e, Run: func(ctx context.Context, tx *sqldb.Tx) error {
		if _, mine := tx.Local(entryKey(e.ID)); mine {
			first = e
			return nil
		}
		const query = `SELECT key, id, reference, method, amount, currency, status, code, created_at FROM charges WHERE key = $1`
		first = &entry{}
		return tx.Get(ctx, first, query, e.Key)
	}})
	switch {
	case err != nil:
		return provider.Charge{}, err
	case first.contradicts(e):
		return provider.Charge{}, ErrKeyReused
	}
	return first.charge(), nil
}

type entryKey string

const (
	insertEntry = `INSERT INTO charges (key, id, reference, method, amount, currency, status, code, created_at)
		SELECT r.key, r.id, r.reference, r.method, r.amount, r.currency, r.status, r.code, r.created_at FROM {rows} WHERE true`
	entryColumns = "key text, id text, reference text, method text, amount bigint, currency text, status text, code text, created_at bigint"
)

var (
	insertEntries = sqldb.Many{SQL: insertEntry + ` ON CONFLICT (key) DO NOTHING RETURNING id`, Columns: entryColumns}
	insertFirst   = sqldb.Many{SQL: insertEntry, Columns: entryColumns}
)

func (e *entry) row() []any {
	return []any{e.Key, e.ID, e.Reference, e.Method, e.Amount, e.Currency, e.Status, e.Code, e.CreatedAt}
}

// assumeFirst books the entries as the first with their keys.
func assumeFirst(_ context.Context, tx *sqldb.Tx, args []any) error {
	for _, a := range args {
		e := a.(*entry)
		tx.Queue(&insertFirst, e.row()...)
		tx.SetLocal(entryKey(e.ID), true)
	}
	return nil
}

// insertCharges books the entries of a whole batch with one statement and notes which of them were the first with their key.
func (p *Provider) insertCharges(ctx context.Context, tx *sqldb.Tx, args []any) error {
	rows := make([][]any, len(args))
	for i, a := range args {
		rows[i] = a.(*entry).row()
	}
	var inserted []string
	if err := sqldb.SelectMany(ctx, tx, &insertEntries, rows, &inserted); err != nil {
		return err
	}
	for _, entryID := range inserted {
		tx.SetLocal(entryKey(entryID), true)
	}
	return nil
}

// firstTime notes that a key has had its error; false when it had it before.
func (p *Provider) firstTime(ctx context.Context, key string) (bool, error) {
	first := false
	err := p.db.Write(ctx, key, func(ctx context.Context, tx *sqldb.Tx) error {
		const query = `INSERT INTO first_errors (key, created_at) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`
		n, err := tx.Exec(ctx, query, key, sqldb.Micros(p.clock.Now()))
		first = n == 1
		return err
	})
	if err != nil { // when ctx ended, the job may be running still: what it writes is not ours to read
		return false, err
	}
	return first, nil
}

// refundEntry is a row of refunds.
type refundEntry struct {
	Key       string `db:"key"`
	ID        string `db:"id"`
	ChargeKey string `db:"charge_key"`
	Amount    int64  `db:"amount"`
	Currency  string `db:"currency"`
	Code      string `db:"code"`
}

func (e *refundEntry) refund() provider.Refund {
	return provider.Refund{Key: e.Key, ID: e.ID, ChargeKey: e.ChargeKey, Amount: money.Money{Amount: e.Amount, Currency: e.Currency}, Failed: e.Code != "", Code: e.Code}
}

// bookRefund takes the money from its charge and writes the refund, unless there is one with that key.
func (p *Provider) bookRefund(ctx context.Context, r provider.RefundRequest) (provider.Refund, error) {
	var e refundEntry
	err := p.db.Write(ctx, r.ChargeKey, func(ctx context.Context, tx *sqldb.Tx) error {
		const find = `SELECT key, id, charge_key, amount, currency, code FROM refunds WHERE key = $1`
		if err := tx.Get(ctx, &e, find, r.Key); !errors.Is(err, sqldb.ErrNoRows) {
			return err
		}
		const take = `UPDATE charges SET refunded = refunded + $2
			WHERE key = $1 AND status = 'captured' AND currency = $3 AND $2 > 0 AND refunded + $2 <= amount`
		n, err := tx.Exec(ctx, take, r.ChargeKey, r.Amount.Amount, r.Amount.Currency)
		if err != nil {
			return err
		}
		e = refundEntry{Key: r.Key, ID: id.New("re"), ChargeKey: r.ChargeKey, Amount: r.Amount.Amount, Currency: r.Amount.Currency}
		if n == 0 {
			e.Code = "refund_refused"
		}
		const insert = `INSERT INTO refunds (key, id, charge_key, amount, currency, code, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`
		_, err = tx.Exec(ctx, insert, e.Key, e.ID, e.ChargeKey, e.Amount, e.Currency, e.Code, sqldb.Micros(p.clock.Now()))
		return err
	})
	switch {
	case err != nil:
		return provider.Refund{}, err
	case e.ChargeKey != r.ChargeKey || e.Amount != r.Amount.Amount || e.Currency != r.Amount.Currency:
		return provider.Refund{}, ErrKeyReused
	}
	return e.refund(), nil
}
