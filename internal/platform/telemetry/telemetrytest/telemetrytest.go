// Package telemetrytest lets a test look at the spans that the code it runs has left.
package telemetrytest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry"
)

// patience is how long a span is waited for: some end a moment after the effect that a test sees.
const patience = 30 * time.Second

// Spans are those that have begun and ended since Record.
type Spans struct {
	t testing.TB
	*tracetest.SpanRecorder
}

// Record turns tracing on until the test ends: traces that begin are recorded, and those that go on when their beginning was. It is on for the whole process, so the test must not
// run in parallel with others.
func Record(t testing.TB) *Spans {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	telemetry.Use(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))
	t.Cleanup(func() { telemetry.Use(nil) })
	return &Spans{t, recorder}
}

// Named are the ended spans of a name, in the order in which they ended.
func (s *Spans) Named(name string) []sdktrace.ReadOnlySpan {
	var found []sdktrace.ReadOnlySpan
	for _, span := range s.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	return found
}

// Wait waits for n spans of a name to end; there must not be more.
func (s *Spans) Wait(name string, n int) []sdktrace.ReadOnlySpan {
	s.t.Helper()
	var found []sdktrace.ReadOnlySpan
	enough := func() bool {
		found = s.Named(name)
		return len(found) >= n
	}
	if !enough() {
		require.Eventually(s.t, enough, patience, time.Millisecond, "no %d spans named %s", n, name)
	}
	require.Len(s.t, found, n, "spans named %s; there are %q", name, s.Names())
	return found
}

// One waits for the one span of a name.
func (s *Spans) One(name string) sdktrace.ReadOnlySpan {
	s.t.Helper()
	return s.Wait(name, 1)[0]
}

// Names of all spans that have ended, in that order.
func (s *Spans) Names() []string {
	var names []string
	for _, span := range s.Ended() {
		names = append(names, span.Name())
	}
	return names
}

// Attributes of a span, as text.
func Attributes(span sdktrace.ReadOnlySpan) map[attribute.Key]string {
	all := map[attribute.Key]string{}
	for _, a := range span.Attributes() {
		all[a.Key] = a.Value.String()
	}
	return all
}

// Traceparent names a span as a caller does.
func Traceparent(span trace.SpanContext) string {
	return "00-" + span.TraceID().String() + "-" + span.SpanID().String() + "-" + span.TraceFlags().String()
}
