package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/flags"
	"shop/internal/platform/metrics"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

const (
	mirrorDeadline  = 5 * time.Second
	maxMirrored     = 32      // requests at a time; of what is more none is mirrored
	maxCompared     = 1 << 20 // bytes of a body; longer ones are not compared
	sameAgain       = time.Minute
	maxRemembered   = 1000 // kinds of differences within sameAgain
	resultSame      = "same"
	resultStatus    = "status"
	resultBody      = "body"
	resultMissing   = "missing" // the other did not answer
	resultTooLong   = "too_long"
	resultDropped   = "dropped"   // too many at a time
	resultAbandoned = "abandoned" // there is no answer to compare with: the client left, or it came from the same side
)

var mirrorResults = []string{resultSame, resultStatus, resultBody, resultMissing, resultTooLong, resultDropped, resultAbandoned}

// mirror asks for what is being answered at one place at the other as well, in the background, and compares.
type mirror struct {
	module  *Module
	places  chan struct{}
	results *prometheus.CounterVec

	ctx     context.Context // of all that is in the background
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	said  map[string]bool // differences that were logged since began
	began time.Time
}

func newMirror(m *Module) *mirror {
	r := &mirror{module: m, places: make(chan struct{}, maxMirrored), said: map[string]bool{}}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.results = metrics.MirroredRequests.CounterVec(nil)
	for context := range m.needs.Shared {
		for _, result := range mirrorResults {
			r.results.WithLabelValues(context, result)
		}
	}
	return r
}

// close gives up what is in the background and waits until it has ended.
func (mi *mirror) close() {
	mi.stop()
	mi.running.Wait()
}

// mirrorable reports whether a request may be asked twice and has an answer that can be compared: a read that does not wait for something to happen.
func mirrorable(r *http.Request) bool {
	if _, waits := web.PreferWait(r.Header.Get("Prefer")); waits {
		return false
	}
	return r.Method == http.MethodGet
}

// begin asks the other place at once, so that both see the same as far as possible. What is written to copied goes to the client, and is kept for comparison; answered must be called
// when nothing more will be. The client waits for nothing of it. nil: too much is mirrored already.
func (mi *mirror) begin(w http.ResponseWriter, r *http.Request, s *sharing, here http.Handler, d flags.Decision) (copied *capture, answered func()) {
	select {
	case mi.places <- struct{}{}:
	default:
		mi.results.WithLabelValues(s.context, resultDropped).Inc()
		return nil, nil
	}
	other, side := mi.elsewhere(r, s), "elsewhere"
	if d.On {
		other, side = mi.here(r, here), "here"
	}
	about := pair{sharing: s, pattern: chi.RouteContext(r.Context()).RoutePattern(), trace: telemetry.Fields(r.Context()), mirrored: side, ignore: d.Ignore}
	first := &capture{ResponseWriter: w}
	done := make(chan struct{})
	mi.running.Go(func() {
		defer func() { <-mi.places }()
		ctx, cancel := context.WithTimeout(mi.ctx, mirrorDeadline)
		defer cancel()
		second, err := safely(ctx, other)
		select {
		case <-done: // the client's has a deadline of its own
			mi.compare(about, first, second, err)
		case <-mi.ctx.Done():
		}
	})
	return first, func() { close(done) }
}

// safely asks, and takes a panic for no answer.
func safely(ctx context.Context, ask func(context.Context) (*capture, error)) (c *capture, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return ask(ctx)
}

