package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

	keys    map[string][]*delivery // present while one of the key is under way or pausing; the rest waits here
	held    int                    // taken and not acknowledged
	running int                    // handed to the database
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
	attempts int
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
		quit: make(chan struct{}), gone: make(chan struct{}), keys: map[string][]*delivery{},
	}
	c.kind = &sqldb.Kind{Name: "messages", Claims: true, Prepare: c.prepare}
	return c
}

func (c *consumer) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	for _, topic := range c.ep.Topics() {
		sub, err := c.ep.cfg.Transport.Subscriber(c.ep.cfg.Context)
		if err != nil {
			cancel()
			return fmt.Errorf("subscribing to %s: %w", topic, err)
		}
		c.subs = append(c.subs, sub)
		messages, err := sub.Subscribe(ctx, topic)
		if err != nil {
			cancel()
			return fmt.Errorf("subscribing to %s: %w", topic, err)
		}
		go c.take(messages)
	}
	go c.loop()
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
		d := &delivery{msg: msg, id: msg.Metadata.Get(metaID), typ: h.typ.String(), key: msg.Metadata.Get(metaSubject), handler: h}
		if d.id == "" {
			d.id = msg.UUID
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
			if stopping {
				d.msg.Nack()
			} else {
				c.submit(d)
			}
		case <-quit:
			stopping, quit = true, nil
			for key, waiting := range c.keys {
				for _, d := range waiting {
					d.msg.Nack()
				}
				c.keys[key] = nil
			}
		}
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

// submit hands the message to the database, where it shares a transaction with whatever else waits.
func (c *consumer) submit(d *delivery) {
	c.running++
	job := sqldb.Job{Key: d.key, Kind: c.kind, Arg: d, Run: d.run(c.ep)}
	done := func(err error) { c.finished <- outcome{d: d, err: err} }
	if d.broken != nil {
		job, done = c.burial(d, d.broken)
	}
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
	d.last = o.err
	if !errors.Is(o.err, sqldb.ErrUnavailable) {
		d.attempts++
		c.ep.cfg.Log.Warn("handler failed", d.fields()...)
	}
	switch {
	case stopping:
		d.msg.Nack()
	case d.attempts >= c.ep.cfg.Attempts && !errors.Is(o.err, sqldb.ErrUnavailable):
		c.bury(d)
	default:
		time.AfterFunc(c.pause(d.attempts), func() { c.due <- d })
	}
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

func (c *consumer) pause(attempts int) time.Duration {
	d := c.ep.cfg.Backoff << min(max(attempts-1, 0), 6)
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}

func (c *consumer) bury(d *delivery) {
	c.running++
	job, done := c.burial(d, d.last)
	if err := c.ep.cfg.DB.Submit(context.Background(), job, done); err != nil {
		done(err)
	}
}

// burial is the job that puts a message into the dead letters.
func (c *consumer) burial(d *delivery, cause error) (sqldb.Job, func(error)) {
	d.last = cause
	run := func(ctx context.Context, tx *sqldb.Tx) error {
		return c.ep.insertDeadLetter(ctx, tx, d, "dead", cause.Error())
	}
	return sqldb.Job{Key: d.key, Run: run}, func(err error) { c.finished <- outcome{d: d, err: err, buried: true} }
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

// verdict says what is to be done with a message of a batch.
type verdict uint8

const (
	claimed   verdict = iota + 1 // its inbox row was written just now: apply it
	duplicate                    // it was applied before
	parked                       // its key waits behind a dead letter
)

type verdictKey struct{ consumer, message string }

var claimInbox = sqldb.Many{
	SQL: `INSERT INTO inbox (consumer, message_id, applied_at) SELECT r.consumer, r.message_id, r.applied_at FROM {rows}
		WHERE NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.consumer = r.consumer AND d.key = r.key)
		ON CONFLICT (consumer, message_id) DO NOTHING RETURNING message_id`,
	Columns: "consumer text, message_id text, key text, applied_at bigint",
}

// prepare claims the inbox rows of all messages in the batch with one statement, then loads what their handlers will want.
func (c *consumer) prepare(ctx context.Context, tx *sqldb.Tx, args []any) error {
	rows, now := make([][]any, len(args)), sqldb.Micros(c.ep.cfg.Clock.Now())
	for i, a := range args {
		d := a.(*delivery)
		rows[i] = []any{c.ep.cfg.Context, d.id, d.key, now}
	}
	var fresh []string
	if err := sqldb.SelectMany(ctx, tx, &claimInbox, rows, &fresh); err != nil {
		return err
	}
	for _, id := range fresh {
		tx.SetLocal(verdictKey{c.ep.cfg.Context, id}, claimed)
	}
	if len(fresh) < len(args) {
		if err := c.judgeRest(ctx, tx, args); err != nil {
			return err
		}
	}
	return c.prefetch(ctx, tx, args)
}

// judgeRest tells duplicates from messages that must park.
func (c *consumer) judgeRest(ctx context.Context, tx *sqldb.Tx, args []any) error {
	var ids, known []string
	for _, a := range args {
		if _, ok := tx.Local(verdictKey{c.ep.cfg.Context, a.(*delivery).id}); !ok {
			ids = append(ids, a.(*delivery).id)
		}
	}
	if err := tx.Select(ctx, &known, `SELECT message_id FROM inbox WHERE consumer = $1 AND message_id IN {$2}`, c.ep.cfg.Context, ids); err != nil {
		return err
	}
	for _, id := range ids {
		tx.SetLocal(verdictKey{c.ep.cfg.Context, id}, parked)
	}
	for _, id := range known {
		tx.SetLocal(verdictKey{c.ep.cfg.Context, id}, duplicate)
	}
	return nil
}

func (c *consumer) prefetch(ctx context.Context, tx *sqldb.Tx, args []any) error {
	bodies := map[*handler][]any{}
	var order []*handler
	for _, a := range args {
		d := a.(*delivery)
		if v, _ := tx.Local(verdictKey{c.ep.cfg.Context, d.id}); v != claimed || d.handler.prefetch == nil {
			continue
		}
		if bodies[d.handler] == nil {
			order = append(order, d.handler)
		}
		bodies[d.handler] = append(bodies[d.handler], d.body)
	}
	for _, h := range order {
		if err := h.prefetch(ctx, tx, bodies[h]); err != nil {
			return fmt.Errorf("prefetching for %s: %w", h.typ, err)
		}
	}
	return nil
}

// run applies the message in the batch's transaction.
func (d *delivery) run(e *Endpoint) func(ctx context.Context, tx *sqldb.Tx) error {
	return func(ctx context.Context, tx *sqldb.Tx) error {
		v, _ := tx.Local(verdictKey{e.cfg.Context, d.id})
		switch v {
		case duplicate:
			return nil
		case parked:
			return e.insertDeadLetter(ctx, tx, d, "parked", "parked behind a dead letter of the same key")
		}
		return d.handler.apply(d.context(ctx), tx, d.body)
	}
}
