package notifications

import (
	"context"

	"shop/internal/platform/metrics"
)

// readMetrics tells how many mails are not sent, by state. Those that were sent, or that nobody can get, are not read.
func (m *Module) readMetrics(ctx context.Context, tell func(d *metrics.Definition, value float64, labels ...string)) error {
	var states []struct {
		State string `db:"state"`
		N     int64  `db:"n"`
	}
	err := m.db.Select(ctx, &states, `SELECT state, count(*) AS n FROM intents WHERE due_at > 0 GROUP BY state
		UNION ALL SELECT state, count(*) AS n FROM intents WHERE state IN ('failed', 'unknown') GROUP BY state`)
	if err != nil {
		return err
	}
	counts := map[string]int64{}
	for _, s := range states {
		counts[s.State] = s.N
	}
	for _, state := range metrics.Mails.Labels[0].Values {
		tell(metrics.Mails, float64(counts[state]), state)
	}
	return nil
}
