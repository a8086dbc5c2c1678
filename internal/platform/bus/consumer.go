package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"shop/internal/platform/failpoint"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// consumerWindow is how many messages a consumer has taken from subscriptions and not acknowledged, at most.
const consumerWindow = 1024

// consumer applies messages: those of one key one after the other, those of different keys together in one transaction.
type consumer struct {
	ep     *Endpoint
	kind   *sqldb.Kind
	room   chan struct{} // bounds what subscriptions have taken and not acknowledged; publishers to a sink have a bound of their own
	cancel context.CancelFunc
	subs   []message.Subscriber
	detach []func()
	idle   chan struct{} // closed when it has stopped and nothing runs

	mu       sync.Mutex
	keys     map[string][]*delivery    // present while one of the key is under way or pausing; the rest waits here
	pausing  map[*delivery]*time.Timer // failed, and to be tried again
	running  int                       // handed to the database
	stopping bool
}

// delivery is a message on its way through the consumer.
type delivery struct {
	msg      *message.Message
	id       string
	parcel   string // where the inbox keeps it
	bit      int64
	typ      string
	key      string
	handler  *handler
	subject  telemetry.Subject
	ctx      context.Context // of the attempt that runs
	span     trace.Span      // of the attempt that runs, while its trace is sampled
	failed   string          // traceparent of the attempt that failed last
	done     func(error)     // acknowledges, or gives back
	body     any             // decoded
	broken   error           // why it cannot be decoded
	began    time.Time       // the attempt that runs
	attempts int             // that failed
	waits    int             // times in a row that the database did not answer
	last     error
}

func newConsumer(e *Endpoint) *consumer {
	c := &consumer{
		ep: e, room: make(chan struct{}, consumerWindow), idle: make(chan struct{}),
		keys: map[string][]*delivery{}, pausing: map[*delivery]*time.Timer{},
	}
	c.kind = &sqldb.Kind{Name: "messages", Claims: true, Prepare: c.prepare, Assume: c.assume}
	return c
}

// Topics are those from which the endpoint consumes.
func (e *Endpoint) Topics() []string {
	var topics []string
	for _, h := range e.handlers {
		if !slices.Contains(topics, h.typ.Topic()) {
			topics = append(topics, h.typ.Topic())
		}
	}
	slices.Sort(topics)
	return topics
}

// start subscribes to all topics, or to none.
func (c *consumer) start() error {
	c.ep.consuming.Store(c)
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	for _, topic := range c.ep.Topics() {
		if err := c.subscribe(ctx, topic); err != nil {
			c.stop()
			return fmt.Errorf("subscribing to %s: %w", topic, err)
		}
	}
	return nil
}

// attacher is a transport that delivers to a sink.
type attacher interface {
	attach(group, topic string, s *sink) (detach func(), err error)
}

func (c *consumer) subscribe(ctx context.Context, topic string) error {
	if direct, ok := c.ep.cfg.Transport.(attacher); ok {
		detach, err := direct.attach(c.ep.cfg.Context, topic, &sink{c.put})
		if err == nil {
			c.detach = append(c.detach, detach)
		}
		return err
	}
	sub, err := c.ep.cfg.Transport.Subscriber(c.ep.cfg.Context)
	if err != nil {
		return err
	}
	c.subs = append(c.subs, sub)
	messages, err := sub.Subscribe(ctx, topic)
	if err != nil {
		return err
	}
	go c.take(messages)
	return nil
}

// stop ends the subscriptions, waits for the handlers that run, and gives everything else back unacknowledged.
func (c *consumer) stop() {
	c.cancel()
	for _, detach := range c.detach {
		detach()
	}
	c.giveBack()
	<-c.idle
	for _, s := range c.subs {
		_ = s.Close()
	}
}

// giveBack refuses what is not being applied at the moment, and what comes from now on.
func (c *consumer) giveBack() {
	c.mu.Lock()
	c.stopping = true
	var back []*delivery
	for d, timer := range c.pausing {
		timer.Stop()
		back = append(back, d)
	}
	clear(c.pausing)
	for key, waiting := range c.keys {
		back = append(back, waiting...)
		c.keys[key] = nil
	}
	if c.running == 0 {
		close(c.idle)
	}
	c.mu.Unlock()
	for _, d := range back {
		d.done(ErrClosed)
	}
}

// take moves a subscription's messages in. Each has to be acknowledged in time, so no more are taken than can be.
func (c *consumer) take(messages <-chan *message.Message) {
	for msg := range messages {
		select {
		case c.room <- struct{}{}:
		case <-c.idle:
			msg.Nack()
			continue
		}
		c.put(msg, func(err error) {
			<-c.room
			if err == nil {
				msg.Ack()
			} else {
				msg.Nack()
			}
		})
	}
}

// put admits a message. A type without a handler is somebody else's concern.
func (c *consumer) put(msg *message.Message, done func(error)) {
	h := c.ep.handlers[msg.Metadata.Get(metaType)]
	if h == nil || h.apply == nil {
		done(nil)
		return
	}
	d := &delivery{msg: msg, id: storable(msg.Metadata.Get(metaID)), typ: h.typ.String(), key: storable(msg.Metadata.Get(metaSubject)), handler: h, done: done}
	if d.id == "" {
		d.id = storable(msg.UUID)
	}
	d.parcel, d.bit = placeOf(d.id)
	c.admit(d)
}

// decode makes the message's body of its payload, in the lane that will apply it. A message that never left the process brings its body along.
func (d *delivery) decode() {
	if d.body != nil || d.broken != nil {
		return
	}
	if body := bodyOf(d.msg); body != nil && d.handler.takes(body) {
		d.body = body
		d.verify()
		return
	}
	if d.body, d.broken = d.handler.decode(d.msg.Payload); d.broken != nil {
		d.body, d.broken = nil, fmt.Errorf("decoding: %w", d.broken)
	}
}

