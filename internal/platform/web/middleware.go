package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/fault"
	"shop/internal/platform/telemetry"
)

// observe is the outermost layer: it names the request, and when it is answered, counts it, logs it and ends its span.
func observe(o Options) func(http.Handler) http.Handler {
	metrics := newMetrics(o.Metrics)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			q := &request{Context: r.Context()}
			ctx, span := q.begin(r)
			r = r.WithContext(ctx)
			rec := &recorder{ResponseWriter: w}
			rec.Header()["X-Request-Id"] = []string{telemetry.TraceID(ctx)}

			active := metrics.begin(r.Method)
			whole := false
			defer func() {
				active.Dec()
				took, route := time.Since(start), routeOf(r)
				metrics.observe(r.Method, route, rec.status, took)
				logAccess(&o, r, route, rec, q, took)
				q.describe(span, r, route, rec.status, whole)
				span.End()
			}()
			next.ServeHTTP(rec, r)
			whole = true
			if rec.status == 0 { // nothing written: net/http answers 200
				rec.status = http.StatusOK
			}
		})
	}
}

// logAccess writes one line a request: what failed on our side as an error, what the caller got wrong at info, and
// what went well at debug, so that the log of a busy shop is what matters. Bodies and query strings are never logged,
// and neither is what a client may have put into the path, or the whole of its address.
func logAccess(o *Options, r *http.Request, route string, rec *recorder, q *request, took time.Duration) {
	level := zapcore.DebugLevel
	switch {
	case rec.status >= 500:
		level = zapcore.ErrorLevel
	case rec.status >= 400:
		level = zapcore.InfoLevel
	}
	entry := o.Logger.Check(level, "request")
	if entry == nil {
		return
	}
	fields := make([]zap.Field, 0, 10)
	fields = append(fields,
		telemetry.Fields(r.Context()),
		zap.String("http.request.method", r.Method),
		zap.String("http.route", route),
		zap.String("url.path", toldPath(r.URL.Path, route)),
		zap.Int("http.response.status_code", rec.status),
		zap.Int64("http.response.body.size", rec.bytes),
		zap.Duration("duration", took),
		zap.String("client.address", toldAddress(o.Client(r))))
	if q.err != nil {
		fields = append(fields, zap.String("error.type", errorType(q.err)), zap.Error(q.err))
	}
	entry.Write(fields...)
}

// errorType names what a handler failed with: the code of its fault, as the caller is told it.
func errorType(err error) string {
	f := fault.As(err)
	switch {
	case f != nil:
		return f.Code
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return codeTimeout
	}
	return codeInternal
}

// recoverPanics answers 500. The stack goes to the log alone. http.ErrAbortHandler passes: it asks for the connection
// to be cut.
func recoverPanics(log *zap.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(v)
				}
				log.Error("panic", telemetry.Fields(r.Context()), zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
				if w.(*recorder).status == 0 {
					WriteProblem(w, r, fmt.Errorf("panic: %v", v))
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// Answers are data for programs: nothing in them may be run, framed, sniffed or kept by a cache. Pages set their own policy.
var (
	nosniff    = []string{"nosniff"}
	noStore    = []string{"no-store"}
	noReferrer = []string{"no-referrer"}
	denyFrames = []string{"DENY"}
	sameOrigin = []string{"same-origin"}
	dataPolicy = []string{"default-src 'none'; frame-ancestors 'none'"}
	hsts       = []string{"max-age=31536000; includeSubDomains"}
)

func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["X-Content-Type-Options"] = nosniff
		h["Cache-Control"] = noStore
		h["Referrer-Policy"] = noReferrer
		h["X-Frame-Options"] = denyFrames
		h["Cross-Origin-Resource-Policy"] = sameOrigin
		h["Content-Security-Policy"] = dataPolicy
		if r.TLS != nil {
			h["Strict-Transport-Security"] = hsts
		}
		next.ServeHTTP(w, r)
	})
}

// limitRequest refuses what no route may see: an address, query or header that is no text (PostgreSQL does not store
// NUL or invalid UTF-8), a coded body, a body that is too long.
func limitRequest(maxBody int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			switch {
			case !isText(r.URL.Path) || !queryIsText(r.URL.RawQuery):
				writeProblem(w, newProblem(ctx, http.StatusBadRequest, "malformed_url", "the address must be percent-encoded UTF-8 without NUL"))
			case !headersAreText(r.Header):
				writeProblem(w, newProblem(ctx, http.StatusBadRequest, "malformed_header", "header values must be UTF-8"))
			case r.Header.Get("Content-Encoding") != "":
				w.Header().Set("Accept-Encoding", "identity")
				writeProblem(w, newProblem(ctx, http.StatusUnsupportedMediaType, "unsupported_encoding", "send the body without Content-Encoding"))
			case r.ContentLength > maxBody:
				w.Header().Set("Connection", "close") // the body is not read
				writeProblem(w, tooLarge(ctx, maxBody))
			default:
				if len(r.TransferEncoding) > 0 {
					// It may have had a Content-Length too, which net/http does not tell. RFC 9112 section 6.1 wants the
					// connection closed then: what follows may be a smuggled request.
					w.Header().Set("Connection", "close")
				}
				if r.Body != http.NoBody {
					r.Body = http.MaxBytesReader(w, r.Body, maxBody)
				}
				next.ServeHTTP(w, r)
			}
		})
	}
}

func tooLarge(ctx context.Context, limit int64) *Problem {
	return newProblem(ctx, http.StatusRequestEntityTooLarge, "body_too_large", fmt.Sprintf("the body must not be longer than %d bytes", limit))
}

func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func queryIsText(raw string) bool {
	if strings.IndexByte(raw, '%') < 0 {
		return isText(raw)
	}
	s, err := url.QueryUnescape(raw)
	return err == nil && isText(s)
}

func headersAreText(h http.Header) bool {
	for _, values := range h {
		for _, v := range values {
			if !utf8.ValidString(v) {
				return false
			}
		}
	}
	return true
}

// headAsGet serves HEAD wherever there is GET; net/http leaves the body out.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			chi.RouteContext(r.Context()).RouteMethod = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}
