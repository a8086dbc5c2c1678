package payments

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestPaymentsOfWhichNobodyKnowsWhatBecameOfThemAreTold(t *testing.T) {
	dbtest.Each(t, "payments", func(t *testing.T, db *sqldb.DB) {
		registry := prometheus.NewRegistry()
		New(Needs{DB: db, Bus: bus.NewMemory(), Metrics: registry})
		told := func() float64 {
			families, err := registry.Gather()
			require.NoError(t, err)
			require.Len(t, families, 1)
			require.Equal(t, "shop_payments_unknown", families[0].GetName())
			return families[0].GetMetric()[0].GetGauge().GetValue()
		}
		require.Zero(t, told())
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO payments (id, reference, customer_id, method, currency, amount, status, authorized, captured, refunded, refunding,
					failure_code, charge_id, cancel_at, cancel_reason, attempts, next_attempt_at, created_at, updated_at, version)
				SELECT id, id, 'cus_1', 'm', 'EUR', 100, status, 0, 0, 0, 0, '', '', 0, '', 1, next, 0, 0, 1
				FROM (SELECT 'pay_1' AS id, 'unknown' AS status, 1 AS next UNION ALL SELECT 'pay_2', 'unknown', 2
					UNION ALL SELECT 'pay_3', 'sending', 3 UNION ALL SELECT 'pay_4', 'declined', 0) AS p`)
			return err
		}))
		require.InDelta(t, 2, told(), 0)
	})
}
