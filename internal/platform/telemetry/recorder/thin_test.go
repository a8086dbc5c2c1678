package recorder

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func TestAThinnedRecorderTakesWholeTracesAndWhateverFailed(t *testing.T) {
	r := New(100_000)
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(Thin(r, 20))).Tracer("test")
	begin := time.Now()
	const seconds, perSecond = 5, 1000
	failed := map[string]bool{}
	for i := range seconds * perSecond {
		at := begin.Add(time.Duration(i) * time.Second / perSecond)
		ctx, root := tracer.Start(context.Background(), "root", trace.WithTimestamp(at))
		_, child := tracer.Start(ctx, "child", trace.WithTimestamp(at))
		if i%500 == 499 {
			child.SetStatus(codes.Error, "broken")
			child.RecordError(errors.New("broken"))
			failed[child.SpanContext().TraceID().String()] = true
		}
		child.End(trace.WithTimestamp(at))
		root.End(trace.WithTimestamp(at))
	}
	taken, late, torn := 0, 0, 0
	for _, summary := range r.List(Filter{Limit: 100_000}).Traces {
		if failed[summary.TraceID] {
			delete(failed, summary.TraceID)
			continue
		}
		if summary.SpanCount < 2 {
			torn++
		}
		taken++
		if summary.Start.Sub(begin) > 2*time.Second {
			late++
		}
	}
	require.LessOrEqual(t, torn, seconds, "one at most when the rate changes")
	require.Empty(t, failed, "each of these is there")
	require.Positive(t, taken)
	require.Less(t, late, 3*20*4, "three seconds later, of 1000 traces a second 20 are taken, give or take chance")
	require.Positive(t, late)
}