// elsewhere makes the request to the context elsewhere, as the proxy would. It is made before the handler returns, which is when its parts may be used again.
func (mi *mirror) elsewhere(r *http.Request, s *sharing) func(context.Context) (*capture, error) {
	to := url.URL{Scheme: s.base.Scheme, Host: s.base.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	headers, way := mi.module.forward(r), s.mirrored
	passes, trace := plain(r.URL.EscapedPath()) && !goesInCircles(r.Header), telemetry.Traceparent(r.Context())
	return func(ctx context.Context) (*capture, error) {
		if !passes {
			return nil, errNotHere
		}
		out, err := http.NewRequestWithContext(telemetry.WithTraceparent(ctx, trace), http.MethodGet, to.String(), nil)
		if err != nil {
			return nil, err
		}
		out.Header = headers
		answer, err := way.RoundTrip(out)
		if err != nil {
			return nil, err
		}
		defer func() { _ = answer.Body.Close() }()
		if answersForNobody(answer.StatusCode) {
			return nil, fmt.Errorf("%w: %d", errNobodyThere, answer.StatusCode)
		}
		c := &capture{status: answer.StatusCode}
		_, err = io.Copy(&c.body, io.LimitReader(answer.Body, maxCompared+1))
		c.long = c.body.Len() > maxCompared
		return c, err
	}
}

// here asks the handler of this process again. It gets what handlers find in a request's context, in a context that lives on when the request has been answered; what the edge
// keeps there of the request under way, it does not get.
func (mi *mirror) here(r *http.Request, handler http.Handler) func(context.Context) (*capture, error) {
	who, trace, token, found := auth.From(r.Context()), telemetry.Traceparent(r.Context()), r.Context().Value(authorizationKey{}), chi.RouteContext(r.Context()).Clone()
	copied := r.Clone(context.Background())
	copied.Body, copied.ContentLength = http.NoBody, 0 // that of a GET means nothing (RFC 9110, 9.3.1)
	return func(ctx context.Context) (*capture, error) {
		ctx = context.WithValue(auth.With(telemetry.WithTraceparent(ctx, trace), who), chi.RouteCtxKey, found)
		if token != nil {
			ctx = context.WithValue(ctx, authorizationKey{}, token)
		}
		c := &capture{ResponseWriter: nobody{http.Header{}}}
		handler.ServeHTTP(c, copied.WithContext(ctx))
		return c, ctx.Err()
	}
}

// pair is what is known of two answers beside them.
type pair struct {
	*sharing
	pattern  string // of the address
	mirrored string // which side was asked in the background
	trace    zap.Field
	ignore   []string
}

// compare counts how two answers compare, and logs differences: that there is one and in which fields, not what is in them.
func (mi *mirror) compare(about pair, first, second *capture, err error) {
	result, fields := verdict(first, second, err, about.ignore)
	defer mi.results.WithLabelValues(about.context, result).Inc() // last: who sees it counted finds it in the log
	if result != resultStatus && result != resultBody && result != resultMissing || errors.Is(err, context.Canceled) {
		return
	}
	if !mi.firstTime(fmt.Sprint(about.context, about.pattern, about.mirrored, result, fields)) {
		return
	}
	log := []zap.Field{zap.String("upstream", about.context), zap.String("http.route", about.pattern), zap.String("difference", result), zap.String("mirrored", about.mirrored), about.trace}
	switch result {
	case resultStatus:
		log = append(log, zap.Int("answered_status", first.code()), zap.Int("mirrored_status", second.code()))
	case resultBody:
		log = append(log, zap.Strings("fields", fields))
	case resultMissing:
		log = append(log, zap.Error(err))
	}
	mi.module.log.Warn("the two places of a context answer differently", log...)
}

func verdict(first, second *capture, err error, ignore []string) (result string, fields []string) {
	switch {
	case !first.whole || first.fallback:
		return resultAbandoned, nil
	case err != nil:
		return resultMissing, nil
	case first.code() != second.code():
		return resultStatus, nil
	case first.long || second.long:
		return resultTooLong, nil
	}
	if fields = differences(first.body.Bytes(), second.body.Bytes(), ignore); len(fields) > 0 {
		return resultBody, fields
	}
	return resultSame, nil
}

// firstTime reports whether a difference was not logged within the last minute. All are counted.
func (mi *mirror) firstTime(difference string) bool {
	mi.mu.Lock()
	defer mi.mu.Unlock()
	if time.Since(mi.began) > sameAgain {
		clear(mi.said)
		mi.began = time.Now()
	}
	if mi.said[difference] || len(mi.said) >= maxRemembered {
		return false
	}
	mi.said[difference] = true
	return true
}

// capture keeps a copy of the beginning of an answer.
type capture struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	long   bool

	whole    bool // the answer did not break off
	fallback bool // it is not from where it was asked for
}

// WriteHeader implements http.ResponseWriter.
func (c *capture) WriteHeader(status int) {
	if c.status == 0 && status >= 200 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (c *capture) Write(p []byte) (int, error) {
	c.code()
	keep := p[:min(len(p), maxCompared-c.body.Len())]
	c.body.Write(keep)
	c.long = c.long || len(keep) < len(p)
	return c.ResponseWriter.Write(p)
}

// code is the status of the answer: 200 when none was said.
func (c *capture) code() int {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.status
}

// Unwrap lets http.ResponseController find what can flush.
func (c *capture) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// nobody is who an answer is for that is only compared.
type nobody struct{ header http.Header }

func (n nobody) Header() http.Header         { return n.header }
func (n nobody) Write(p []byte) (int, error) { return len(p), nil }
func (n nobody) WriteHeader(int)             {}
