package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"go.uber.org/zap"

	"shop/internal/platform/metrics"
	"shop/internal/platform/telemetry/otlptest"
)

func TestMetricsGoToACollectorWhenTheEnvironmentSaysSo(t *testing.T) {
	for _, c := range []struct {
		given  map[string]string
		export bool
	}{
		{nil, false},
		{map[string]string{"OTEL_METRICS_EXPORTER": "otlp"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4317"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4317"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_METRICS_EXPORTER": "none"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_METRICS_EXPORTER": "prometheus"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_SDK_DISABLED": "true"}, false},
	} {
		export, err := settings{MetricsExporter: c.given["OTEL_METRICS_EXPORTER"], SDKDisabled: c.given["OTEL_SDK_DISABLED"]}.metering(c.given)
		require.NoError(t, err)
		require.Equal(t, c.export, export, "%v", c.given)
	}
	for _, wrong := range []map[string]string{
		{"OTEL_METRICS_EXPORTER": "statsd"}, {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
	} {
		_, err := settings{MetricsExporter: wrong["OTEL_METRICS_EXPORTER"]}.metering(wrong)
		require.ErrorContains(t, err, "OTEL_", "%v", wrong)
	}
}

func TestACollectorIsToldWhatPrometheusIsTold(t *testing.T) {
	receiver := otlptest.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.Endpoint())
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000") // only at the end
	cfg := config{addr: "127.0.0.1:0", data: t.TempDir(), hosted: contextNames(), databases: map[string]string{}, busURL: memoryBus, service: "shop-test", exportMetrics: true}
	for _, name := range databaseNames() {
		cfg.databases[name] = sqlitePrefix + cfg.data
	}
	h, err := openHost(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, h.start(t.Context()))
	told, err := h.metrics.Gather()
	require.NoError(t, err)
	require.NoError(t, h.stop())

	receiver.WaitFor(t, "the last state", func() bool { return receiver.Exports() > 0 })
	got := map[string]*metricspb.Metric{}
	for _, from := range receiver.Metrics() {
		require.Contains(t, from.GetResource().String(), "shop-test")
		for _, scope := range from.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				got[m.GetName()] = m
			}
		}
	}
	ours := 0
	for _, f := range told {
		if d := metrics.Find(f.GetName()); d != nil {
			ours++
			require.NotNil(t, got[d.Name], d.Name)
			require.Equal(t, d.Help, got[d.Name].GetDescription())
			require.Equal(t, d.Unit, got[d.Name].GetUnit())
		}
	}
	require.Greater(t, ours, 30, "all that there are without traffic")
	require.Equal(t, metrics.SagaStuck.Name, got["shop.saga.stuck"].GetName(), "what is read from the databases can still be read at the end")
}