// admit starts a message, or lets it wait for the one of its key that is under way.
func (c *consumer) admit(d *delivery) {
	c.mu.Lock()
	if c.stopping {
		c.mu.Unlock()
		d.done(ErrClosed)
		return
	}
	if waiting, busy := c.keys[d.key]; busy {
		c.keys[d.key] = append(waiting, d)
		c.mu.Unlock()
		return
	}
	c.keys[d.key] = nil
	c.running++
	c.mu.Unlock()
	c.submit(d)
}

// submit hands the message to the database, where it shares a transaction with whatever else waits: to be applied, or, when that was tried often enough, to
// be buried.
func (c *consumer) submit(d *delivery) {
	d.began = time.Now()
	d.begin(c.ep)
	job, buried := sqldb.Job{Key: d.key, Kind: c.kind, Arg: d, Run: d.run(c.ep), Patience: d.handler.patience}, false
	if d.broken != nil || d.attempts >= c.ep.cfg.Attempts {
		job, buried = c.burial(d), true
	}
	done := func(err error) { c.settle(d, buried, err) }
	if err := c.ep.cfg.DB.Push(d.ctx, job, done); err != nil {
		done(err)
	}
}

// settle decides what follows an attempt: the next of the key, another attempt, or the dead letters.
func (c *consumer) settle(d *delivery, buried bool, err error) {
	d.measure(buried, err)
	d.end(buried, err)
	if err == nil {
		if buried {
			c.ep.cfg.Log.Error("message became a dead letter", d.fields()...)
		}
		failpoint.Hit("before_ack")
		d.done(nil)
		failpoint.Hit("after_ack")
		c.next(d.key)
		return
	}
	pause := c.fail(d, buried, err)
	c.mu.Lock()
	switch {
	case c.stopping:
		c.mu.Unlock()
		d.done(ErrClosed)
		c.rest()
	case pause == 0:
		c.mu.Unlock()
		c.submit(d)
	default:
		c.running--
		c.pausing[d] = time.AfterFunc(pause, func() { c.resume(d) })
		c.mu.Unlock()
	}
}

// resume tries a message again after its pause.
func (c *consumer) resume(d *delivery) {
	c.mu.Lock()
	if _, paused := c.pausing[d]; !paused { // given back
		c.mu.Unlock()
		return
	}
	delete(c.pausing, d)
	c.running++
	c.mu.Unlock()
	c.submit(d)
}

// fail takes note of a failure and says when to try again. A database that does not answer is no failure of the message.
func (c *consumer) fail(d *delivery, buried bool, err error) (pause time.Duration) {
	if errors.Is(err, sqldb.ErrUnavailable) {
		d.waits++
		return c.pause(d.waits)
	}
	d.waits = 0
	if buried {
		c.ep.cfg.Log.Error("a dead letter cannot be stored", append(d.fields(), zap.NamedError("store_error", err))...)
		return c.pause(c.ep.cfg.Attempts)
	}
	d.attempts++
	d.last = err
	c.ep.cfg.Log.Warn("handler failed", d.fields()...)
	if d.broken != nil || d.attempts >= c.ep.cfg.Attempts {
		return 0 // to its burial
	}
	d.handler.timers.retries.Inc()
	return c.pause(d.attempts)
}

// next starts the message that waited behind one that is done.
func (c *consumer) next(key string) {
	c.mu.Lock()
	waiting := c.keys[key]
	if len(waiting) == 0 {
		delete(c.keys, key)
		c.mu.Unlock()
		c.rest()
		return
	}
	c.keys[key] = waiting[1:]
	c.mu.Unlock()
	c.submit(waiting[0])
}

// rest notes that one of the messages that ran has no successor.
func (c *consumer) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if c.stopping && c.running == 0 {
		close(c.idle)
	}
}

// pause is the backoff before the n-th repetition: doubled each time up to 64 times the first, give or take a quarter.
func (c *consumer) pause(n int) time.Duration {
	d := c.ep.cfg.Backoff << min(n-1, 6)
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}

// burial is the job that puts a message into the dead letters.
func (c *consumer) burial(d *delivery) sqldb.Job {
	if d.broken != nil {
		d.last = d.broken
	}
	return sqldb.Job{Key: d.key, Run: func(_ context.Context, tx *sqldb.Tx) error {
		return c.ep.queueDeadLetter(tx, d, "dead", d.last.Error())
	}}
}

func (d *delivery) fields() []zap.Field {
	return []zap.Field{zap.String("type", d.typ), zap.Int("attempts", d.attempts), zap.Error(d.last), telemetry.Fields(d.ctx)}
}

// context carries the message's trace and says what it is about, and makes it the cause of what its handler publishes.
func (d *delivery) context(ctx context.Context) context.Context {
	d.subject = telemetry.SubjectOfMessage(d.id, d.key)
	return telemetry.WithTraceparent(messageContext{ctx, d}, d.msg.Metadata.Get(metaTraceparent))
}

// messageContext is a context with what a delivery knows.
type messageContext struct {
	context.Context
	d *delivery
}

// Value implements context.Context.
func (c messageContext) Value(key any) any {
	switch key {
	case telemetry.SubjectKey{}:
		return &c.d.subject
	case causeKey{}:
		return Cause{MessageID: c.d.id, Correlation: c.d.msg.Metadata.Get(metaCorrelation)}
	}
	return c.Context.Value(key)
}
