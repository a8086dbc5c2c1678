package payments

import (
	"context"
	"time"

	"shop/internal/platform/sqldb"
)

// Diagnosis is what the database tells those who run the shop of the payment for a reference.
type Diagnosis struct {
	PaymentID   string     `json:"payment_id"`
	Status      string     `json:"status"`
	FailureCode string     `json:"failure_code,omitempty"`
	Attempts    int64      `json:"attempts"`               // to find out what became of it, without an answer
	NextAttempt *time.Time `json:"next_attempt,omitempty"` // nil when all is known
	Cancelled   bool       `json:"cancelled"`              // nothing is to be paid any more
	Refund      *Refunding `json:"refund,omitempty"`       // the newest that is not certain yet
}

// Refunding is a refund that the provider has not confirmed.
type Refunding struct {
	RefundID    string     `json:"refund_id"`
	Attempts    int64      `json:"attempts"`
	NextAttempt *time.Time `json:"next_attempt,omitempty"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

// Diagnose reads what became of the payment for a reference from the database of payments, for whoever can read that. Errors: ErrPaymentNotFound, sqldb.ErrUnavailable.
func Diagnose(ctx context.Context, db *sqldb.DB, reference string) (Diagnosis, error) {
	row, pending, err := readForDiagnosis(ctx, db, reference)
	if err != nil {
		return Diagnosis{}, err
	}
	d := Diagnosis{PaymentID: row.ID, Status: row.Status, FailureCode: row.FailureCode, Attempts: row.Attempts, NextAttempt: timeOrNil(row.NextAttemptAt), Cancelled: row.CancelAt > 0}
	if len(pending) > 0 {
		r := pending[0]
		d.Refund = &Refunding{RefundID: r.ID, Attempts: r.Attempts, NextAttempt: timeOrNil(r.NextAttemptAt), UpdatedAt: sqldb.Time(r.UpdatedAt)}
	}
	return d, nil
}

func timeOrNil(us int64) *time.Time {
	if us == 0 {
		return nil
	}
	at := sqldb.Time(us)
	return &at
}
