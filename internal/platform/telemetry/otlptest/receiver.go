// Package otlptest is an OTLP receiver for tests: what a collector would be told arrives here, over gRPC.
package otlptest

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// patience is how long a test waits for something to arrive.
const patience = 20 * time.Second

// Receiver keeps what was exported to it.
type Receiver struct {
	collectormetrics.UnimplementedMetricsServiceServer
	address string

	mu      sync.Mutex
	spans   []Span
	metrics []*metricspb.ResourceMetrics // of the last export
	exports int                          // of metrics
	news    chan struct{}                // closed, and replaced, when something arrives
}

// Span is a span with the process that recorded it.
type Span struct {
	*tracepb.Span
	Resource *resourcepb.Resource
}

// Service is the name of the process that recorded it.
func (s Span) Service() string { return text(s.Resource.GetAttributes(), "service.name") }

// Attribute is the text of an attribute; empty when the span has none of that name.
func (s Span) Attribute(name string) string { return text(s.GetAttributes(), name) }

func text(attributes []*commonpb.KeyValue, name string) string {
	for _, a := range attributes {
		if a.GetKey() == name {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// traces is the receiver as the service of traces: both services have a method Export.
type traces struct {
	collectortrace.UnimplementedTraceServiceServer
	*Receiver
}

// Start makes a receiver on a free port of this machine, until the test ends.
func Start(t testing.TB) *Receiver {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &Receiver{address: l.Addr().String(), news: make(chan struct{})}
	s := grpc.NewServer()
	collectormetrics.RegisterMetricsServiceServer(s, r)
	collectortrace.RegisterTraceServiceServer(s, traces{Receiver: r})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; !errors.Is(err, grpc.ErrServerStopped) { // stopped before it served
			require.NoError(t, err)
		}
	})
	return r
}

// Endpoint is what OTEL_EXPORTER_OTLP_ENDPOINT says of it: http, since there is no TLS.
func (r *Receiver) Endpoint() string { return "http://" + r.address }

// Export implements the metrics service.
func (r *Receiver) Export(_ context.Context, in *collectormetrics.ExportMetricsServiceRequest) (*collectormetrics.ExportMetricsServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metrics = in.GetResourceMetrics()
	r.exports++
	r.arrived()
	return &collectormetrics.ExportMetricsServiceResponse{}, nil
}

// Export implements the trace service.
func (s traces) Export(_ context.Context, in *collectortrace.ExportTraceServiceRequest) (*collectortrace.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, from := range in.GetResourceSpans() {
		for _, scope := range from.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				s.spans = append(s.spans, Span{span, from.GetResource()})
			}
		}
	}
	s.arrived()
	return &collectortrace.ExportTraceServiceResponse{}, nil
}

// arrived wakes those who wait. mu is locked.
func (r *Receiver) arrived() {
	close(r.news)
	r.news = make(chan struct{})
}

// Spans are all that arrived so far.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// Metrics are those of the last export; nil when there was none.
func (r *Receiver) Metrics() []*metricspb.ResourceMetrics {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.metrics
}

// Exports is how often metrics were exported.
func (r *Receiver) Exports() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exports
}

// WaitFor asks again with everything that arrives, until the answer is yes.
func (r *Receiver) WaitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	late := time.After(patience)
	for {
		r.mu.Lock()
		news := r.news
		r.mu.Unlock()
		if is() {
			return
		}
		select {
		case <-news:
		case <-late:
			require.FailNow(t, "it did not arrive: "+what)
		}
	}
}
