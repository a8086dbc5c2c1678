package resilience

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry"
)

// traced makes each request to an upstream a client span, if it belongs to a trace that is sampled, and the traceparent that the upstream gets the span's own. All others pass as they
// are: otelhttp's transport would copy each of them, and begin a new trace for one whose own is not recorded, since it does not know what a ctx of ours carries.
type traced struct {
	upstream string
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper. Errors: those of the transport.
func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	if !telemetry.Sampled(r.Context()) {
		return t.next.RoundTrip(r)
	}
	ctx, span := telemetry.Start(r.Context(), r.Method+" "+t.upstream, trace.SpanKindClient,
		telemetry.HTTPMethod.String(r.Method), telemetry.URLFull.String(toldURL(r.URL)), telemetry.ServerAddress.String(r.URL.Hostname()))
	if port, err := strconv.Atoi(r.URL.Port()); err == nil {
		span.SetAttributes(telemetry.ServerPort.Int(port))
	}
	out := r.WithContext(ctx)
	out.Header = r.Header.Clone() // a transport does not change its request
	out.Header.Set("Traceparent", telemetry.Traceparent(ctx))
	res, err := t.next.RoundTrip(out)
	if err != nil {
		telemetry.Fail(span, failureOf(err))
		span.End()
		return nil, err
	}
	span.SetAttributes(telemetry.HTTPStatusCode.Int(res.StatusCode))
	if res.StatusCode >= http.StatusBadRequest { // to a client that is an error, other than to a server
		telemetry.Fail(span, strconv.Itoa(res.StatusCode))
	}
	res.Body = &tracedBody{ReadCloser: res.Body, span: span}
	return res, nil
}

// toldURL is an address without its query, and with "*" for what in the path may be an address of a customer, a token or the number of a card: it may be what a client sent.
func toldURL(u *url.URL) string {
	segments := strings.Split(u.Path, "/")
	for i, s := range segments {
		if strings.Trim(s, letters) != "" || len(s) > longestID || len(s) >= shortestCard && strings.Trim(s, digits) == "" {
			segments[i] = "*"
		}
	}
	return u.Scheme + "://" + u.Host + strings.Join(segments, "/")
}

const (
	digits       = "0123456789"
	letters      = digits + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-."
	longestID    = 40
	shortestCard = 12
)

// failureOf names the kind of a transport's error.
func failureOf(err error) string {
	var failed *net.OpError
	switch {
	case errors.As(err, &failed) && failed.Op == "dial" && !failed.Timeout():
		return "connection_refused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection_closed"
	}
	var slow net.Error
	if !errors.Is(err, context.Canceled) && errors.As(err, &slow) && slow.Timeout() {
		return "timeout"
	}
	return telemetry.TypeOf(err)
}

// tracedBody ends the span of a request with its answer: when that has been read, broke off, or nobody wants more of it.
type tracedBody struct {
	io.ReadCloser
	span trace.Span
	once sync.Once
}

// Read implements io.Reader. Errors: those of the body.
func (b *tracedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, err
}

// Close implements io.Closer. Errors: those of the body.
func (b *tracedBody) Close() error {
	b.end(io.EOF)
	return b.ReadCloser.Close()
}

func (b *tracedBody) end(err error) {
	b.once.Do(func() {
		if !errors.Is(err, io.EOF) {
			telemetry.Fail(b.span, failureOf(err))
		}
		b.span.End()
	})
}
