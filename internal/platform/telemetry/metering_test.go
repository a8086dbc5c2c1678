package telemetry_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"go.uber.org/zap"

	"shop/internal/platform/metrics"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/otlptest"
)

// exported are the metrics of the last export, by their names.
func exported(r *otlptest.Receiver) map[string]*metricspb.Metric {
	all := map[string]*metricspb.Metric{}
	for _, from := range r.Metrics() {
		for _, scope := range from.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				all[m.GetName()] = m
			}
		}
	}
	return all
}

func said(attributes []*v1.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

func TestMetricsAreExportedUnderTheNamesOfOpenTelemetry(t *testing.T) {
	receiver := otlptest.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.Endpoint())
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
	registry := prometheus.NewRegistry()
	sent := metrics.MessagesSent.CounterVec(prometheus.Labels{"context": "orders", "messaging_system": "memory", "messaging_operation_name": "send"})
	processed := metrics.MessagesProcessed.HistogramVec(nil)
	flying := metrics.MessagesInFlight.GaugeVec(nil)
	oldest := metrics.OutboxOldest.GaugeVec(nil)
	registry.MustRegister(sent, processed, flying, oldest, collectors.NewGoCollector())
	sent.WithLabelValues("shop.orders.events", "").Add(3)
	processed.WithLabelValues("payments", "memory", "process", "shop.orders.events", "failed").Observe(0.02)
	flying.WithLabelValues("orders").Set(5)
	oldest.WithLabelValues("orders").Set(1.5)

	m, err := telemetry.OpenMetering(t.Context(), telemetry.MeteringOptions{Service: "shop", Version: "1", Metrics: registry, Log: zap.NewNop()})
	require.NoError(t, err)
	receiver.WaitFor(t, "two exports", func() bool { return receiver.Exports() >= 2 })
	sent.WithLabelValues("shop.orders.events", "").Inc() // told at the end at the latest
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, m.Close(ctx))

	require.Equal(t, "shop", said(receiver.Metrics()[0].GetResource().GetAttributes())["service.name"])
	got := exported(receiver)
	sum := got["messaging.client.sent.messages"].GetSum()
	require.True(t, sum.GetIsMonotonic())
	require.Equal(t, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, sum.GetAggregationTemporality())
	require.InDelta(t, 4, sum.GetDataPoints()[0].GetAsDouble(), 0)
	require.Equal(t, "{message}", got["messaging.client.sent.messages"].GetUnit())
	require.Equal(t, map[string]string{"shop.context": "orders", "messaging.system": "memory", "messaging.operation.name": "send",
		"messaging.destination.name": "shop.orders.events"}, said(sum.GetDataPoints()[0].GetAttributes()), "an attribute without a value is none")

	duration := got["messaging.process.duration"].GetHistogram().GetDataPoints()[0]
	require.EqualValues(t, 1, duration.GetCount())
	require.Equal(t, metrics.MessagesProcessed.Buckets, duration.GetExplicitBounds())
	require.Equal(t, "failed", said(duration.GetAttributes())["error.type"])
	require.Equal(t, "s", got["messaging.process.duration"].GetUnit())

	require.NotNil(t, got["shop.messages.in_flight"].GetSum(), "can be added up")
	require.False(t, got["shop.messages.in_flight"].GetSum().GetIsMonotonic())
	require.InDelta(t, 1.5, got["shop.outbox.oldest_age"].GetGauge().GetDataPoints()[0].GetAsDouble(), 0)
	require.NotNil(t, got["go.goroutine.count"].GetSum())
}

func TestACollectorThatDoesNotAnswerDelaysTheEndByNoMoreThanWhatWasGranted(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections, and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+silent.Addr().String())
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	m, err := telemetry.OpenMetering(t.Context(), telemetry.MeteringOptions{Service: "shop", Version: "1", Metrics: registry, Log: zap.NewNop()})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.Error(t, m.Close(ctx))
	require.Less(t, time.Since(began), 5*time.Second, "an export may take 10 s")
}
