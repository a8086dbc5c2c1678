package metrics_test

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/metrics"
)

func TestCurrenciesBeyondTheFirstShareASeries(t *testing.T) {
	registry := prometheus.NewRegistry()
	vec := metrics.OrdersRevenue.CounterVec(nil)
	registry.MustRegister(vec)
	money := metrics.NewByCurrency(vec)
	for range 2 {
		for i := range 1000 {
			money.Add(fmt.Sprintf("C%d", i), 10)
		}
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	series := families[0].GetMetric()
	require.Len(t, series, metrics.MaxCurrencies+1)
	sum := map[string]float64{}
	for _, m := range series {
		sum[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
	}
	require.InDelta(t, 20, sum["C0"], 0)
	require.InDelta(t, 20*(1000-metrics.MaxCurrencies), sum["other"], 0)
}
