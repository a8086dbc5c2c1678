package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
)

// Transport carries messages between endpoints. Publish returns nil when the messages are safe: applied by every subscribed group (Memory), or
// durable in the broker. A group's subscribers share its messages.
type Transport interface {
	message.Publisher
	// Declare makes a topic known, so that an event nobody listens to is no error.
	Declare(topic string) error
	// Join makes a consumer group one that has to acknowledge each message of the topic from now on.
	Join(group, topic string) error
	// Subscriber is the receiving side for a consumer group.
	Subscriber(group string) (message.Subscriber, error)
}

// Config is what an endpoint needs. A zero number takes its default.
type Config struct {
	Context   string // name of the context, of its consumer group, and of its topics
	DB        *sqldb.DB
	Transport Transport
	Log       *zap.Logger
	Clock     clock.Clock

	Attempts int           // tries before a message becomes a dead letter (8)
	Backoff  time.Duration // pause after the first failure; it doubles up to 100 times that (20 ms)
	Poll     time.Duration // how often the relay looks without being woken (2 s)
	Lease    time.Duration // how long a frozen leader keeps its place (6 s)
	Keep     time.Duration // how long applied messages and idempotency keys are remembered (7 days)
}

// Endpoint is one context's place on the bus.
type Endpoint struct {
	cfg      Config
	handlers map[string]*handler
	relay    *relay
	consumer *consumer // of a transport that is not exclusive
	turn     turn
	jobs     []func(ctx context.Context)
	leading  atomic.Bool
	notify   chan struct{}
	outbox   sqldb.Many
	metrics  *endpointMetrics

	consuming   atomic.Pointer[consumer] // the last one that was started
	setup       error                    // what the transport said of Declare and Join; Start reports it
	cancelRelay context.CancelFunc
	relayDone   sync.WaitGroup
	stop        func() <-chan struct{} // begins to stop, once; what it returns is closed when all has stopped
}

// handler applies the messages of one type.
type handler struct {
	typ      Type
	decode   func(body []byte) (any, error)
	takes    func(body Body) bool
	apply    func(ctx context.Context, tx *sqldb.Tx, msg any) error
	prefetch func(ctx context.Context, tx *sqldb.Tx, msgs []any) error
	assume   func(tx *sqldb.Tx, msgs []any)
	patience time.Duration
	timers   handlerTimers
}

// NewEndpoint makes a context's endpoint. Register handlers before Start.
func NewEndpoint(cfg Config) *Endpoint {
	if cfg.Attempts == 0 {
		cfg.Attempts = 8
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = 20 * time.Millisecond
	}
	if cfg.Poll == 0 {
		cfg.Poll = 2 * time.Second
	}
	if cfg.Lease == 0 {
		cfg.Lease = 6 * time.Second
	}
	if cfg.Keep == 0 {
		cfg.Keep = 7 * 24 * time.Hour
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	cfg.Log = cfg.Log.With(zap.String("context", cfg.Context))
	e := &Endpoint{cfg: cfg, handlers: map[string]*handler{}, notify: make(chan struct{}, 1)}
	e.outbox = sqldb.Many{SQL: insertOutbox, Columns: outboxColumns, Fold: e.pack, Written: e.written}
	e.relay = newRelay(e)
	e.consumer = newConsumer(e)
	e.metrics = newMetrics(e)
	e.turn.over = make(chan struct{})
	e.stop = sync.OnceValue(e.stopAll)
	for _, kind := range []Kind{Event, Command} {
		e.setup = errors.Join(e.setup, cfg.Transport.Declare(Topic(cfg.Context, kind)))
	}
	e.WhileLeading(e.replayLoop)
	e.WhileLeading(e.forgetLoop)
	if e.exclusive() {
		e.WhileLeading(e.consumeWhileLeading)
	}
	return e
}

// On registers the handler of a message type. It runs in one transaction with the message's inbox row. What it returns as an error is a failure, to be tried again;
// an outcome of the business is an event. It must not change the message: within a process, all who hear it have the same one.
func On[T Body](e *Endpoint, apply func(ctx context.Context, tx *sqldb.Tx, msg T) error) {
	h := e.handlerOf(typeOf[T]())
	e.setup = errors.Join(e.setup, e.join(h.typ))
	h.timers = e.metrics.handler(h.typ.Topic())
	h.decode = func(body []byte) (any, error) {
		var msg T
		err := json.Unmarshal(body, &msg)
		return msg, err
	}
	h.takes = func(body Body) bool { _, ok := body.(T); return ok }
	h.apply = func(ctx context.Context, tx *sqldb.Tx, msg any) error { return apply(ctx, tx, msg.(T)) }
}

// Prefetch registers what loads, with one statement, the rows that the handlers of all messages of a type in one batch will want, and leaves them in the
// transaction's locals.
func Prefetch[T Body](e *Endpoint, load func(ctx context.Context, tx *sqldb.Tx, msgs []T) error) {
	e.handlerOf(typeOf[T]()).prefetch = func(ctx context.Context, tx *sqldb.Tx, msgs []any) error { return load(ctx, tx, typed[T](msgs)) }
}

// Assume registers what stands in for the prefetch of a type as long as all goes as usual: it leaves in the transaction's locals what the rows will most probably be.
// What the handlers write must fail if they are not; see sqldb.Kind.
func Assume[T Body](e *Endpoint, what func(tx *sqldb.Tx, msgs []T)) {
	e.handlerOf(typeOf[T]()).assume = func(tx *sqldb.Tx, msgs []any) { what(tx, typed[T](msgs)) }
}

func (e *Endpoint) join(t Type) error {
	if s, ok := e.cfg.Transport.(selective); ok {
		return s.joinFor(e.cfg.Context, t)
	}
	return e.cfg.Transport.Join(e.cfg.Context, t.Topic())
}

// Patient says that nobody waits for what the messages of a type bring about: they may wait so long for a transaction that is made for others, or for company.
// A transaction costs the same whatever is in it, so that what can wait costs next to nothing.
func Patient[T Body](e *Endpoint, patience time.Duration) {
	e.handlerOf(typeOf[T]()).patience = patience
}

func typed[T Body](msgs []any) []T {
	all := make([]T, len(msgs))
	for i, m := range msgs {
		all[i] = m.(T)
	}
	return all
}

func typeOf[T Body]() Type {
	var zero T
	return zero.MessageType()
}

func (e *Endpoint) handlerOf(t Type) *handler {
	h := e.handlers[t.String()]
	if h == nil {
		h = &handler{typ: t}
		e.handlers[t.String()] = h
	}
	return h
}

// WhileLeading registers a job that runs only in the process that leads this context, until its ctx ends.
func (e *Endpoint) WhileLeading(job func(ctx context.Context)) { e.jobs = append(e.jobs, job) }

// Leading reports whether this process runs the context's relay and jobs.
func (e *Endpoint) Leading() bool { return e.leading.Load() }

// Start subscribes the handlers and competes for leadership. Errors: what the transport says of a subscription. With an exclusive transport the process that leads
// subscribes, and tries again until it can.
func (e *Endpoint) Start(ctx context.Context) error {
	if e.setup != nil {
		return e.setup
	}
	if err := e.startConsuming(); err != nil {
		return err
	}
	var rctx context.Context
	rctx, e.cancelRelay = context.WithCancel(context.WithoutCancel(ctx))
	lease := e.cfg.DB.NewLease(leaseName, e.cfg.Lease)
	e.relayDone.Go(func() { lease.Run(rctx, e.lead) })
	e.relayDone.Go(func() { e.notifyLoop(rctx) })
	return nil
}

// Stop finishes the handlers that run, gives the rest back, then gives up leadership. Errors: ctx ended first; stopping goes on, and can be waited for by
// another call.
func (e *Endpoint) Stop(ctx context.Context) error {
	if e.cancelRelay == nil {
		return nil
	}
	select {
	case <-e.stop():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping %s: %w", e.cfg.Context, ctx.Err())
	}
}

func (e *Endpoint) stopAll() <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		e.stopConsuming()
		e.cancelRelay()
		e.relayDone.Wait()
	}()
	return stopped
}

