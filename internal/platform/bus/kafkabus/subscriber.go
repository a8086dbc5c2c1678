package kafkabus

import (
	"context"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"shop/internal/platform/bus"
)

const (
	refusedPause   = 100 * time.Millisecond
	reconnectPause = 500 * time.Millisecond
)

// subscriber is the receiving side of a group: for each topic a member of a group of Kafka.
type subscriber struct {
	transport *Transport
	group     string

	mu            sync.Mutex
	closed        bool
	subscriptions []*subscription
}

// groupID names the group of Kafka that consumes a topic for a group of the bus.
func groupID(group, topic string) string { return group + "." + topic }

// Subscribe delivers the topic's messages to the group: of each partition one at a time. The broker shares the partitions among the group's subscriptions. When ctx ends, no
// more come; what is under way may still be acknowledged. Errors: the broker does not answer.
func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	t := s.transport
	if err := t.Join(s.group, topic); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, bus.ErrClosed
	}
	member, err := kafka.NewSubscriber(kafka.SubscriberConfig{
		Brokers: t.set.brokers, ConsumerGroup: groupID(s.group, topic), Unmarshaler: t.marshaler, OverwriteSaramaConfig: t.set.consuming(),
		NackResendSleep: refusedPause, ReconnectRetrySleep: reconnectPause,
	}, t.log)
	if err != nil {
		return nil, err
	}
	in, err := member.Subscribe(context.WithoutCancel(ctx), topic)
	if err != nil {
		return nil, err
	}
	sub := &subscription{member: member, in: in, out: make(chan *message.Message), quit: make(chan struct{})}
	s.subscriptions = append(s.subscriptions, sub)
	sub.running.Go(func() { sub.run(ctx) })
	return sub.out, nil
}

// Close ends the subscriptions. What was not acknowledged comes to another member of the group.
func (s *subscriber) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for _, sub := range s.subscriptions {
		close(sub.quit)
	}
	for _, sub := range s.subscriptions {
		sub.running.Wait()
	}
	return nil
}

// subscription passes on what a member of a group receives. The member itself would forget, when its context ends, what is acknowledged later.
type subscription struct {
	member  *kafka.Subscriber
	in      <-chan *message.Message
	out     chan *message.Message
	quit    chan struct{}
	running sync.WaitGroup
	open    sync.WaitGroup // handed out, neither acknowledged nor refused
}

func (s *subscription) run(ctx context.Context) {
	s.pass(ctx)
	close(s.out)
	settled := make(chan struct{})
	s.running.Go(func() { s.open.Wait(); close(settled) })
	select {
	case <-settled:
	case <-s.quit:
	}
	_ = s.member.Close() // it has no error
}

func (s *subscription) pass(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.quit:
			return
		case msg, ok := <-s.in:
			if !ok {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-s.quit:
				return
			case s.out <- msg:
				s.open.Go(func() { s.await(msg) })
			}
		}
	}
}

func (s *subscription) await(msg *message.Message) {
	select {
	case <-msg.Acked():
	case <-msg.Nacked():
	case <-s.quit:
	}
}
