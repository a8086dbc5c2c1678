package kafkabus

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"shop/internal/platform/bus"
)

const (
	subject      = "ce_subject"
	width        = 512 // messages under way to the broker
	creationTime = 10 * time.Second
)

// Options is what Open needs beside the URL. Both may be left out.
type Options struct {
	Log        *zap.Logger
	ClientName string // in the broker's log and metrics
}

// Transport is a bus.Transport over Kafka. It reconnects for ever.
type Transport struct {
	*bus.Pipeline
	set       settings
	log       logger
	publisher *kafka.Publisher
	marshaler kafka.MarshalerUnmarshaler
	broker    sarama.Client // for questions

	mu          sync.Mutex
	closed      bool
	joined      map[string][]string // topics of a group
	subscribers []*subscriber
	asking      sync.WaitGroup
}

var _ bus.Transport = (*Transport)(nil)

// Open connects to the first broker of the URL that answers. Errors: a URL that is none; after some seconds, that nobody answers.
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
	t := &Transport{set: set, log: newLogger(o.Log), joined: map[string][]string{}, marshaler: kafka.NewWithPartitioningMarshaler(partitionKey)}
	if t.broker, err = sarama.NewClient(set.brokers, set.asking()); err != nil {
		return nil, fmt.Errorf("kafka %v: %w", set.brokers, err)
	}
	t.publisher, err = kafka.NewPublisher(kafka.PublisherConfig{Brokers: set.brokers, Marshaler: t.marshaler, OverwriteSaramaConfig: set.publishing()}, t.log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kafka %v: %w", set.brokers, err), t.broker.Close())
	}
	t.Pipeline = bus.NewPipeline(t.publisher.Publish, width)
	return t, nil
}

func partitionKey(_ string, msg *message.Message) (string, error) {
	return msg.Metadata.Get(subject), nil
}

// Publish sends the messages and waits until the brokers in sync have all of them. Those of one key arrive in their order.
func (t *Transport) Publish(topic string, messages ...*message.Message) error {
	results := make(chan error, len(messages))
	for _, msg := range messages {
		t.Send(topic, msg, func(err error) { results <- err })
	}
	var first error
	for range messages {
		if err := <-results; err != nil && first == nil {
			first = fmt.Errorf("kafka %s: %w", topic, err)
		}
	}
	return first
}

// System is what OpenTelemetry calls the broker.
func (t *Transport) System() string { return "kafka" }

// Declare creates the topic if it is not there. Errors: within a second, that the broker does not answer.
func (t *Transport) Declare(topic string) error {
	if !t.begin() {
		return bus.ErrClosed
	}
	defer t.asking.Done()
	err := t.ask(topic)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		err = t.create(topic)
	}
	if err != nil {
		return fmt.Errorf("kafka %s: %w", topic, err)
	}
	return nil
}

// Join creates the topic if it is not there. A group that has not begun yet misses nothing, since it begins at the oldest message.
func (t *Transport) Join(group, topic string) error {
	if err := t.Declare(topic); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.joined[group], topic) {
		t.joined[group] = append(t.joined[group], topic)
	}
	return nil
}

func (t *Transport) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.asking.Add(1)
	}
	return !t.closed
}

var errSilent = errors.New("no answer")

// ask has a broker tell about the topic, and waits a second for it, however many brokers there are to be asked.
func (t *Transport) ask(topic string) error {
	answer := make(chan error, 1)
	t.asking.Go(func() { answer <- t.broker.RefreshMetadata(topic) })
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case err := <-answer:
		return err
	case <-limit.C:
		return errSilent
	}
}

func (t *Transport) create(topic string) error {
	admin, err := sarama.NewClusterAdmin(t.set.brokers, t.set.common())
	if err != nil {
		return err
	}
	err = admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: t.set.partitions, ReplicationFactor: t.set.replication}, false)
	if errors.Is(err, sarama.ErrTopicAlreadyExists) { // somebody was faster
		err = nil
	}
	if err = errors.Join(err, admin.Close()); err != nil {
		return err
	}
	return t.awaitTopic(topic)
}

// awaitTopic waits until every partition of a new topic has a leader.
func (t *Transport) awaitTopic(topic string) error {
	deadline := time.Now().Add(creationTime)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		err := t.ask(topic)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-poll.C
	}
}

// Subscriber is the receiving side of a group.
func (t *Transport) Subscriber(group string) (message.Subscriber, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, bus.ErrClosed
	}
	s := &subscriber{transport: t, group: group}
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
	t.asking.Wait()
	return errors.Join(t.publisher.Close(), t.broker.Close())
}
