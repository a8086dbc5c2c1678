package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"shop/internal/platform/telemetry"
)

// request is what the edge knows of the request it serves: a context that answers for itself, so that all of it is one allocation.
type request struct {
	context.Context // of net/http

	subject telemetry.Subject // what it is about, as far as its handler has said
	body    []byte            // the body of an operation, see RequestBody
	err     error             // what the handler failed with, for the access log and the span
	parent  string            // its traceparent header
	place   *place            // among the requests that are worked on, see Bound; nil without a bound
}

type requestKey struct{}

// Value implements context.Context.
func (q *request) Value(key any) any {
	switch key.(type) {
	case requestKey:
		return q
	case telemetry.SubjectKey:
		return &q.subject
	}
	return q.Context.Value(key)
}

func requestOf(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{}).(*request)
	return q
}

// RequestBody is the body of an operation as it was sent. It is valid until the handler returns, and must not be changed.
func RequestBody(ctx context.Context) []byte {
	if q := requestOf(ctx); q != nil {
		return q.body
	}
	return nil
}

func noteError(ctx context.Context, err error) {
	if q := requestOf(ctx); q != nil {
		q.err = err
	}
}

// begin puts a request into its trace: that of its traceparent header, or a new one. Those who only ask for the process's health every few seconds leave no span.
func (q *request) begin(r *http.Request) (context.Context, trace.Span) {
	if r.URL.Path == livePath || r.URL.Path == readyPath {
		return telemetry.WithTraceparent(q, telemetry.NewTraceparent()), noop.Span{}
	}
	q.parent = r.Header.Get("Traceparent")
	return telemetry.StartRequest(q, q.parent)
}

// TraceBegun is the id of the trace that began with the request, 32 hexadecimal digits that nobody else has; empty when the caller named the trace.
func TraceBegun(ctx context.Context) string {
	if q := requestOf(ctx); q != nil && !telemetry.Continues(q.parent) {
		return telemetry.TraceID(ctx)
	}
	return ""
}

// describe says in the request's span what became of it; whole is false when the answer broke off. A 4xx is the caller's mistake, and no error of ours.
func (q *request) describe(span trace.Span, r *http.Request, route string, status int, whole bool) {
	if !span.IsRecording() {
		return
	}
	method := methodLabel(r.Method)
	span.SetName(spanName(r.Method, route))
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	span.SetAttributes(telemetry.HTTPMethod.String(method), telemetry.URLScheme.String(scheme), telemetry.URLPath.String(toldPath(r.URL.Path, route)), telemetry.HTTPStatusCode.Int(status))
	if route != "" {
		span.SetAttributes(telemetry.HTTPRoute.String(route))
	}
	if q.subject.OrderID != "" {
		span.SetAttributes(telemetry.OrderID.String(q.subject.OrderID))
	}
	switch {
	case !whole:
		telemetry.Fail(span, "aborted")
	case status < http.StatusInternalServerError:
	case q.err != nil:
		telemetry.Fail(span, errorType(q.err))
	default:
		telemetry.Fail(span, strconv.Itoa(status))
	}
}

// spanName is the convention's: the method and the route, without what the caller made up.
func spanName(method, route string) string {
	if methodLabel(method) != method {
		method = "HTTP"
	}
	if route == "" {
		return method
	}
	return method + " " + route
}

// routeOf is the pattern that matched, such as /v1/orders/{id}; empty when none did.
func routeOf(r *http.Request) string {
	if rc := chi.RouteContext(r.Context()); rc != nil {
		return rc.RoutePattern()
	}
	return ""
}
