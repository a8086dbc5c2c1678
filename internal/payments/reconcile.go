package payments

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"shop/internal/payments/internal/provider"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// reconcileEvery is how often the reconciler looks for what is due; the shortest pause between two attempts.
const reconcileEvery = 200 * time.Millisecond

// reconciler finds out what became of rows whose time has come: those that the provider did not answer, and those that a process left behind when it died. It runs in one
// process at a time, but nothing breaks when two do it: the provider's keys and the rows' versions make each outcome count once.
type reconciler struct {
	m     *Module
	name  string
	slots int // attempts under way at the same time
	due   func(ctx context.Context, now time.Time, limit int) ([]attempt, error)

	mu       sync.Mutex
	underWay map[string]bool
	freed    chan struct{}
	attempts sync.WaitGroup
}

// attempt is one row's turn.
type attempt struct {
	id        string
	reference string // of the payment
	run       func(ctx context.Context) error
	trace     string // that the row was left in; empty when it is not recorded
}

func newReconciler(m *Module, name string, slots int, due func(ctx context.Context, now time.Time, limit int) ([]attempt, error)) *reconciler {
	return &reconciler{m: m, name: name, slots: slots, due: due, underWay: map[string]bool{}, freed: make(chan struct{}, 1)}
}

// run looks for due rows until ctx ends, and returns when the last attempt has.
func (r *reconciler) run(ctx context.Context) {
	defer r.attempts.Wait()
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for full := false; ; {
		var freed chan struct{}
		if full { // there may be more than there were slots for
			freed = r.freed
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-freed:
		}
		full = r.round(ctx)
	}
}

// round starts as many attempts as there are free slots, and reports whether that left none free.
func (r *reconciler) round(ctx context.Context) (full bool) {
	r.mu.Lock()
	busy := len(r.underWay)
	r.mu.Unlock()
	if busy >= r.slots {
		return true
	}
	due, err := r.due(ctx, r.m.clock.Now(), r.slots) // of which those under way are a part
	if err != nil {
		if ctx.Err() == nil {
			r.m.log.Warn("the reconciler cannot read what is due", telemetry.Fields(ctx), zap.String("of", r.name), zap.Error(err))
		}
		return false
	}
	for _, a := range due {
		if r.claim(a.id) {
			r.attempts.Go(func() { r.try(ctx, a) })
		}
	}
	return len(due) == r.slots
}

func (r *reconciler) claim(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay[id] || len(r.underWay) >= r.slots {
		return false
	}
	r.underWay[id] = true
	return true
}

func (r *reconciler) try(ctx context.Context, a attempt) {
	ctx, span := r.turn(ctx, a)
	err := a.run(ctx)
	if err != nil {
		telemetry.Fail(span, telemetry.TypeOf(err))
	}
	span.End()
	r.mu.Lock()
	delete(r.underWay, a.id)
	r.mu.Unlock()
	if err != nil { // still due: it gets another turn with the next tick, not at once
		if ctx.Err() == nil {
			r.m.log.Warn("an attempt could not be recorded", telemetry.FieldsOf(ctx, a.reference), zap.String("id", a.id), zap.Error(err))
		}
		return
	}
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// roundsEvery is how often payments are looked for that nobody has in hand any more.
const roundsEvery = time.Second

// goRounds makes payments due that were left behind, until ctx ends.
func (m *Module) goRounds(ctx context.Context) {
	rounds := sqldb.NewRounds(m.db, "payments", m.lease)
	tick := time.NewTicker(roundsEvery)
	defer tick.Stop()
	for {
		if err := rounds.Go(ctx, clock.System.Now(), m.takeUp); err != nil && ctx.Err() == nil {
			m.log.Warn("payments that were left behind cannot be looked for", telemetry.Fields(ctx), zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// resolve takes one step towards knowing what became of a payment. Errors: sqldb.ErrUnavailable.
func (m *Module) resolve(ctx context.Context, p payment) error {
	answer, callErr := m.inquire(ctx, p)
	m.unanswered(ctx, p, callErr)
	return m.record(ctx, p, m.heard(ctx, answer, callErr))
}

// inquire asks the provider by the payment's key. What was certainly not charged is charged, with the same key; when that did not succeed for too long the
// provider is made to promise that it never will, and only then the payment is declined.
func (m *Module) inquire(ctx context.Context, p payment) (provider.Charge, error) {
	switch {
	case p.cancelling():
		return m.void(ctx, p)
	case p.status == sending: // left behind; whether the provider knows the key already does not matter to it
		return m.charge(ctx, p)
	}
	c, err := m.lookup(ctx, p)
	switch {
	case !errors.Is(err, provider.ErrNotFound):
		return c, err
	case m.clock.Now().Sub(p.createdAt) >= m.giveUp:
		return m.void(ctx, p)
	}
	return m.charge(ctx, p)
}
