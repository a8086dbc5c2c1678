package sqldb_test

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestADatabaseTellsItsTransactionsAndItsConnections(t *testing.T) {
	dbtest.Each(t, "orders", func(t *testing.T, db *sqldb.DB) {
		registry := prometheus.NewPedanticRegistry()
		require.NoError(t, registry.Register(db.Metrics()))
		before := gathered(t, registry)
		for range 3 {
			require.NoError(t, db.Write(t.Context(), "k", func(context.Context, *sqldb.Tx) error { return nil }))
		}
		after := gathered(t, registry)
		for name, m := range after {
			require.Equal(t, "orders", label(m[0], "context"), name)
		}
		count := func(in map[string][]*dto.Metric, name string) uint64 {
			return in[name][0].GetHistogram().GetSampleCount()
		}
		require.EqualValues(t, 3, count(after, "shop_db_transaction_duration_seconds")-count(before, "shop_db_transaction_duration_seconds"))
		require.EqualValues(t, 3, count(after, "shop_db_transaction_jobs")-count(before, "shop_db_transaction_jobs"))
		require.InDelta(t, 3, after["shop_db_commits_total"][0].GetCounter().GetValue()-before["shop_db_commits_total"][0].GetCounter().GetValue(), 0)
		require.Len(t, after["db_client_connection_count"], 4, "idle and used connections, for writing and for reading")
		for _, m := range after["db_client_connection_max"] {
			require.Positive(t, m.GetGauge().GetValue(), label(m, "db_client_connection_pool_name"))
		}
		require.NotNil(t, after["db_client_connection_wait_time_seconds"])
	})
}

func gathered(t *testing.T, g prometheus.Gatherer) map[string][]*dto.Metric {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	all := map[string][]*dto.Metric{}
	for _, f := range families {
		all[f.GetName()] = f.GetMetric()
	}
	return all
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}
