package amqpbus

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"

	"shop/internal/platform/bus"
)

const (
	prefetch     = 64 // messages of a partition that were delivered and are not acknowledged
	refusedPause = 100 * time.Millisecond
	resumePause  = 250 * time.Millisecond
)

// subscriber is the receiving side of a group.
type subscriber struct {
	transport *Transport
	group     string
	quit      chan struct{}

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// Subscribe delivers the topic's messages to the group. Of several subscriptions of a group, each partition has one that is active. When ctx ends, no more come; what is under
// way may still be acknowledged. Errors: the broker does not answer.
func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if err := s.transport.Join(s.group, topic); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, bus.ErrClosed
	}
	sub := &subscription{transport: s.transport, group: s.group, topic: topic, out: make(chan *message.Message), quit: s.quit, running: &s.running}
	s.running.Go(func() { sub.run(ctx) })
	s.running.Go(func() { sub.closeOut(ctx) })
	return sub.out, nil
}

// Close ends the subscriptions. What was not acknowledged comes to another one of the group.
func (s *subscriber) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.quit)
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// subscription is a group's interest in a topic: one session after the other, as connections come and go.
type subscription struct {
	transport    *Transport
	group, topic string
	out          chan *message.Message
	quit         chan struct{}
	running      *sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	handing sync.WaitGroup // partitions that may hand out messages
}

func (s *subscription) run(ctx context.Context) {
	pause := time.NewTicker(resumePause)
	defer pause.Stop()
	for {
		err := s.session(ctx)
		select {
		case <-ctx.Done():
			return
		case <-s.quit:
			return
		default:
		}
		s.transport.log.Warn("a subscription was interrupted; it is taken up again", zap.String("topic", s.topic), zap.String("group", s.group), zap.Error(err))
		select {
		case <-ctx.Done():
			return
		case <-s.quit:
			return
		case <-pause.C:
		}
	}
}

// closeOut closes the channel of messages when the subscription has ended and nobody hands out any more.
func (s *subscription) closeOut(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.quit:
	}
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.handing.Wait()
	close(s.out)
}

var errInterrupted = errors.New("the broker ended the delivery")

// session consumes all partitions on one channel, until the subscription ends or the channel is lost. Closing the channel gives back what was not acknowledged.
func (s *subscription) session(ctx context.Context) error {
	t := s.transport
	ch, err := t.in.channel()
	if err != nil {
		return err
	}
	defer func() { _ = closeChannel(ch) }() // the session has ended either way
	if err := errors.Join(t.topology.declare(ch, s.topic), ch.Qos(prefetch, 0, false)); err != nil {
		return err
	}
	var feeds []<-chan amqp.Delivery
	for n := range t.topology.set.partitions {
		feed, err := ch.Consume(queueName(s.topic, strconv.Itoa(n), s.group), "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		feeds = append(feeds, feed)
	}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return nil
	}
	s.handing.Add(len(feeds))
	s.mu.Unlock()
	var partitions sync.WaitGroup
	for _, feed := range feeds {
		partitions.Go(func() {
			p := &partition{sub: s, feed: feed, keys: map[string][]*handout{}, settled: make(chan *handout, prefetch)}
			if lost := p.deliver(ctx); lost {
				_ = closeChannel(ch) // so that the others end too
				return
			}
			p.drain()
		})
	}
	partitions.Wait()
	return errInterrupted
}
