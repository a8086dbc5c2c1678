package notifications

import (
	"context"

	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
)

// ErrNotResendable: it is sent, skipped, or about to be sent.
var ErrNotResendable = fault.New(fault.Conflict, "not_resendable", "only a notification that failed, or of which nobody knows, can be sent again")

// resend lets a failed or unknown message be sent again. Errors: ErrNotFound, ErrNotResendable, fault Unavailable.
func (m *Module) resend(ctx context.Context, id string) error {
	now := m.clock.Now()
	return m.db.Write(ctx, id, func(ctx context.Context, tx *sqldb.Tx) error {
		tx.AfterCommit(m.courier.wakeUp)
		return askAgain(ctx, tx, id, now)
	})
}
