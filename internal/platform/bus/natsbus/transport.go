package natsbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"shop/internal/platform/bus"
)

const (
	width           = 1024                   // publishes under way
	connectTime     = 3 * time.Second        // until Open gives up
	publishTime     = 5 * time.Second        // until an acknowledgement counts as lost
	askTime         = time.Second            // until a question to a broker that was there counts as unanswered
	provisionTime   = 5 * time.Second        // until a stream or a consumer is made
	reconnectPause  = 200 * time.Millisecond // between attempts, for ever
	pingInterval    = 5 * time.Second        // two without an answer end a connection
	closingPatience = 5 * time.Second
)

var errDisconnected = errors.New("nats: not connected")

// Options is what Open needs beside the URL. Both may be left out.
type Options struct {
	Log        *zap.Logger
	ClientName string // in the broker's diagnosis
}

// Transport is a bus.Transport over JetStream. It reconnects for ever.
type Transport struct {
	*bus.Pipeline
	set    settings
	log    *zap.Logger
	conn   *nats.Conn
	js     jetstream.JetStream
	gone   chan struct{}  // closed when the connection is closed for good
	asking sync.WaitGroup // calls that need the connection

	provisioning sync.Mutex

	mu          sync.Mutex
	closed      bool
	session     context.Context // ends with the connection to a server
	disconnect  context.CancelFunc
	known       map[string]bool // topics whose stream and groups were seen or made in this process
	joined      map[string][]string
	subscribers []*subscriber
}

var _ bus.Exclusive = (*Transport)(nil)

// Open connects to the first server of the URL that answers. Errors: a URL that is none; that nobody answers, within seconds.
func Open(url string, o Options) (*Transport, error) {
	set, err := parse(url)
	if err != nil {
		return nil, err
	}
	t := &Transport{set: set, log: o.Log, gone: make(chan struct{}), known: map[string]bool{}, joined: map[string][]string{}}
	if t.log == nil {
		t.log = zap.NewNop()
	}
	t.session, t.disconnect = context.WithCancel(context.Background())
	if o.ClientName == "" {
		o.ClientName = "shop"
	}
	options := []nats.Option{
		nats.Name(o.ClientName), nats.Timeout(connectTime), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectPause), nats.PingInterval(pingInterval),
		nats.ReconnectBufSize(-1), // what cannot be sent fails at once, and the outbox keeps it
		nats.IgnoreAuthErrorAbort(),
		nats.DisconnectErrHandler(t.disconnected), nats.ReconnectHandler(t.reconnected),
		nats.ClosedHandler(func(*nats.Conn) { close(t.gone) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.log.Warn("nats", zap.Error(err)) }),
	}
	if set.tls {
		options = append(options, nats.Secure())
	}
	if t.conn, err = nats.Connect(set.servers, options...); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	if t.js, err = jetstream.New(t.conn, jetstream.WithDefaultTimeout(provisionTime)); err != nil {
		t.conn.Close()
		return nil, err
	}
	t.Pipeline = bus.NewPipeline(t.publishAll, width)
	return t, nil
}

// Exclusive says that one process of a group consumes at a time.
func (t *Transport) Exclusive() {}

func (t *Transport) disconnected(_ *nats.Conn, err error) {
	t.log.Warn("nats: disconnected", zap.Error(err))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.disconnect()
}

func (t *Transport) reconnected(c *nats.Conn) {
	t.log.Info("nats: connected again", zap.String("server", c.ConnectedServerName()))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.disconnect()
	t.session, t.disconnect = context.WithCancel(context.Background())
	clear(t.known) // it may be another server, or one that lost what it had
}

// link is a context that ends with the connection to the server: an answer that is awaited then never comes.
func (t *Transport) link() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.session
}

// begin counts a call that needs the connection. Errors: bus.ErrClosed, or that there is no connection.
func (t *Transport) begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return bus.ErrClosed
	}
	if !t.conn.IsConnected() {
		return errDisconnected
	}
	t.asking.Add(1)
	return nil
}

// Publish stores the messages and waits until the stream has all of them. Those of one key get there in their order.
func (t *Transport) Publish(topic string, messages ...*message.Message) error {
	results := make(chan error, len(messages))
	for _, msg := range messages {
		t.Send(topic, msg, func(err error) { results <- err })
	}
	var first error
	for range messages {
		if err := <-results; err != nil && first == nil {
			first = fmt.Errorf("nats %s: %w", topic, err)
		}
	}
	return first
}

// publishAll is what the pipeline calls, with one message at a time.
func (t *Transport) publishAll(topic string, messages ...*message.Message) error {
	if err := t.begin(); err != nil {
		return err
	}
	defer t.asking.Done()
	ctx, cancel := context.WithTimeout(t.link(), publishTime)
	defer cancel()
	if err := t.provision(ctx, topic); err != nil {
		return err
	}
	for _, msg := range messages {
		_, err := t.js.PublishMsg(ctx, toNATS(topic, msg), jetstream.WithMsgID(idOf(msg)), jetstream.WithExpectStream(streamName(topic)), jetstream.WithRetryAttempts(0))
		if err != nil {
			if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrStreamNotFound) {
				t.forget(topic)
			}
			return err
		}
	}
	return nil
}

// System is what OpenTelemetry calls the broker.
func (t *Transport) System() string { return "nats" }

// Declare creates the topic's stream if it is not there. Errors: that the broker does not answer, after a second if it did before.
func (t *Transport) Declare(topic string) error {
	if err := t.begin(); err != nil {
		return err
	}
	defer t.asking.Done()
	if t.isKnown(topic) {
		ctx, cancel := context.WithTimeout(t.link(), askTime)
		defer cancel()
		if _, err := t.js.Stream(ctx, streamName(topic)); !errors.Is(err, jetstream.ErrStreamNotFound) {
			return wrap(topic, err)
		}
		t.forget(topic)
	}
	ctx, cancel := context.WithTimeout(t.link(), provisionTime)
	defer cancel()
	return wrap(topic, t.provision(ctx, topic))
}

// Join makes sure that the group has a durable consumer: from now on, messages wait for it.
func (t *Transport) Join(group, topic string) error {
	if err := t.begin(); err != nil {
		return err
	}
	defer t.asking.Done()
	ctx, cancel := context.WithTimeout(t.link(), provisionTime)
	defer cancel()
	t.remember(group, topic)
	if err := t.provision(ctx, topic); err != nil {
		return wrap(topic, err)
	}
	return wrap(topic, t.joinGroup(ctx, group, topic))
}

func wrap(topic string, err error) error {
	if err != nil {
		return fmt.Errorf("nats %s: %w", topic, err)
	}
	return nil
}

// Subscriber is the receiving side of a group. There is to be one at a time: a second one takes over from the first.
func (t *Transport) Subscriber(group string) (message.Subscriber, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, bus.ErrClosed
	}
	s := newSubscriber(t, group)
	t.subscribers = append(t.subscribers, s)
	return s, nil
}

// Close ends all subscriptions and waits for what is under way. It may be called again.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	subscribers := t.subscribers
	t.subscribers = nil
	t.mu.Unlock()
	t.Pipeline.Close()
	for _, s := range subscribers {
		_ = s.Close()
	}
	t.asking.Wait()
	t.conn.Close()
	select {
	case <-t.gone:
	case <-time.After(closingPatience):
	}
	return nil
}
