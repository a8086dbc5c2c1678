package payments

import (
	"context"
	"errors"
	"time"

	"shop/internal/platform/id"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
)

// view is a payment as the present transaction sees it.
type view struct {
	payment payment
	found   bool
	stored  int64 // its version in the database when the transaction's queued changes are written
}

// viewKey is a view's key among the transaction's locals: the payment's reference.
type viewKey string

func viewOf(tx *sqldb.Tx, reference string) view {
	v, _ := tx.Local(viewKey(reference))
	known, _ := v.(view)
	return known
}

func viewAsStored(p payment) view { return view{payment: p, found: true, stored: p.version} }

type paymentRow struct {
	ID            string `db:"id"`
	Reference     string `db:"reference"`
	CustomerID    string `db:"customer_id"`
	Method        string `db:"method"`
	Currency      string `db:"currency"`
	Amount        int64  `db:"amount"`
	Status        string `db:"status"`
	Authorized    int64  `db:"authorized"`
	Captured      int64  `db:"captured"`
	Refunded      int64  `db:"refunded"`
	Refunding     int64  `db:"refunding"`
	FailureCode   string `db:"failure_code"`
	ChargeID      string `db:"charge_id"`
	CancelAt      int64  `db:"cancel_at"`
	CancelReason  string `db:"cancel_reason"`
	Attempts      int64  `db:"attempts"`
	NextAttemptAt int64  `db:"next_attempt_at"`
	Traceparent   string `db:"traceparent"`
	CreatedAt     int64  `db:"created_at"`
	UpdatedAt     int64  `db:"updated_at"`
	Version       int64  `db:"version"`
}

// paymentColumns are those of paymentRow.
const paymentColumns = `id, reference, customer_id, method, currency, amount, status, authorized, captured, refunded, refunding, failure_code, charge_id,
	cancel_at, cancel_reason, attempts, next_attempt_at, traceparent, created_at, updated_at, version`

func (r *paymentRow) payment() payment {
	return payment{
		id: r.ID, reference: r.Reference, customerID: r.CustomerID, method: r.Method, amount: money.Money{Amount: r.Amount, Currency: r.Currency}, status: status(r.Status),
		authorized: r.Authorized, captured: r.Captured, refunded: r.Refunded, refunding: r.Refunding, failure: r.FailureCode, chargeID: r.ChargeID,
		cancelAt: sqldb.Time(r.CancelAt), cancelReason: r.CancelReason, attempts: r.Attempts, nextAttempt: sqldb.Time(r.NextAttemptAt), trace: r.Traceparent,
		createdAt: sqldb.Time(r.CreatedAt), updatedAt: sqldb.Time(r.UpdatedAt), version: r.Version,
	}
}

// load puts the payments of all the references into the transaction's locals, with one statement, also that there is none.
func load(ctx context.Context, tx *sqldb.Tx, references []string) error {
	const query = `SELECT ` + paymentColumns + ` FROM payments WHERE reference IN {$1}`
	var rows []paymentRow
	if err := tx.Select(ctx, &rows, query, references); err != nil {
		return err
	}
	for _, reference := range references {
		tx.SetLocal(viewKey(reference), view{})
	}
	for i := range rows {
		tx.SetLocal(viewKey(rows[i].Reference), viewAsStored(rows[i].payment()))
	}
	return nil
}

// find is the payment of a reference as this transaction sees it; when it has not seen it yet, it locks it. Errors: sqldb.ErrUnavailable.
func find(ctx context.Context, tx *sqldb.Tx, reference string) (p payment, found bool, err error) {
	if known, ok := tx.Local(viewKey(reference)); ok {
		return known.(view).payment, known.(view).found, nil
	}
	const query = `SELECT ` + paymentColumns + ` FROM payments WHERE reference = $1 {for update}`
	var row paymentRow
	switch err := tx.Get(ctx, &row, query, reference); {
	case errors.Is(err, sqldb.ErrNoRows):
		return payment{}, false, nil
	case err != nil:
		return payment{}, false, err
	}
	p = row.payment()
	tx.SetLocal(viewKey(reference), viewAsStored(p))
	return p, true, nil
}

var insertPayments = sqldb.Many{
	SQL: `INSERT INTO payments (id, reference, customer_id, method, currency, amount, status, authorized, captured, refunded, refunding, failure_code, charge_id,
			cancel_at, cancel_reason, attempts, next_attempt_at, traceparent, created_at, updated_at, version)
		SELECT r.id, r.reference, r.customer_id, r.method, r.currency, r.amount, r.status, 0, 0, 0, 0, r.failure_code, '',
			r.cancel_at, r.cancel_reason, 0, r.next_attempt_at, r.traceparent, r.created_at, r.created_at, 1 FROM {rows}`,
	Columns: "id text, reference text, customer_id text, method text, currency text, amount bigint, status text, failure_code text, " +
		"cancel_at bigint, cancel_reason text, next_attempt_at bigint, traceparent text, created_at bigint",
}

