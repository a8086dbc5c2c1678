package telemetry

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/zap"

	"shop/internal/platform/metrics"
)

// MeteringOptions say which metrics are exported.
type MeteringOptions struct {
	Service, Version string
	Metrics          prometheus.Gatherer
	Log              *zap.Logger
}

// Metering is the export of metrics from this process.
type Metering struct {
	provider *sdkmetric.MeterProvider
}

// OpenMetering exports metrics to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, over gRPC, once in OTEL_METRIC_EXPORT_INTERVAL milliseconds (60000). They are those that
// Prometheus would get, with the names of OpenTelemetry. A collector that is away misses what it was not told; the next export brings the counts up to date. Errors: what the
// environment says to the exporter makes no sense.
func OpenMetering(ctx context.Context, o MeteringOptions) (*Metering, error) {
	otel.SetErrorHandler(tellRarely(o.Log))
	described, err := Resource(ctx, o.Service, o.Version)
	if err != nil {
		o.Log.Warn("what OTEL_RESOURCE_ATTRIBUTES says is left out", zap.Error(err))
	}
	exporter, err := otlpmetricgrpc.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("exporting metrics: %w", err)
	}
	reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithProducer(metrics.Producer(o.Metrics)))
	return &Metering{sdkmetric.NewMeterProvider(sdkmetric.WithResource(described), sdkmetric.WithReader(reader))}, nil
}

// Close exports the last state, and ends. Errors: ctx ended first, and the collector does not have it.
func (m *Metering) Close(ctx context.Context) error {
	if m == nil {
		return nil
	}
	if err := m.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("the last metrics could not be exported: %w", err)
	}
	return nil
}
