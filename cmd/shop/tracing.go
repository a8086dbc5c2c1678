package main

import (
	"context"
	"strconv"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"

	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/recorder"
)

// tracingConfig is what the settings mean for the spans of requests and messages.
type tracingConfig struct {
	sampler sdktrace.Sampler
	export  bool
	spans   int // that the recorder keeps; 0: there is none
}

// recordedPerSecond is how many of the traces that begin in a second the recorder takes where all that are sampled are exported.
const recordedPerSecond = 20

// stopExport is how long stopping waits for the collector to take the last spans.
const stopExport = 2 * time.Second

// tracing reads the settings of OpenTelemetry. given are all variables; the exporter reads its own from the environment. Errors: exitError with exitConfiguration.
func (s settings) tracing(given map[string]string) (c tracingConfig, err error) {
	if c.spans, err = strconv.Atoi(s.TraceSpans); err != nil || c.spans < 0 || c.spans > 1e7 {
		return c, configError("SHOP_TRACE_SPANS: %q is no whole number from 0 to 10000000", s.TraceSpans)
	}
	if s.SDKDisabled == "true" {
		return tracingConfig{sampler: sdktrace.NeverSample()}, nil
	}
	if c.export, err = exports(s.TracesExporter, "OTEL_TRACES_EXPORTER", "TRACES", given); err != nil {
		return c, err
	}
	if c.sampler, err = telemetry.ParseSampler(s.TracesSampler, s.TracesSamplerArg, c.export); err != nil {
		return c, configError("OTEL_TRACES_SAMPLER: %w", err)
	}
	return c, nil
}

// exports reports whether a signal goes to a collector: when its exporter is otlp, or is not said and there is an endpoint.
func exports(exporter, variable, signal string, given map[string]string) (bool, error) {
	switch exporter {
	case "none":
		return false, nil
	case "":
		if given["OTEL_EXPORTER_OTLP_ENDPOINT"] == "" && given["OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT"] == "" {
			return false, nil
		}
	case "otlp":
	default:
		return false, configError("%s: %q is not one of otlp, none", variable, exporter)
	}
	for _, v := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := given[v]; p != "" {
			if p != "grpc" {
				return false, configError("%s: %q is not supported; this program speaks grpc (a collector's port 4317)", v, p)
			}
			break
		}
	}
	return true, nil
}

// openTracing turns tracing on. Errors: those of the exporter.
func (h *host) openTracing(ctx context.Context) (err error) {
	c := h.cfg.tracing
	o := telemetry.TracingOptions{Service: h.cfg.service, Version: version, Sampler: c.sampler, Export: c.export, Log: h.log}
	if c.spans > 0 && h.cfg.adminAddr != "" {
		h.recorder = recorder.New(c.spans)
		o.Recorder = h.recorder
		if c.export {
			o.Recorder = recorder.Thin(h.recorder, recordedPerSecond)
		}
	}
	h.tracing, err = telemetry.OpenTracing(ctx, o)
	return err
}

// closeTracing exports the last spans. That a collector does not take them is no reason to fail.
func (h *host) closeTracing() {
	ctx, cancel := context.WithTimeout(context.Background(), stopExport)
	defer cancel()
	if err := h.tracing.Close(ctx); err != nil {
		h.log.Warn("tracing ends", zap.Error(err))
	}
}
