package payments

import (
	"context"
	"errors"

	"shop/internal/platform/sqldb"
)

// readForDiagnosis reads the payment for a reference and its newest refund that is not certain yet, if there is one. Errors: ErrPaymentNotFound, sqldb.ErrUnavailable.
func readForDiagnosis(ctx context.Context, db *sqldb.DB, reference string) (row paymentRow, pending []refundRow, err error) {
	if err := db.Get(ctx, &row, `SELECT `+paymentColumns+` FROM payments WHERE reference = $1`, reference); err != nil {
		if errors.Is(err, sqldb.ErrNoRows) {
			err = ErrPaymentNotFound
		}
		return row, nil, err
	}
	err = db.Select(ctx, &pending, `SELECT `+refundColumns+` FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.payment_id = $1 AND r.status = 'pending'
		ORDER BY r.id DESC LIMIT 1`, row.ID)
	return row, pending, err
}
