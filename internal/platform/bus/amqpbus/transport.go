package amqpbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"

	"shop/internal/platform/bus"
)

const (
	width    = 1024 // messages under way to the broker
	patience = time.Second
	slowness = 10 * time.Second
)

// Options is what Open needs beside the URL. Both may be left out.
type Options struct {
	Log        *zap.Logger
	ClientName string // of the connections, in the broker's management
}

// Transport is a bus.Transport over AMQP. It has a connection to publish and one to consume: a broker that is short of memory or disk stops reading from the first.
type Transport struct {
	*bus.Pipeline
	log       *zap.Logger
	topology  *topology
	out, in   *line
	publisher *publisher

	mu          sync.Mutex
	closed      bool
	subscribers []*subscriber
	asking      sync.WaitGroup
}

var _ bus.Transport = (*Transport)(nil)

// Open connects. Errors: a URL that is none; after three seconds, that nobody answers; that the broker does not let us in.
func Open(url string, o Options) (*Transport, error) {
	set, err := parse(url)
	if err != nil {
		return nil, err
	}
	if set.client = o.ClientName; set.client == "" {
		set.client = "shop"
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	t := &Transport{log: o.Log, topology: &topology{set: set, groups: map[string][]string{}}}
	t.out, t.in = newLine(set, "publishes"), newLine(set, "consumes")
	t.publisher = &publisher{line: t.out, topology: t.topology}
	t.Pipeline = bus.NewPipeline(t.publisher.publish, width)
	if _, err := t.out.connection(); err != nil {
		return nil, fmt.Errorf("amqp %s: %w", set.host, err)
	}
	return t, nil
}

// Publish sends the messages and waits until the broker has all of them on disk. Those of one key arrive in their order.
func (t *Transport) Publish(topic string, messages ...*message.Message) error {
	results := make(chan error, len(messages))
	for _, msg := range messages {
		t.Send(topic, msg, func(err error) { results <- err })
	}
	var first error
	for range messages {
		if err := <-results; err != nil && first == nil {
			first = fmt.Errorf("amqp %s: %w", topic, err)
		}
	}
	return first
}

// System is what OpenTelemetry calls the broker.
func (t *Transport) System() string { return "rabbitmq" }

// Declare makes the topic's exchange, and the queues of the groups that joined; for commands also those of the context that they are addressed to. Errors: the broker
// does not answer, after a second, or has the topic with another number of partitions.
func (t *Transport) Declare(topic string) error { return t.join("", topic) }

// Join makes the group's queues on the topic, which keep every message from now on until it is acknowledged.
func (t *Transport) Join(group, topic string) error { return t.join(group, topic) }

func (t *Transport) join(group, topic string) error {
	t.topology.note(topic, group)
	if err := t.ask(func(ch *amqp.Channel) error { return t.topology.declare(ch, topic) }); err != nil {
		return fmt.Errorf("amqp %s: %w", topic, err)
	}
	return nil
}

var errSilent = errors.New("no answer")

// ask runs a question on a channel of its own. A broker that does not answer at all is waited for a second, one that is slow with the answer for ten.
func (t *Transport) ask(question func(ch *amqp.Channel) error) error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return bus.ErrClosed
	}
	there, answer := make(chan struct{}), make(chan error, 1)
	t.asking.Go(func() {
		ch, err := t.out.channel()
		if err == nil {
			close(there)
			err = errors.Join(question(ch), closeChannel(ch))
		}
		answer <- err
	})
	t.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-there:
		timer.Reset(slowness)
	case err := <-answer:
		return err
	case <-timer.C:
		return errSilent
	}
	select {
	case err := <-answer:
		return err
	case <-timer.C:
		return errSilent
	}
}

// Backlog counts, for each topic that the group joined here, the messages that wait for it, without those that are under way. Errors: ctx ended, the broker does not answer.
func (t *Transport) Backlog(ctx context.Context, group string) (map[string]uint64, error) {
	counts := map[string]uint64{}
	topics := t.topology.joined(group)
	slices.Sort(topics)
	err := t.ask(func(ch *amqp.Channel) error {
		for _, topic := range topics {
			for n := range t.topology.set.partitions {
				q, err := ch.QueueDeclarePassive(queueName(topic, strconv.Itoa(n), group), true, false, false, false, nil)
				if err = errors.Join(err, ctx.Err()); err != nil {
					return err
				}
				counts[topic] += uint64(q.Messages)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("amqp: backlog of %s: %w", group, err)
	}
	return counts, nil
}

// Subscriber is the receiving side of a group.
func (t *Transport) Subscriber(group string) (message.Subscriber, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, bus.ErrClosed
	}
	s := &subscriber{transport: t, group: group, quit: make(chan struct{})}
	t.subscribers = append(t.subscribers, s)
	return s, nil
}

// Close ends all subscriptions and waits for what is under way. When it returns, every publisher knows whether its message arrived.
func (t *Transport) Close() error {
	t.mu.Lock()
	already := t.closed
	t.closed = true
	subscribers := t.subscribers
	t.mu.Unlock()
	if already {
		return nil
	}
	for _, s := range subscribers {
		_ = s.Close() // it has no error
	}
	t.Pipeline.Close()
	err := errors.Join(t.in.close(), t.out.close())
	t.asking.Wait()
	return err
}
