package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Health answers an orchestrator's questions: is the process alive, can it take requests.
type Health struct {
	log      *zap.Logger
	stopping atomic.Bool

	mu     sync.Mutex // held while checks run, so that many who ask cause one run
	checks []*check
	notes  []note
	last   []checkResult
	lastAt time.Time
}

type check struct {
	name    string
	run     func(context.Context) error
	vital   bool // without it the process can take no requests
	running atomic.Bool
	failing bool // as last logged
}

// note is told with the checks, and changes nothing about readiness.
type note struct {
	name string
	say  func() string
}

// noteResult is what /readyz?verbose tells of a note.
type noteResult struct {
	Name   string `json:"name"`
	Status string `json:"status"` // in words of its own, such as open or closed
}

// checkResult is what /readyz?verbose tells of a check. Why it fails is in the log: the port may be public.
type checkResult struct {
	Name       string  `json:"name"`
	Status     string  `json:"status"` // ok or failing
	DurationMS float64 `json:"duration_ms"`

	err   error
	vital bool
}

const (
	checkDeadline = time.Second
	checkFresh    = 250 * time.Millisecond // a result this young is given again
)

var (
	errCheckSlow    = errors.New("no answer within the deadline")
	errCheckRunning = errors.New("an earlier run has not ended")
)

// NewHealth makes a registry without checks: ready until SetStopping.
func NewHealth(log *zap.Logger) *Health { return &Health{log: log} }

// Add registers a readiness check, such as "orders.database". Checks run in parallel and have one second each; one that
// does not return when its context ends is not started again until it does.
func (h *Health) Add(name string, run func(context.Context) error) {
	h.add(&check{name: name, run: run, vital: true})
}

// Watch registers a check of what requests can do without for a while, such as a broker. While it fails the process is ready, and says that it is degraded.
func (h *Health) Watch(name string, run func(context.Context) error) {
	h.add(&check{name: name, run: run})
}

func (h *Health) add(c *check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, c)
	h.lastAt = time.Time{}
}

// Inform registers what /readyz?verbose tells beside the checks, such as the state of "payments.breaker": what is good to know, but no reason to send requests elsewhere. say must
// answer at once.
func (h *Health) Inform(name string, say func() string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, note{name, say})
}

// SetStopping makes the process not ready for good: the first step of stopping.
func (h *Health) SetStopping() { h.stopping.Store(true) }

// Live answers 200 as long as the process can answer at all. It checks nothing: a restart mends no database.
func (h *Health) Live(w http.ResponseWriter, r *http.Request) {
	writeHealth(w, http.StatusOK, healthBody{Status: "ok"})
}

// Ready answers 200 when every check that was added passes and the process is not stopping, else 503. With ?verbose it names the checks.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) {
	if h.stopping.Load() {
		writeHealth(w, http.StatusServiceUnavailable, healthBody{Status: "stopping"})
		return
	}
	results := h.results()
	status, body := http.StatusOK, healthBody{Status: "ok"}
	for _, c := range results {
		switch {
		case c.err != nil && c.vital:
			status, body.Status = http.StatusServiceUnavailable, "failing"
		case c.err != nil && status == http.StatusOK:
			body.Status = "degraded"
		}
	}
	if r.URL.Query().Has("verbose") {
		body.Checks, body.Notes = results, h.noted()
	}
	writeHealth(w, status, body)
}

type healthBody struct {
	Status string        `json:"status"` // ok, degraded (and ready), failing or stopping
	Checks []checkResult `json:"checks,omitempty"`
	Notes  []noteResult  `json:"notes,omitempty"`
}

func writeHealth(w http.ResponseWriter, status int, body healthBody) {
	b, err := encode(body)
	if err != nil { // cannot be: strings and numbers
		panic(err)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeBody(w, status, jsonType, b)
}

func (h *Health) noted() []noteResult {
	h.mu.Lock()
	notes := h.notes
	h.mu.Unlock()
	results := make([]noteResult, len(notes))
	for i, n := range notes {
		results[i] = noteResult{n.name, n.say()}
	}
	return results
}

// results runs the checks, or gives what they answered a moment ago.
func (h *Health) results() []checkResult {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.lastAt) < checkFresh {
		return h.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkDeadline)
	defer cancel()
	results := make([]checkResult, len(h.checks))
	var wg sync.WaitGroup
	for i, c := range h.checks {
		wg.Go(func() { results[i] = c.result(ctx) })
	}
	wg.Wait()
	for i, c := range h.checks {
		h.logChange(c, results[i].err)
	}
	h.last, h.lastAt = results, time.Now()
	return results
}

// result waits for the check no longer than its context lives.
func (c *check) result(ctx context.Context) checkResult {
	start := time.Now()
	err := errCheckRunning
	if c.running.CompareAndSwap(false, true) {
		done := make(chan error, 1)
		go func() {
			err := c.safely(ctx)
			c.running.Store(false)
			done <- err
		}()
		select {
		case err = <-done:
		case <-ctx.Done():
			err = errCheckSlow
		}
	}
	r := checkResult{Name: c.name, Status: "ok", DurationMS: float64(time.Since(start).Microseconds()) / 1000, err: err, vital: c.vital}
	if err != nil {
		r.Status = "failing"
	}
	return r
}

func (c *check) safely(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return c.run(ctx)
}

func (h *Health) logChange(c *check, err error) {
	if failing := err != nil; failing != c.failing {
		c.failing = failing
		switch {
		case failing && c.vital:
			h.log.Warn("not ready", zap.String("check", c.name), zap.Error(err))
		case failing:
			h.log.Warn("degraded", zap.String("check", c.name), zap.Error(err))
		default:
			h.log.Info("ready again", zap.String("check", c.name))
		}
	}
}
