package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"shop/internal/platform/fault"
	"shop/internal/platform/resilience"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

var (
	// ErrUpstream: the context cannot be reached. It has not heard of the request.
	ErrUpstream = fault.New(fault.Unavailable, "upstream_unavailable", "the part of the shop that answers this cannot be reached; try again")
	// ErrNoAnswer: the context was asked and did not answer, or not in time. What was asked may have been done.
	ErrNoAnswer = fault.New(fault.Unavailable, "upstream_unavailable",
		"the part of the shop that answers this did not; what was asked for may have been done, so repeat it with the same Idempotency-Key or look first")

	errNobodyThere = errors.New("gateway: the context cannot answer at the moment")

	errNotHere = fault.New(fault.NotFound, "not_found", "there is nothing at this address")
)

const (
	maxConnections = 256      // to one context; a request waits for one within its deadline
	maxAnswer      = 32 << 20 // bytes; a longer answer is cut
)

// proxied is one request on its way.
type proxied struct {
	ours    http.Header // of the answer to the client
	instead func(error) // answers when the context elsewhere does not; nil: that it did not is the answer
}

type proxiedKey struct{}

// proxy leads to a context that is elsewhere.
func (m *Module) proxy(to route, base *url.URL) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport: m.needs.Guards.Breaker(to.context, resilience.Proxied).Transport(m.transport),
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(base) // Host too
			pr.Out.Header = m.forward(pr.In)
		},
		ModifyResponse: func(answer *http.Response) error {
			on := answer.Request.Context().Value(proxiedKey{}).(proxied)
			if on.instead != nil && answersForNobody(answer.StatusCode) {
				return fmt.Errorf("%w: %d", errNobodyThere, answer.StatusCode)
			}
			noteOrder(answer.Request.Context(), answer.Header.Get("Location"))
			back(answer.Header, on.ours)
			answer.Body = &bounded{answer.Body, maxAnswer}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { m.fail(w, r, to.context, err) },
		ErrorLog:     zap.NewStdLog(zap.NewNop()), // it says again what the client and the access log are told
	}
}

// answersForNobody reports the statuses by which what stands before a context says that it cannot be reached, or the context that it cannot answer at the moment.
func answersForNobody(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// lead registers the addresses of a context that is elsewhere.
func (m *Module) lead(e *web.Edge, to route, base *url.URL) {
	proxy := m.proxy(to, base)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, to, proxy, nil) })
	for _, version := range versions {
		for _, under := range to.under {
			for _, method := range methods {
				e.Router.Method(method, "/"+version+"/"+under, handler)
				e.Router.Method(method, "/"+version+"/"+under+"/*", handler)
			}
		}
	}
}

// methods of the API; HEAD goes with GET.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// serve takes the whole request before it connects: a slow client holds no connection of the context's, and the context is told how long the body is. instead, if it is given,
// answers when the context does not.
func (m *Module) serve(w http.ResponseWriter, r *http.Request, to route, proxy *httputil.ReverseProxy, instead func(error)) {
	if !plain(r.URL.EscapedPath()) {
		web.WriteProblem(w, r, errNotHere)
		return
	}
	if goesInCircles(r.Header) {
		m.log.Error("requests go in circles: two processes lead to each other", zap.String("upstream", to.context), telemetry.Fields(r.Context()))
		web.WriteProblem(w, r, ErrUpstream)
		return
	}
	noteOrder(r.Context(), r.URL.Path)
	body, err := web.ReadBody(r)
	if err != nil {
		web.WriteProblem(w, r, err)
		return
	}
	wait, waits := web.PreferWait(r.Header.Get("Prefer"))
	if waits {
		web.OnlyWaits(r.Context()) // the context counts it while it works
	}
	ctx, cancel := context.WithTimeout(r.Context(), to.deadline+wait)
	defer cancel()
	r = r.WithContext(context.WithValue(ctx, proxiedKey{}, proxied{w.Header(), instead}))
	r.Body, r.ContentLength, r.TransferEncoding = http.NoBody, int64(len(body)), nil
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body)) // which net/http cannot send twice
	}
	proxy.ServeHTTP(w, r)
}

// noteOrder says which order a request is about: the first that its address names, or that of the place where the order is that it made.
func noteOrder(ctx context.Context, path string) {
	for segment := range strings.SplitSeq(path, "/") {
		if telemetry.IsOrder(segment) && anID.MatchString(segment) {
			telemetry.NoteOrder(ctx, segment)
			return
		}
	}
}

// fail answers for a context that did not. Nothing with effects is asked again here: whether that is safe, the client knows.
func (m *Module) fail(w http.ResponseWriter, r *http.Request, to string, err error) {
	answer := ErrNoAnswer
	var dial *net.OpError
	var open *resilience.OpenError
	if errors.As(err, &open) || errors.As(err, &dial) && dial.Op == "dial" {
		answer = ErrUpstream
	}
	if !errors.Is(err, context.Canceled) { // else it was the client who left
		m.failures.WithLabelValues(to).Inc()
		if on := r.Context().Value(proxiedKey{}).(proxied); on.instead != nil {
			on.instead(err)
			return
		}
	}
	f := fault.Wrap(err, answer.Kind, answer.Code, answer.Message)
	if open != nil {
		f.RetryAfter = open.RetryAfter
	}
	web.WriteProblem(w, r, f)
}

// plain reports whether a path means the same to everybody who reads it: here, where it is compared with the routes, and there. One with dot segments, empty segments,
// path parameters or a coded slash does not.
func plain(escaped string) bool {
	lower := strings.ToLower(escaped)
	for _, trick := range []string{"//", ";", `\`, "%2e", "%2f", "%3b", "%5c", "%00"} {
		if strings.Contains(lower, trick) {
			return false
		}
	}
	for segment := range strings.SplitSeq(lower, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// bounded is a body that fails when it is too long, so that the client does not take a part for the whole.
type bounded struct {
	io.ReadCloser
	left int64
}

var errAnswerTooLong = errors.New("gateway: the answer is too long")

// Read implements io.Reader. Errors: errAnswerTooLong.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errAnswerTooLong
	}
	return n, err
}
