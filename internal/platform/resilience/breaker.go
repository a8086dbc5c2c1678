package resilience

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"go.uber.org/zap"
)

// Outcome is what became of an attempt.
type Outcome string

const (
	Answered    Outcome = "answered"    // with whatever is no failure
	Failed      Outcome = "failed"      // the upstream, or what stands before it, answered that it cannot
	TimedOut    Outcome = "timed_out"   // no answer within the deadline
	Unreachable Outcome = "unreachable" // no connection, or one that was cut
	Left        Outcome = "left"        // the caller left first; says nothing of the upstream
)

// What is refused here, without an attempt.
const (
	refusedOpen Outcome = "refused_open"
	refusedFull Outcome = "refused_full"
)

var outcomes = []Outcome{Answered, Failed, TimedOut, Unreachable, Left, refusedOpen, refusedFull}

func (o Outcome) failure() bool { return o == Failed || o == TimedOut || o == Unreachable }

// OutcomeOf an attempt that ended without an answer, within ctx.
func OutcomeOf(ctx context.Context, err error) Outcome {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return Left
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut
	}
	return Unreachable
}

// OpenError: the circuit breaker is open; nothing was asked.
type OpenError struct {
	Upstream   string
	RetryAfter time.Duration // until it lets somebody try again, at least a second
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("the circuit breaker of %s is open", e.Upstream)
}

// State of a circuit breaker.
type State string

const (
	Closed   State = "closed"
	HalfOpen State = "half_open" // the next attempt decides
	Open     State = "open"
)

// Breaker is the circuit breaker of one kind of traffic to one upstream.
type Breaker struct {
	upstream, traffic string
	metrics           *guardMetrics

	mu      sync.Mutex // the circuit tells of a change of its state unlocked: what it counted is to stay as it is until that was read
	circuit circuitbreaker.CircuitBreaker[any]
}

func newBreaker(upstream, traffic string, s Settings, m *guardMetrics, log *zap.Logger) *Breaker {
	b := &Breaker{upstream: upstream, traffic: traffic, metrics: m}
	log = log.With(zap.String("upstream", upstream), zap.String("traffic", traffic))
	b.circuit = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(float64(s.Failures)/100, uint(s.MinCalls), s.Window). // a rate is 0 to 1 there
		WithDelay(s.HalfOpen).
		WithSuccessThreshold(1).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			b.metrics.transitions.WithLabelValues(upstream, traffic, string(stateOf(e.NewState))).Inc()
			switch e.NewState {
			case circuitbreaker.OpenState:
				log.Warn("the circuit breaker opens", zap.Uint("failures", e.Metrics().Failures()), zap.Uint("attempts", e.Metrics().Executions()), zap.Duration("for", s.HalfOpen))
			case circuitbreaker.HalfOpenState:
				log.Info("the circuit breaker lets one attempt through")
			case circuitbreaker.ClosedState:
				log.Info("the circuit breaker closes")
			}
		}).
		Build()
	for _, o := range outcomes {
		m.requests.WithLabelValues(upstream, traffic, string(o))
	}
	return b
}

// Pass lets an attempt through. Whoever passed must call done once, with the outcome. Errors: *OpenError.
func (b *Breaker) Pass() (done func(Outcome), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.circuit.TryAcquirePermit() {
		b.count(refusedOpen)
		return nil, &OpenError{b.upstream, max(time.Second, b.circuit.RemainingDelay())}
	}
	trial := b.circuit.IsHalfOpen()
	return func(o Outcome) {
		b.count(o)
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case !trial && b.circuit.IsHalfOpen(): // begun before the breaker opened: says nothing of now
		case o.failure(), o == Left && trial: // a trial that was given up has shown nothing, and must end: there is one at a time
			b.circuit.RecordFailure()
		case o != Left:
			b.circuit.RecordSuccess()
		}
	}, nil
}

// State is what the next attempt would find. A breaker that nobody asks is half open when its time has come.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := stateOf(b.circuit.State())
	if s == Open && b.circuit.RemainingDelay() == 0 {
		return HalfOpen
	}
	return s
}

// Upstream and Traffic name the breaker.
func (b *Breaker) Upstream() string { return b.upstream }

// Traffic is what it stands before: questions of this process, or requests that it passes on.
func (b *Breaker) Traffic() string { return b.traffic }

func (b *Breaker) count(o Outcome) {
	b.metrics.requests.WithLabelValues(b.upstream, b.traffic, string(o)).Inc()
}

func stateOf(s circuitbreaker.State) State {
	switch s {
	case circuitbreaker.OpenState:
		return Open
	case circuitbreaker.HalfOpenState:
		return HalfOpen
	default:
		return Closed
	}
}

// Transport puts the breaker before requests that are passed on for others, with the deadlines that they bring. They fail when the upstream is not reached, lets a deadline pass, or
// something before it answers 502 or 504. What the context answers by itself, 500 and 503 included, is its word: the requests of one client, or of one route, do not
// close the whole context for the others.
func (b *Breaker) Transport(next http.RoundTripper) http.RoundTripper {
	return passing{b, traced{b.upstream, next}}
}

type passing struct {
	breaker *Breaker
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper. Errors: *OpenError, those of the transport.
func (p passing) RoundTrip(r *http.Request) (*http.Response, error) {
	done, err := p.breaker.Pass()
	if err != nil {
		return nil, err
	}
	outcome := Left // of a panic
	defer func() { done(outcome) }()
	res, err := p.next.RoundTrip(r)
	switch {
	case err != nil:
		outcome = OutcomeOf(r.Context(), err)
	case res.StatusCode == http.StatusBadGateway || res.StatusCode == http.StatusGatewayTimeout:
		outcome = Failed
	default:
		outcome = Answered
	}
	return res, err
}
