package main

import (
	"context"

	"go.uber.org/zap"

	"shop/internal/platform/telemetry"
)

// metering reports whether metrics go to a collector, beside the admin port. Errors: exitError with exitConfiguration.
func (s settings) metering(given map[string]string) (export bool, err error) {
	if s.SDKDisabled == "true" || s.MetricsExporter == "prometheus" { // they are on the admin port anyway
		return false, nil
	}
	return exports(s.MetricsExporter, "OTEL_METRICS_EXPORTER", "METRICS", given)
}

// openMetering begins to export metrics. Errors: those of the exporter.
func (h *host) openMetering(ctx context.Context) (err error) {
	if h.cfg.exportMetrics {
		h.metering, err = telemetry.OpenMetering(ctx, telemetry.MeteringOptions{Service: h.cfg.service, Version: version, Metrics: h.metrics, Log: h.log})
	}
	return err
}

// closeMetering exports what is counted by now, for the last time. That a collector does not take it is no reason to fail.
func (h *host) closeMetering(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopExport)
	defer cancel()
	if err := h.metering.Close(ctx); err != nil {
		h.log.Warn("the export of metrics ends", zap.Error(err))
	}
}
