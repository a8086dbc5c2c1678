package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

// TracingOptions say which spans are recorded, and where they go.
type TracingOptions struct {
	Service, Version string
	Sampler          sdktrace.Sampler       // see ParseSampler
	Export           bool                   // to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, over gRPC
	Recorder         sdktrace.SpanProcessor // sees each recorded span when it ends; nil: none
	Log              *zap.Logger
}

// Tracing is what OpenTelemetry's SDK does in this process.
type Tracing struct {
	provider *sdktrace.TracerProvider
}

// OpenTracing turns tracing on for the whole process (see Use), if there is somebody to tell: an exporter or a recorder. A collector need not be there yet; while it is
// away, spans beyond the queue (OTEL_BSP_MAX_QUEUE_SIZE) are dropped, and orders go on. Errors: what the environment says to the exporter makes no sense.
func OpenTracing(ctx context.Context, o TracingOptions) (*Tracing, error) {
	if !o.Export && o.Recorder == nil {
		return &Tracing{}, nil
	}
	otel.SetErrorHandler(tellRarely(o.Log))
	described, err := Resource(ctx, o.Service, o.Version)
	if err != nil {
		o.Log.Warn("what OTEL_RESOURCE_ATTRIBUTES says is left out", zap.Error(err))
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(described), sdktrace.WithSampler(o.Sampler), sdktrace.WithIDGenerator(ids{})}
	if o.Recorder != nil {
		options = append(options, sdktrace.WithSpanProcessor(o.Recorder))
	}
	if o.Export {
		exporter, err := newExporter(ctx, otlptracegrpc.NewClient())
		if err != nil {
			return nil, fmt.Errorf("exporting traces: %w", err)
		}
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	t := &Tracing{sdktrace.NewTracerProvider(options...)}
	Use(t.provider)
	return t, nil
}

// Close exports what was recorded, and ends tracing. Errors: ctx ended first, and some spans are lost.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil || t.provider == nil {
		return nil
	}
	Use(nil)
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("the last spans could not be exported: %w", err)
	}
	return nil
}

// errorsTold is how often the log is told that spans or metrics cannot be exported: a collector may be away for hours.
const errorsTold = time.Minute

// tellRarely logs the first of the errors of each minute.
func tellRarely(log *zap.Logger) otel.ErrorHandler {
	var mu sync.Mutex
	var told time.Time
	return otel.ErrorHandlerFunc(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(told) >= errorsTold {
			told = now
			log.Warn("telemetry cannot be exported", zap.Error(err))
		}
	})
}

// Samplers of our own; the others are those of https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
const (
	SamplerRate       = "parentbased_rate" // at most so many new traces a second; those that others began as they decided
	defaultTracesRate = 10
)

// ParseSampler reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. Without a name it is parentbased_always_on when traces are exported, as the standard says, and otherwise
// parentbased_rate: a shop at rest then remembers every order, and a busy one some. Errors: a name or an argument that is none.
func ParseSampler(name, arg string, export bool) (sdktrace.Sampler, error) {
	if name == "" {
		name = SamplerRate
		if export {
			name = "parentbased_always_on"
		}
	}
	switch name {
	case "always_on":
		return sdktrace.AlwaysSample(), nil
	case "always_off":
		return sdktrace.NeverSample(), nil
	case "parentbased_always_on":
		return sdktrace.ParentBased(sdktrace.AlwaysSample()), nil
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample()), nil
	case "traceidratio", "parentbased_traceidratio":
		ratio := 1.0
		if arg != "" {
			var err error
			if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
				return nil, fmt.Errorf("%q is no part of all traces; expected a number from 0 to 1", arg)
			}
		}
		if name == "traceidratio" {
			return sdktrace.TraceIDRatioBased(ratio), nil
		}
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio)), nil
	case SamplerRate:
		perSecond := float64(defaultTracesRate)
		if arg != "" {
			var err error
			if perSecond, err = strconv.ParseFloat(arg, 64); err != nil || !(perSecond >= 0 && perSecond <= 1e6) {
				return nil, fmt.Errorf("%q is no number of new traces a second; expected 0 to 1000000", arg)
			}
		}
		return sdktrace.ParentBased(newRateSampler(perSecond, time.Now)), nil
	}
	return nil, errors.New("expected always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio or " + SamplerRate)
}

// rateSampler samples new traces as long as there are tokens: so many come a second, and as many are kept, at least one.
type rateSampler struct {
	perSecond float64
	now       func() time.Time

	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func newRateSampler(perSecond float64, now func() time.Time) *rateSampler {
	return &rateSampler{perSecond: perSecond, now: now, tokens: perSecond, last: now()}
}

// ShouldSample implements sdktrace.Sampler.
func (s *rateSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.tokens = min(s.tokens+now.Sub(s.last).Seconds()*s.perSecond, max(s.perSecond, 1))
	s.last = now
	if s.tokens >= 1 {
		s.tokens--
		result.Decision = sdktrace.RecordAndSample
	}
	return result
}

// Description implements sdktrace.Sampler.
func (s *rateSampler) Description() string { return fmt.Sprintf("Rate{%g/s}", s.perSecond) }
