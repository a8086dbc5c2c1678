package payments

import (
	"context"

	"shop/internal/platform/metrics"
)

// readMetrics tells how many payments there are of which nobody knows what became of them: it reads only those that are to be asked about.
func (m *Module) readMetrics(ctx context.Context, tell func(d *metrics.Definition, value float64, labels ...string)) error {
	var unknown int64
	if err := m.db.Get(ctx, &unknown, `SELECT count(*) FROM payments WHERE next_attempt_at > 0 AND status = 'unknown'`); err != nil {
		return err
	}
	tell(metrics.PaymentsUnknown, float64(unknown))
	return nil
}