func (e *Endpoint) lead(ctx context.Context, token int64) {
	e.cfg.Log.Info("leading", zap.Int64("token", token))
	e.leading.Store(true)
	defer e.leading.Store(false)
	ctx, depose := context.WithCancel(ctx)
	defer depose()
	var jobs sync.WaitGroup
	for _, job := range e.jobs {
		jobs.Go(func() { job(ctx) })
	}
	jobs.Go(func() { e.cfg.DB.Listen(ctx, "outbox", e.relay.wakeUp) })
	e.relay.run(ctx, token)
	depose()
	jobs.Wait()
	e.cfg.Log.Info("not leading any more", zap.Int64("token", token))
}

// notifyLoop tells the leader, when it is another process, that something was committed here: many commits, one notification.
func (e *Endpoint) notifyLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.notify:
		}
		if err := e.cfg.DB.Notify(ctx, "outbox"); err != nil && ctx.Err() == nil {
			e.cfg.Log.Debug("notification lost; the relay polls", zap.Error(err))
		}
	}
}

// forgetLoop deletes what is remembered for Keep only.
func (e *Endpoint) forgetLoop(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := e.forget(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Log.Warn("old keys were not forgotten", zap.Error(err))
		}
	}
}

// forget deletes in small transactions, so that nobody waits long. On SQLite there is no index on the time; rows lie in the order in which they were written, and
// the first young one ends the search.
func (e *Endpoint) forget(ctx context.Context) error {
	const some = 1000
	before := sqldb.Micros(e.cfg.Clock.Now().Add(-e.cfg.Keep))
	statements := []string{
		`DELETE FROM inbox WHERE (consumer, parcel) IN (SELECT consumer, parcel FROM inbox WHERE applied_at < $1 LIMIT $2)`,
		`DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE created_at < $1 LIMIT $2)`,
	}
	if e.cfg.DB.Dialect() == sqldb.SQLite {
		statements = []string{
			`DELETE FROM inbox WHERE applied_at < $1 AND rowid IN (SELECT rowid FROM inbox ORDER BY rowid LIMIT $2)`,
			`DELETE FROM idempotency_keys WHERE created_at < $1 AND rowid IN (SELECT rowid FROM idempotency_keys ORDER BY rowid LIMIT $2)`,
		}
	}
	for _, statement := range statements {
		for n := int64(some); n == some; {
			err := e.cfg.DB.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) (err error) {
				n, err = tx.Exec(ctx, statement, before, some)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
