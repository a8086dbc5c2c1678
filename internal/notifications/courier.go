package notifications

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"shop/internal/platform/failpoint"
	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

const (
	courierBatch  = 256                    // intents read at once
	courierGather = 50 * time.Millisecond  // between being woken and looking: intents that come together share statements and commits
	recordPause   = 100 * time.Millisecond // between two tries to write an outcome down
	recordAtMost  = 3 * time.Second        // for one try, also while stopping
	longestSilent = time.Minute            // between two tries to reach a mail server
)

// courier sends what is due, in the process that leads. Should two do it, the claims see to it that each message has one sender.
type courier struct {
	m       *Module
	mail    *smtpSender // nil: messages are only noted
	senders int
	lease   time.Duration // for an attempt: what is not over by then is unknown
	poll    time.Duration
	grace   time.Duration // how long a stop waits for a mail server
	wake    chan struct{}

	silent int       // times in a row that the mail server could not be reached
	until  time.Time // when it is tried again
}

func newCourier(m *Module, n Needs) *courier {
	c := &courier{m: m, senders: n.Senders, lease: 4 * n.Timeout, poll: n.Poll, grace: 2 * time.Second, wake: make(chan struct{}, 1)}
	if n.Mail != nil {
		c.mail = &smtpSender{mail: *n.Mail, timeout: n.Timeout}
	}
	return c
}

