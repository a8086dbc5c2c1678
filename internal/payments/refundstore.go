package payments

import (
	"context"
	"errors"

	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
)

type refundRow struct {
	ID            string `db:"id"`
	PaymentID     string `db:"payment_id"`
	Reference     string `db:"reference"`
	Amount        int64  `db:"amount"`
	Currency      string `db:"currency"`
	Reason        string `db:"reason"`
	Origin        string `db:"origin"`
	Status        string `db:"status"`
	FailureCode   string `db:"failure_code"`
	Attempts      int64  `db:"attempts"`
	NextAttemptAt int64  `db:"next_attempt_at"`
	Traceparent   string `db:"traceparent"`
	CreatedAt     int64  `db:"created_at"`
	UpdatedAt     int64  `db:"updated_at"`
}

// refundColumns are those of refundRow, from refunds r and its payment p.
const refundColumns = `r.id, r.payment_id, p.reference, r.amount, p.currency, r.reason, r.origin, r.status, r.failure_code, r.attempts, r.next_attempt_at, r.traceparent, r.created_at, r.updated_at`

func (r *refundRow) refund() refund {
	return refund{
		id: r.ID, paymentID: r.PaymentID, reference: r.Reference, amount: money.Money{Amount: r.Amount, Currency: r.Currency}, reason: r.Reason, origin: origin(r.Origin),
		status: refundStatus(r.Status), failure: r.FailureCode, attempts: r.Attempts, nextAttempt: sqldb.Time(r.NextAttemptAt), trace: r.Traceparent,
		createdAt: sqldb.Time(r.CreatedAt), updatedAt: sqldb.Time(r.UpdatedAt),
	}
}

var insertRefunds = sqldb.Many{
	SQL: `INSERT INTO refunds (id, payment_id, amount, reason, origin, status, failure_code, attempts, next_attempt_at, traceparent, created_at, updated_at)
		SELECT r.id, r.payment_id, r.amount, r.reason, r.origin, r.status, '', 0, r.next_attempt_at, r.traceparent, r.created_at, r.created_at FROM {rows}`,
	Columns: "id text, payment_id text, amount bigint, reason text, origin text, status text, next_attempt_at bigint, traceparent text, created_at bigint",
}

// insertRefund queues a new refund.
func insertRefund(tx *sqldb.Tx, r refund) {
	tx.Queue(&insertRefunds, r.id, r.paymentID, r.amount.Amount, r.reason, string(r.origin), string(r.status), sqldb.Micros(r.nextAttempt), r.trace, sqldb.Micros(r.createdAt))
}

// refundStillPending locks the refund and says whether its outcome is still to be written.
func refundStillPending(ctx context.Context, tx *sqldb.Tx, refundID string) (bool, error) {
	const query = `SELECT status FROM refunds WHERE id = $1 {for update}`
	var now string
	switch err := tx.Get(ctx, &now, query, refundID); {
	case errors.Is(err, sqldb.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	}
	return refundStatus(now) == refundPending, nil
}

func updateRefund(ctx context.Context, tx *sqldb.Tx, r refund) error {
	const query = `UPDATE refunds SET status = $2, failure_code = $3, attempts = $4, next_attempt_at = $5, updated_at = $6 WHERE id = $1`
	_, err := tx.Exec(ctx, query, r.id, string(r.status), r.failure, r.attempts, sqldb.Micros(r.nextAttempt), sqldb.Micros(r.updatedAt))
	return err
}
