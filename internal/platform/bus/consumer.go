package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"shop/internal/platform/failpoint"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// consumerWindow is how many messages a consumer has taken and not acknowledged, at most.
const consumerWindow = 1024

// consumer applies messages: those of one key one after the other, those of different keys together in one transaction. One goroutine owns its state.
type consumer struct {
	ep       *Endpoint
	kind     *sqldb.Kind
	incoming chan *delivery
	finished chan outcome
	due      chan *delivery
	quit     chan struct{} // closed by stop
	gone     chan struct{} // closed when the loop has ended
	cancel   context.CancelFunc
	subs     []message.Subscriber

	keys    map[string][]*delivery    // present while one of the key is under way or pausing; the rest waits here
	pausing map[*delivery]*time.Timer // failed, and to be tried again
	held    int                       // taken and not acknowledged
	running int                       // handed to the database
}

// delivery is a message on its way through the consumer.
type delivery struct {
	msg      *message.Message
	id       string
	typ      string
	key      string
	handler  *handler
	body     any   // decoded
	broken   error // why it cannot be decoded
	attempts int   // that failed
	waits    int   // times in a row that the database did not answer
	last     error
}

type outcome struct {
	d      *delivery
	err    error
	buried bool
}

func newConsumer(e *Endpoint) *consumer {
	c := &consumer{
		ep: e, incoming: make(chan *delivery), finished: make(chan outcome, consumerWindow), due: make(chan *delivery, consumerWindow),
		quit: make(chan struct{}), gone: make(chan struct{}), keys: map[string][]*delivery{}, pausing: map[*delivery]*time.Timer{},
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
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go c.loop()
	for _, topic := range c.ep.Topics() {
		if err := c.subscribe(ctx, topic); err != nil {
			c.stop()
			return fmt.Errorf("subscribing to %s: %w", topic, err)
		}
	}
	return nil
}

func (c *consumer) subscribe(ctx context.Context, topic string) error {
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
	close(c.quit)
	<-c.gone
	for _, s := range c.subs {
		_ = s.Close()
	}
}

// take moves a subscription's messages into the loop. A type without a handler is somebody else's concern.
func (c *consumer) take(messages <-chan *message.Message) {
	for msg := range messages {
		h := c.ep.handlers[msg.Metadata.Get(metaType)]
		if h == nil || h.apply == nil {
			msg.Ack()
			continue
		}
		d := &delivery{msg: msg, id: storable(msg.Metadata.Get(metaID)), typ: h.typ.String(), key: storable(msg.Metadata.Get(metaSubject)), handler: h}
		if d.id == "" {
			d.id = storable(msg.UUID)
		}
		if d.body, d.broken = h.decode(msg.Payload); d.broken != nil {
			d.broken = fmt.Errorf("decoding: %w", d.broken)
		}
		select {
		case c.incoming <- d:
		case <-c.gone:
			msg.Nack()
		}
	}
}

func (c *consumer) loop() {
	defer close(c.gone)
	quit := c.quit
	for stopping := false; !stopping || c.running > 0; {
		incoming := c.incoming
		if stopping || c.held >= consumerWindow {
			incoming = nil
		}
		select {
		case d := <-incoming:
			c.admit(d)
		case o := <-c.finished:
			c.running--
			c.settle(o, stopping)
		case d := <-c.due:
			delete(c.pausing, d)
			if !stopping {
				c.submit(d)
			}
		case <-quit:
			stopping, quit = true, nil
			c.giveBack()
		}
	}
}

// giveBack refuses what is not being applied at the moment.
func (c *consumer) giveBack() {
	for d, timer := range c.pausing {
		timer.Stop()
		d.msg.Nack()
	}
	for key, waiting := range c.keys {
		for _, d := range waiting {
			d.msg.Nack()
		}
		c.keys[key] = nil
	}
}

// admit starts a message, or lets it wait for the one of its key that is under way.
func (c *consumer) admit(d *delivery) {
	c.held++
	if waiting, busy := c.keys[d.key]; busy {
		c.keys[d.key] = append(waiting, d)
		return
	}
	c.keys[d.key] = nil
	c.submit(d)
}

// submit hands the message to the database, where it shares a transaction with whatever else waits: to be applied, or, when that was tried often enough, to
// be buried.
func (c *consumer) submit(d *delivery) {
	c.running++
	job, buried := sqldb.Job{Key: d.key, Kind: c.kind, Arg: d, Run: d.run(c.ep)}, false
	if d.broken != nil || d.attempts >= c.ep.cfg.Attempts {
		job, buried = c.burial(d), true
	}
	done := func(err error) { c.finished <- outcome{d: d, err: err, buried: buried} }
	if err := c.ep.cfg.DB.Submit(context.Background(), job, done); err != nil {
		done(err)
	}
}

// settle decides what follows an attempt: the next of the key, another attempt, or the dead letters.
func (c *consumer) settle(o outcome, stopping bool) {
	d := o.d
	if o.err == nil {
		if o.buried {
			c.ep.cfg.Log.Error("message became a dead letter", d.fields()...)
		}
		failpoint.Hit("before_ack")
		d.msg.Ack()
		failpoint.Hit("after_ack")
		c.next(d.key)
		return
	}
	pause := c.fail(d, o)
	switch {
	case stopping:
		d.msg.Nack()
	case pause == 0:
		c.submit(d)
	default:
		c.pausing[d] = time.AfterFunc(pause, func() { c.due <- d })
	}
}

// fail takes note of a failure and says when to try again. A database that does not answer is no failure of the message.
func (c *consumer) fail(d *delivery, o outcome) (pause time.Duration) {
	if errors.Is(o.err, sqldb.ErrUnavailable) {
		d.waits++
		return c.pause(d.waits)
	}
	d.waits = 0
	if o.buried {
		c.ep.cfg.Log.Error("a dead letter cannot be stored", append(d.fields(), zap.NamedError("store_error", o.err))...)
		return c.pause(c.ep.cfg.Attempts)
	}
	d.attempts++
	d.last = o.err
	c.ep.cfg.Log.Warn("handler failed", d.fields()...)
	if d.attempts >= c.ep.cfg.Attempts {
		return 0 // to its burial
	}
	return c.pause(d.attempts)
}

// next starts the message that waited behind one that is done.
func (c *consumer) next(key string) {
	c.held--
	waiting := c.keys[key]
	if len(waiting) == 0 {
		delete(c.keys, key)
		return
	}
	c.keys[key] = waiting[1:]
	c.submit(waiting[0])
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
	return []zap.Field{zap.String("type", d.typ), zap.String("key", d.key), zap.String("message_id", d.id),
		zap.Int("attempts", d.attempts), zap.Error(d.last), telemetry.Fields(d.context(context.Background()))}
}

// context carries the message's trace and makes it the cause of what its handler publishes.
func (d *delivery) context(ctx context.Context) context.Context {
	ctx = telemetry.WithTraceparent(ctx, d.msg.Metadata.Get(metaTraceparent))
	return withCause(ctx, Cause{MessageID: d.id, Correlation: d.msg.Metadata.Get(metaCorrelation)})
}
