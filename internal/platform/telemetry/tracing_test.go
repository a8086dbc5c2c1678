package telemetry_test

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/otlptest"
)

func TestSpansReachACollectorWithTheNameOfTheirProcess(t *testing.T) {
	collector := otlptest.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Endpoint())
	tracing, err := telemetry.OpenTracing(t.Context(), telemetry.TracingOptions{Service: "shop-test", Version: "1.2.3", Sampler: sdktrace.AlwaysSample(), Export: true, Log: zap.NewNop()})
	require.NoError(t, err)
	ctx, root := telemetry.StartRequest(t.Context(), "")
	_, child := telemetry.Start(ctx, "child", 0, telemetry.OrderID.String("ord_1"))
	child.End()
	root.End()
	require.NoError(t, tracing.Close(t.Context()), "closing exports what is left")
	spans := collector.Spans()
	require.Len(t, spans, 2)
	for _, s := range spans {
		require.Equal(t, "shop-test", s.Service())
	}
	require.WithinDuration(t, time.Now(), time.UnixMilli(int64(binary.BigEndian.Uint64(spans[0].GetTraceId())>>16)), time.Minute, "it is named as we name traces")
	require.Equal(t, "ord_1", spans[0].Attribute("shop.order.id"))
	require.Equal(t, spans[1].GetSpanId(), spans[0].GetParentSpanId())
	require.False(t, telemetry.Sampled(ctx), "after that nothing is recorded")
}

func TestACollectorThatIsNotThereIsToldOnceAndEndsNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // closed at once: an address where nobody listens
	require.NoError(t, err)
	require.NoError(t, l.Close())
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+l.Addr().String())
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	core, lines := observer.New(zapcore.WarnLevel)
	tracing, err := telemetry.OpenTracing(t.Context(), telemetry.TracingOptions{Service: "shop", Sampler: sdktrace.AlwaysSample(), Export: true, Log: zap.New(core)})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, span := telemetry.StartRequest(t.Context(), "")
		span.End()
		return lines.FilterMessage("telemetry cannot be exported").Len() > 0
	}, 20*time.Second, 5*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = tracing.Close(ctx) // it may say that spans are lost
	require.Equal(t, 1, lines.FilterMessage("telemetry cannot be exported").Len(), "a collector may be away for hours")
}

func TestWithoutExporterAndRecorderTracingIsOff(t *testing.T) {
	tracing, err := telemetry.OpenTracing(t.Context(), telemetry.TracingOptions{Sampler: sdktrace.AlwaysSample(), Log: zap.NewNop()})
	require.NoError(t, err)
	ctx, span := telemetry.StartRequest(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	require.False(t, span.IsRecording())
	require.False(t, telemetry.Sampled(ctx))
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", telemetry.TraceID(ctx), "the trace goes on all the same")
	require.Equal(t, "01", telemetry.Traceparent(ctx)[53:], "also its decision")
	require.NoError(t, tracing.Close(t.Context()))
}

func TestSamplersAreThoseOfTheStandardAndOneOfOurs(t *testing.T) {
	for _, c := range []struct {
		name, arg string
		export    bool
		want      string
	}{
		{"", "", true, "ParentBased{root:AlwaysOnSampler,remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}"},
		{"", "", false, "ParentBased{root:Rate{10/s},remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}"},
		{"always_on", "", false, "AlwaysOnSampler"},
		{"always_off", "", true, "AlwaysOffSampler"},
		{"traceidratio", "0.25", true, "TraceIDRatioBased{0.25}"},
		{"parentbased_always_off", "", true, "ParentBased{root:AlwaysOffSampler,remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}"},
	} {
		sampler, err := telemetry.ParseSampler(c.name, c.arg, c.export)
		require.NoError(t, err)
		require.Equal(t, c.want, sampler.Description())
	}
	for _, wrong := range [][2]string{{"sometimes", ""}, {"traceidratio", "1.5"}, {"parentbased_traceidratio", "some"}, {"traceidratio", "NaN"}, {"parentbased_rate", "-1"}, {"parentbased_rate", "many"}} {
		_, err := telemetry.ParseSampler(wrong[0], wrong[1], true)
		require.Error(t, err, "%v", wrong)
	}
}

func TestARateOfTracesIsABoundAndWhatBeganElsewhereIsNotCounted(t *testing.T) {
	sampler, err := telemetry.ParseSampler("parentbased_rate", "5", false)
	require.NoError(t, err)
	telemetry.Use(sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)))
	t.Cleanup(func() { telemetry.Use(nil) })
	count := func(traceparent string) (sampled int) {
		for range 1000 {
			if ctx, _ := telemetry.StartRequest(t.Context(), traceparent); telemetry.Sampled(ctx) {
				sampled++
			}
		}
		return sampled
	}
	began := time.Now()
	sampled := count("")
	require.GreaterOrEqual(t, sampled, 5, "a shop at rest remembers each order")
	require.LessOrEqual(t, sampled, 5+int(5*time.Since(began).Seconds())+1)
	require.Equal(t, 1000, count("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	require.Equal(t, 0, count("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"))
}
