package resilience

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"golang.org/x/sync/errgroup"

	"shop/internal/platform/fault"
	"shop/internal/platform/telemetry"
)

const (
	maxAnswer    = 16 << 20 // bytes; a longer answer is none
	atOnce       = 8        // questions of one Each under way at a time
	retryPause   = 50 * time.Millisecond
	retryJitter  = 0.5         // of the pause, either way
	fullPause    = time.Second // what one who is refused because too much is under way is told to wait
	fairFraction = 3           // a caller that gives the upstream less than this part of the deadline learns nothing about it
)

// CallerOptions of a Caller.
type CallerOptions struct {
	// Authorization is the header that a question is asked with: on behalf of whoever led to it, or this process's own. Empty: none. Default: none.
	Authorization func(context.Context) string
}

// Caller asks an upstream questions that change nothing there.
type Caller struct {
	upstream, base string
	o              CallerOptions
	timeout        time.Duration
	breaker        *Breaker
	transport      http.RoundTripper
	ask            failsafe.Executor[[]byte]
}

func newCaller(upstream string, base *url.URL, o CallerOptions, s Settings, b *Breaker, t http.RoundTripper) *Caller {
	if o.Authorization == nil {
		o.Authorization = func(context.Context) string { return "" }
	}
	retries := retrypolicy.NewBuilder[[]byte]().
		HandleIf(func(_ []byte, err error) bool { return errors.As(err, new(*unheardError)) }).
		WithMaxRetries(s.Retries).WithBackoff(retryPause, 20*retryPause).WithJitterFactor(retryJitter).ReturnLastFailure().
		Build()
	return &Caller{
		upstream: upstream, base: strings.TrimSuffix(base.String(), "/"), o: o, timeout: s.Timeout, breaker: b, transport: traced{upstream, t},
		ask: failsafe.With(bulkhead.New[[]byte](uint(s.Concurrency)), failsafe.Policy[[]byte](retries)),
	}
}

// Get asks for a path, with its query, and decodes the JSON of the answer. Errors: the fault that the upstream answered with; fault Unavailable, code <upstream>_unavailable, when
// nobody answers, ctx ends, the breaker is open, or too much is under way already; fault Internal when the answer is none.
func (c *Caller) Get(ctx context.Context, path string, into any) error {
	body, err := c.ask.WithContext(ctx).Get(func() ([]byte, error) { return c.attempt(ctx, path) })
	if err != nil {
		return c.faultOf(err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.Wrap(err, fault.Internal, "internal", c.upstream+" answered with something else")
	}
	return nil
}

// Each asks n questions, some at a time. The first error ends the others, and is returned.
func (c *Caller) Each(ctx context.Context, n int, ask func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range n {
		g.Go(func() error { return ask(ctx, i) })
	}
	return g.Wait()
}

// unheardError is a failure that another attempt may not have: the question was not heard, or by nobody who could answer.
type unheardError struct{ error }

func (e *unheardError) Unwrap() error { return e.error }

// attempt asks once. Errors: *OpenError; the fault of the answer; those of the transport; some of them as unheardError.
func (c *Caller) attempt(ctx context.Context, path string) ([]byte, error) {
	done, err := c.breaker.Pass()
	if err != nil {
		return nil, err
	}
	outcome := Left // of a panic
	defer func() { done(outcome) }()
	began := time.Now()
	within, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	status, header, body, err := c.exchange(within, path)
	switch {
	case errors.Is(err, errAnswerTooLong):
		outcome = Answered
		return nil, fault.Wrap(err, fault.Internal, "internal", c.upstream+" answered with something else")
	case err != nil:
		if outcome = OutcomeOf(ctx, err); outcome == TimedOut && ctx.Err() != nil && time.Since(began) < c.timeout/fairFraction {
			outcome = Left
		}
		if outcome == Unreachable {
			err = &unheardError{err}
		}
		return nil, err
	case status == http.StatusOK:
		outcome = Answered
		return body, nil
	}
	answer := fault.FromProblem(status, header, body)
	switch status {
	case http.StatusInternalServerError:
		outcome = Failed
		return nil, answer
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		outcome = Failed
		return nil, &unheardError{answer}
	}
	outcome = Answered
	return nil, answer
}

var errAnswerTooLong = errors.New("the answer is longer than 16 MiB")

// exchange sends a request and reads the whole answer.
func (c *Caller) exchange(ctx context.Context, path string) (status int, header http.Header, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "shop")
	if token := c.o.Authorization(ctx); token != "" {
		r.Header.Set("Authorization", token)
	}
	if trace := telemetry.Traceparent(ctx); trace != "" {
		r.Header.Set("Traceparent", trace)
	}
	res, err := c.transport.RoundTrip(r) // which follows no redirection: nobody tells us where to take the token
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errAnswerTooLong
	}
	return res.StatusCode, res.Header, body, err
}

// faultOf is what the caller is told of a question that was not answered.
func (c *Caller) faultOf(err error) error {
	answer := fault.As(err)
	if answer != nil && (answer.Kind != fault.Unavailable || !errors.As(err, new(fault.NoProblemError))) {
		return answer
	}
	f := fault.Wrap(err, fault.Unavailable, c.upstream+"_unavailable", c.upstream+" does not answer; try again")
	var open *OpenError
	switch {
	case errors.As(err, &open):
		f.RetryAfter = open.RetryAfter
	case errors.Is(err, bulkhead.ErrFull):
		c.breaker.count(refusedFull)
		f.RetryAfter = fullPause
	case answer != nil:
		f.RetryAfter = answer.RetryAfter
	}
	return f
}
