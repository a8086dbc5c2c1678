package notifications

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestMailsThatAreNotSentAreToldByTheirState(t *testing.T) {
	dbtest.Each(t, "notifications", func(t *testing.T, db *sqldb.DB) {
		registry := prometheus.NewRegistry()
		New(Needs{DB: db, Bus: bus.NewMemory(), Metrics: registry})
		told := func() map[string]float64 {
			families, err := registry.Gather()
			require.NoError(t, err)
			require.Len(t, families, 1)
			require.Equal(t, "shop_mails", families[0].GetName())
			states := map[string]float64{}
			for _, m := range families[0].GetMetric() {
				states[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
			return states
		}
		require.Equal(t, map[string]float64{"pending": 0, "sending": 0, "failed": 0, "unknown": 0}, told())
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO intents (id, customer_id, email, data, state, channel, problem, attempts, claim,
					due_at, created_at, updated_at, sent_at)
				SELECT id || '.order_shipped', 'cus_1', '', '{}', state, '', '', 0, '', due, 0, 0, sent
				FROM (SELECT 'm1' AS id, 'pending' AS state, 1 AS due, 0 AS sent UNION ALL SELECT 'm2', 'pending', 2, 0 UNION ALL SELECT 'm3', 'sending', 3, 0
					UNION ALL SELECT 'm4', 'failed', 0, 0 UNION ALL SELECT 'm5', 'unknown', 0, 0 UNION ALL SELECT 'm6', 'skipped', 0, 0 UNION ALL SELECT 'm7', 'sent', 0, 1) AS m`)
			return err
		}))
		require.Equal(t, map[string]float64{"pending": 2, "sending": 1, "failed": 1, "unknown": 1}, told())
	})
}