// insert queues a new payment. Its errors come at the end of the transaction: sqldb.ErrDuplicate, there is one for the reference.
//
// That it has to be looked after is not written: nearly always its sender ends it within its lease. The rounds find those of which that was not so, by the time in the identifier; one
// that comes late, or says another time, has its lease in its row.
func insert(tx *sqldb.Tx, p payment) {
	if id.Near("pay", p.id, p.createdAt, sqldb.AtOnce) {
		p.nextAttempt = time.Time{}
	}
	tx.Queue(&insertPayments, p.id, p.reference, p.customerID, p.method, p.amount.Currency, p.amount.Amount, string(p.status), p.failure,
		sqldb.Micros(p.cancelAt), p.cancelReason, sqldb.Micros(p.nextAttempt), p.trace, sqldb.Micros(p.createdAt))
	tx.SetLocal(viewKey(p.reference), viewAsStored(p))
}

// leftBehind is the condition of payments that nobody has in hand, once their lease is over.
const leftBehind = `status IN ('sending', 'unknown', 'authorized') AND next_attempt_at = 0`

// takeUp makes those payments due that were named within the span, and of which nobody has said what became. Errors: sqldb.ErrUnavailable.
func (m *Module) takeUp(ctx context.Context, span sqldb.Span) error {
	const page = 500
	for {
		var ids []string
		err := m.db.Select(ctx, &ids, `SELECT id FROM payments WHERE id >= $1 AND id < $2 AND `+leftBehind+` ORDER BY id LIMIT $3`, id.At("pay", span.From), id.At("pay", span.To), page)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := m.db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE payments SET next_attempt_at = $2 WHERE id IN {$1} AND `+leftBehind, ids, sqldb.Micros(m.clock.Now()))
			return err
		}); err != nil || len(ids) < page {
			return err
		}
	}
}

const updatePayments = `UPDATE payments SET status = r.status, authorized = r.authorized, captured = r.captured, refunded = r.refunded, refunding = r.refunding,
		failure_code = r.failure_code, charge_id = r.charge_id, cancel_at = r.cancel_at, cancel_reason = r.cancel_reason,
		attempts = r.attempts, next_attempt_at = r.next_attempt_at, updated_at = r.updated_at, version = r.version
	FROM {rows} WHERE payments.id = r.id AND payments.version = r.stored`

const changedTypes = "id text, status text, authorized bigint, captured bigint, refunded bigint, refunding bigint, failure_code text, charge_id text, " +
	"cancel_at bigint, cancel_reason text, attempts bigint, next_attempt_at bigint, updated_at bigint, version bigint, stored bigint"

// changedColumns are p as a row of an update that expects the stored version.
func changedColumns(p payment, stored int64) []any {
	return []any{p.id, string(p.status), p.authorized, p.captured, p.refunded, p.refunding, p.failure, p.chargeID,
		sqldb.Micros(p.cancelAt), p.cancelReason, p.attempts, sqldb.Micros(p.nextAttempt), sqldb.Micros(p.updatedAt), p.version, stored}
}

var updateLast = sqldb.Many{SQL: updatePayments, Columns: changedTypes, Exact: true, Last: 1}

// saveUnseen queues the payment as the version after the one in the database, for which it is taken without a look; when it is not, the transaction runs again.
func saveUnseen(tx *sqldb.Tx, p payment) {
	stored := p.version - 1
	tx.Queue(&updateLast, changedColumns(p, stored)...)
	tx.SetLocal(viewKey(p.reference), view{payment: p, found: true, stored: stored})
}

// save queues the payment as the next version, which it returns. However often a transaction saves it, that is one update, at the end; when somebody else was faster
// the transaction runs again.
func save(tx *sqldb.Tx, p payment, now time.Time) payment {
	p = p.touched(now)
	stored := viewOf(tx, p.reference).stored
	tx.Queue(&updateLast, changedColumns(p, stored)...)
	tx.SetLocal(viewKey(p.reference), view{payment: p, found: true, stored: stored})
	return p
}

var updateThoseSeen = sqldb.Many{SQL: updatePayments + ` RETURNING payments.id`, Columns: changedTypes}

// saveSeen writes the payments of the steps, each as the version after the one in the database, and returns the ids of those for which that was so.
func saveSeen(ctx context.Context, tx *sqldb.Tx, steps map[string]*step) (saved []string, err error) {
	rows := make([][]any, 0, len(steps))
	for _, s := range steps {
		rows = append(rows, changedColumns(s.payment, s.payment.version-1))
	}
	err = sqldb.SelectMany(ctx, tx, &updateThoseSeen, rows, &saved)
	return saved, err
}

// describeTombstone fills in what was to be paid, when that comes after the cancellation.
func describeTombstone(ctx context.Context, tx *sqldb.Tx, p payment) error {
	const query = `UPDATE payments SET customer_id = $3, method = $4, currency = $5, amount = $6, updated_at = $7, version = version + 1 WHERE id = $1 AND version = $2`
	n, err := tx.Exec(ctx, query, p.id, p.version-1, p.customerID, p.method, p.amount.Currency, p.amount.Amount, sqldb.Micros(p.updatedAt))
	if err == nil && n == 0 {
		err = sqldb.ErrStale
	}
	tx.SetLocal(viewKey(p.reference), viewAsStored(p))
	return err
}
