package main

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
)

// sink is a back end: what is exported to it stays here.
type sink struct {
	ptraceotlp.UnimplementedGRPCServer
	url string

	mu     sync.Mutex
	said   strings.Builder // everything that arrived, as JSON
	traces map[pcommon.TraceID]trace
	news   chan struct{} // closed, and replaced, when something arrives
}

// trace is spans by their ids.
type trace map[pcommon.SpanID]ptrace.Span

// backend starts a sink that ends with the test.
func backend(t *testing.T) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &sink{url: "http://" + l.Addr().String(), traces: map[pcommon.TraceID]trace{}, news: make(chan struct{})}
	server := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(server, s)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return s
}

// Export implements the trace service.
func (s *sink) Export(_ context.Context, in ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	text, err := in.MarshalJSON()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said.Write(text)
	for _, resource := range in.Traces().ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				one := s.traces[span.TraceID()]
				if one == nil {
					one = trace{}
					s.traces[span.TraceID()] = one
				}
				one[span.SpanID()] = span
			}
		}
	}
	close(s.news)
	s.news = make(chan struct{})
	return ptraceotlp.NewExportResponse(), err
}

// all is what arrived until now.
func (s *sink) all() map[pcommon.TraceID]trace {
	s.mu.Lock()
	defer s.mu.Unlock()
	traces := map[pcommon.TraceID]trace{}
	for id, one := range s.traces {
		copied := trace{}
		for id, span := range one {
			copied[id] = span
		}
		traces[id] = copied
	}
	return traces
}

// wait returns the first trace that has a span of an order with this name.
func (s *sink) wait(t *testing.T, order, name string) pcommon.TraceID {
	t.Helper()
	patience := time.After(time.Minute)
	for {
		s.mu.Lock()
		news := s.news
		s.mu.Unlock()
		for id, one := range s.all() {
			if one.has(order, name) {
				return id
			}
		}
		select {
		case <-news:
		case <-patience:
			require.Failf(t, "it does not arrive", "%s of %s", name, order)
		}
	}
}

// has reports whether there is a span of an order with this name.
func (one trace) has(order, name string) bool {
	for _, span := range one {
		if v, ok := span.Attributes().Get("shop.order.id"); ok && v.Str() == order && span.Name() == name {
			return true
		}
	}
	return false
}

// failed reports whether a span says that it failed.
func (one trace) failed() bool {
	for _, span := range one {
		if span.Status().Code() == ptrace.StatusCodeError {
			return true
		}
	}
	return false
}

// took is from the first span's start to the last one's end.
func (one trace) took() time.Duration {
	var first, last time.Time
	for _, span := range one {
		if start := span.StartTimestamp().AsTime(); first.IsZero() || start.Before(first) {
			first = start
		}
		if end := span.EndTimestamp().AsTime(); end.After(last) {
			last = end
		}
	}
	return last.Sub(first)
}

// ids are those of its spans.
func (one trace) ids() map[pcommon.SpanID]bool {
	ids := map[pcommon.SpanID]bool{}
	for id := range one {
		ids[id] = true
	}
	return ids
}