// wakeUp says that something was committed that is due.
func (c *courier) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends.
func (c *courier) run(ctx context.Context) {
	tick := time.NewTicker(c.poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		for more := true; more && ctx.Err() == nil && !time.Now().Before(c.until); {
			var err error
			if more, err = c.round(ctx); err != nil && ctx.Err() == nil {
				c.m.log.Warn("messages wait: the database does not answer", telemetry.Fields(ctx), zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-c.wake:
			select {
			case <-ctx.Done():
			case <-time.After(courierGather):
			}
		}
	}
}

// round reads what is due and deals with it. It reports whether there may be more.
func (c *courier) round(ctx context.Context) (more bool, err error) {
	due, err := c.m.due(ctx, c.m.clock.Now(), courierBatch)
	if err != nil || len(due) == 0 {
		return false, err
	}
	var decided []decision
	var ready []intent
	for _, in := range due {
		d := decision{intent: in}
		switch {
		case in.State == sending: // the process died, or could not write the outcome down
			d.to, d.problem = unknown, "the process that sent it did not come back"
		case in.Erased:
			d.to, d.problem = skipped, wasErased
		case in.Email == "":
			d.to, d.problem = skipped, noAddress
		case c.mail == nil:
			d.to, d.channel = sent, "log"
		default:
			ready = append(ready, in)
			continue
		}
		decided = append(decided, d)
	}
	if err := c.decide(ctx, decided); err != nil {
		return false, err
	}
	if len(ready) > 0 && !c.deliver(ctx, ready) {
		return false, nil
	}
	return len(due) == courierBatch || len(ready) > 0, nil
}

// decision is what an intent becomes without a mail server.
type decision struct {
	intent  intent
	to      state
	channel string
	problem string
}

// decide writes decisions down, all in one transaction, and tells of them. Errors: sqldb.ErrUnavailable.
func (c *courier) decide(ctx context.Context, decided []decision) error {
	if len(decided) == 0 {
		return nil
	}
	now := c.m.clock.Now()
	err := c.m.db.Write(ctx, "", func(_ context.Context, tx *sqldb.Tx) error {
		for _, d := range decided {
			decide(tx, d.intent, d.to, d.channel, d.problem, now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range decided {
		switch d.to {
		case sent:
			c.m.log.Info("a customer would be written to; no mail server is configured", d.intent.fields(ctx)...)
		case unknown:
			c.m.log.Error("it is unknown whether a message was sent: an operator must decide", d.intent.fields(ctx)...)
		default:
			c.m.log.Debug("nobody to write to", d.intent.fields(ctx)...)
		}
	}
	return nil
}

// fields name an intent in the log, and nobody's address. They lead to its order's trace, if that is recorded.
func (in intent) fields(ctx context.Context, more ...zap.Field) []zap.Field {
	if in.Traceparent != "" {
		ctx = telemetry.WithTraceparent(ctx, in.Traceparent)
	}
	return append([]zap.Field{telemetry.FieldsOf(ctx, in.orderID()), zap.String("notification_id", in.ID), zap.String("kind", string(in.kind()))}, more...)
}

// deliver sends all, over several connections at once, and reports whether the mail server could be reached. When ctx ends, what is being said to a server may be said to its end, for
// a short while.
func (c *courier) deliver(ctx context.Context, ready []intent) bool {
	queue := make(chan intent, len(ready))
	for _, in := range ready {
		queue <- in
	}
	close(queue)
	var senders sync.WaitGroup
	var reached atomic.Bool
	var refused atomic.Pointer[error]
	for range min(c.senders, len(ready)) {
		senders.Go(func() {
			if err := c.send(ctx, queue, &reached); err != nil {
				refused.Store(&err)
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		senders.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-ctx.Done():
		select {
		case <-finished:
		case <-time.After(c.grace):
		}
		return false
	}
	if reached.Load() {
		c.silent = 0
		return true
	}
	if err := refused.Load(); err != nil {
		c.silence(*err)
	}
	return false
}

// silence lets some time pass before the mail server is tried again. That is nobody's attempt: messages wait for as long as it takes.
func (c *courier) silence(err error) {
	pause := min(time.Second<<min(c.silent, 10), longestSilent)
	c.silent++
	c.until = time.Now().Add(pause)
	c.m.log.Warn("the mail server cannot be used; messages wait", zap.Error(err), zap.Duration("again_in", pause))
	time.AfterFunc(pause, c.wakeUp)
}

// attempt is one that was claimed.
type attempt struct {
	intent
	name string // of the claim
	outcome
}

// send takes intents from the queue until it is empty, over one connection after the other. Each transaction writes down what came of one message and claims the next. Errors: the
// mail server cannot be reached; the database does not answer.
func (c *courier) send(ctx context.Context, queue <-chan intent, reached *atomic.Bool) error {
	var line *connection
	defer func() { line.hangUp() }()
	var last *attempt
	for in := range queue {
		if ctx.Err() != nil {
			break
		}
		if line == nil {
			var err error
			if line, err = c.mail.connect(ctx); err != nil {
				return errors.Join(err, c.settle(ctx, last, nil))
			}
			reached.Store(true)
		}
		next := &attempt{intent: in, name: id.New("try")}
		if err := c.settle(ctx, last, next); err != nil {
			return err
		}
		if last = next; last.name == "" {
			last = nil // somebody else has it
			continue
		}
		failpoint.Hit("before_mail")
		last.outcome = c.traced(ctx, line, last.intent)
		failpoint.Hit("after_mail")
		c.tell(ctx, last)
		if !last.usable {
			line.hangUp()
			line = nil
		}
	}
	return c.settle(ctx, last, nil)
}

// settle writes down the outcome of an attempt, and claims the next; either may be nil. A next that somebody else has loses its name. An outcome is tried to be written until ctx ends; once
// more then. Errors: sqldb.ErrUnavailable.
func (c *courier) settle(ctx context.Context, last, next *attempt) error {
	if last == nil && next == nil {
		return nil
	}
	for {
		err := c.settleOnce(ctx, last, next)
		if err == nil || ctx.Err() != nil || last == nil {
			return err
		}
		c.m.log.Warn("the outcome of a message cannot be written down", last.fields(ctx, zap.Error(err))...)
		select {
		case <-ctx.Done():
		case <-time.After(recordPause):
		}
	}
}

func (c *courier) settleOnce(ctx context.Context, last, next *attempt) error {
	now := c.m.clock.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordAtMost)
	defer cancel()
	ctx = last.within(next.within(ctx))
	claimed := false
	err := c.m.db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		if next != nil {
			if claimed, err = claim(ctx, tx, next.ID, next.name, now, now.Add(c.lease)); err != nil {
				return err
			}
		}
		if last != nil {
			record(tx, last.ID, last.name, "smtp", last.problem, last.after(last.Attempts+1, now), now)
		}
		return nil
	})
	if err == nil && next != nil && !claimed {
		next.name = ""
	}
	return err
}

// tell logs what came of an attempt. What a mail server says may name the address, so it is for the operator's eyes only: see the notification's problem.
func (c *courier) tell(ctx context.Context, a *attempt) {
	switch a.state {
	case sent:
		c.m.log.Debug("message sent", a.fields(ctx)...)
	case unknown:
		c.m.log.Error("it is unknown whether a message was sent: an operator must decide", a.fields(ctx)...)
	case failed:
		c.m.log.Warn("the mail server refuses a message", a.fields(ctx)...)
	default:
		c.m.log.Info("a message could not be sent for the moment", a.fields(ctx)...)
	}
}
