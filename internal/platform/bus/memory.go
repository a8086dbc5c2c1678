package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

var (
	// ErrClosed: the transport is closed, or the subscriber left before it acknowledged.
	ErrClosed = errors.New("bus: closed")
	// ErrNoSubscriber: nobody declared the topic or subscribed to it.
	ErrNoSubscriber = errors.New("bus: no subscriber")
	// ErrFull: a group has too many messages waiting.
	ErrFull = errors.New("bus: queue full")
)

// memoryCapacity bounds what waits for one group on one topic.
const memoryCapacity = 8192

// Memory is the transport within a process: Watermill's Publisher and Subscriber over bounded queues, one for each group and
// topic. A published message counts as delivered when every group acknowledged it; no subscriber, a full queue and closing are errors, never a silent success.
type Memory struct {
	mu     sync.Mutex
	topics map[string]map[string]*memoryQueue // topic → group → queue
	whole  map[string]bool                    // topics of which a group wants everything
	types  map[string]bool                    // of messages that a group wants
	closed bool
	pause  time.Duration // before a refused message comes again
}

// NewMemory opens a transport within this process.
func NewMemory() *Memory {
	return &Memory{topics: map[string]map[string]*memoryQueue{}, whole: map[string]bool{}, types: map[string]bool{}, pause: 100 * time.Millisecond}
}

// Declare makes a topic known. A command topic stays an error to publish to until a group joins; an event nobody listens to is fine.
func (m *Memory) Declare(topic string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.declare(topic)
	return nil
}

// Join makes the group one that has to acknowledge each message of the topic from now on. While none of it subscribes, publishing is an error.
func (m *Memory) Join(group, topic string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.join(group, topic)
	m.whole[topic] = true
	return nil
}

// joinFor is Join for a group that wants only messages of this type; it calls it for each.
func (m *Memory) joinFor(group string, t Type) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.join(group, t.Topic())
	m.types[t.String()] = true
	return nil
}

// heard reports whether any group wants messages of the type.
func (m *Memory) heard(t Type) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.whole[t.Topic()] || m.types[t.String()]
}

func (m *Memory) declare(topic string) map[string]*memoryQueue {
	if m.topics[topic] == nil {
		m.topics[topic] = map[string]*memoryQueue{}
	}
	return m.topics[topic]
}

func (m *Memory) join(group, topic string) *memoryQueue {
	groups := m.declare(topic)
	if groups[group] == nil {
		groups[group] = &memoryQueue{ready: make(chan struct{}, 1), closed: make(chan struct{})}
	}
	return groups[group]
}

// Publish hands the messages to every group and waits until all have acknowledged all. Errors: ErrNoSubscriber, ErrFull, ErrClosed.
func (m *Memory) Publish(topic string, messages ...*message.Message) error {
	results := make(chan error, len(messages))
	for _, msg := range messages {
		m.Send(topic, msg, func(err error) { results <- err })
	}
	var first error
	for range messages {
		if err := <-results; err != nil && first == nil {
			first = fmt.Errorf("%s: %w", topic, err)
		}
	}
	return first
}

// Send hands the message to every group and returns. done is called once, when all have acknowledged, or with the error of the first that cannot.
func (m *Memory) Send(topic string, msg *message.Message, done func(error)) {
	m.mu.Lock()
	queues, known := m.topics[topic]
	err := error(nil)
	switch {
	case m.closed:
		err = ErrClosed
	case !known, len(queues) == 0 && isCommandTopic(topic):
		err = ErrNoSubscriber
	}
	if err == nil {
		for _, q := range queues {
			if q.feeds == 0 {
				err = ErrNoSubscriber
			} else if len(q.waiting) >= memoryCapacity {
				err = ErrFull
			}
		}
	}
	if err != nil || len(queues) == 0 {
		m.mu.Unlock()
		done(err)
		return
	}
	d := &memoryDelivery{msg: msg, left: len(queues), done: done}
	var sinks []*sink
	for _, q := range queues {
		if len(q.sinks) > 0 {
			sinks = append(sinks, q.sinks[0])
			continue
		}
		q.waiting = append(q.waiting, d)
		q.signal()
	}
	m.mu.Unlock()
	for _, s := range sinks {
		s.put(msg, d.settle)
	}
}

// sink takes messages without a queue and a goroutine in between. put returns at once; it does not change the message, and calls done once: with nil when the message
// was applied, else with an error, after which the publisher sends it again.
type sink struct {
	put func(msg *message.Message, done func(error))
}

// attach delivers the topic's messages straight to the group's sink, until detach is called. What comes to the sink after that it must refuse.
func (m *Memory) attach(group, topic string, s *sink) (detach func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	q := m.join(group, topic)
	q.feeds++
	q.sinks = append(q.sinks, s)
	return func() {
		m.mu.Lock()
		q.sinks = slices.DeleteFunc(q.sinks, func(other *sink) bool { return other == s })
		m.mu.Unlock()
		m.leave(q)
	}, nil
}

func isCommandTopic(topic string) bool {
	_, is := Addressee(topic)
	return is
}

// Subscriber is the receiving side of a group. Closing it ends all its subscriptions; what they did not acknowledge is an error to the publisher.
func (m *Memory) Subscriber(group string) (message.Subscriber, error) {
	return &memorySubscriber{memory: m, group: group, quit: make(chan struct{})}, nil
}

// Close ends all subscriptions and fails what was not acknowledged.
func (m *Memory) Close() error {
	m.mu.Lock()
	m.closed = true
	var left []*memoryDelivery
	for _, queues := range m.topics {
		for _, q := range queues {
			left = append(left, q.waiting...)
			q.waiting = nil
			q.shut()
		}
	}
	m.mu.Unlock()
	for _, d := range left {
		d.settle(ErrClosed)
	}
	return nil
}

// memoryDelivery is a message on its way to several groups.
type memoryDelivery struct {
	msg  *message.Message
	mu   sync.Mutex
	left int
	done func(error)
}

func (d *memoryDelivery) settle(err error) {
	d.mu.Lock()
	d.left--
	done := d.done
	if done != nil && (err != nil || d.left == 0) {
		d.done = nil
	} else {
		done = nil
	}
	d.mu.Unlock()
	if done != nil {
		done(err)
	}
}

// memoryQueue is what waits for one group on one topic. Guarded by Memory.mu.
type memoryQueue struct {
	waiting []*memoryDelivery
	feeds   int     // subscriptions and sinks that take from it
	sinks   []*sink // come before subscriptions
	ready   chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func (q *memoryQueue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *memoryQueue) shut() { q.once.Do(func() { close(q.closed) }) }

type memorySubscriber struct {
	memory *Memory
	group  string
	quit   chan struct{}
	once   sync.Once
	feeds  sync.WaitGroup
}

// Subscribe delivers the topic's messages to the group; several subscriptions of a group share them. A next message does not wait for the acknowledgement of the one before;
// one that is not acknowledged (Nack) comes again after a pause.
func (s *memorySubscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	q := m.join(s.group, topic)
	m.whole[topic] = true
	q.feeds++
	out := make(chan *message.Message)
	s.feeds.Go(func() { s.feed(ctx, q, out) })
	return out, nil
}

// Close ends the subscriptions of this subscriber. When it returns, their publishers know of every message whether it was acknowledged.
func (s *memorySubscriber) Close() error {
	s.once.Do(func() { close(s.quit) })
	s.feeds.Wait()
	return nil
}

func (s *memorySubscriber) feed(ctx context.Context, q *memoryQueue, out chan<- *message.Message) {
	defer close(out)
	defer s.memory.leave(q)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.quit:
			return
		case <-q.closed:
			return
		case <-q.ready:
		}
		s.memory.mu.Lock()
		batch := q.waiting
		q.waiting = nil
		s.memory.mu.Unlock()
		for i, d := range batch {
			msg := d.msg.Copy()
			select {
			case out <- msg:
				s.feeds.Go(func() { s.await(ctx, q, d, msg) })
				continue
			case <-ctx.Done():
			case <-s.quit:
			case <-q.closed:
			}
			for _, d := range batch[i:] {
				d.settle(ErrClosed)
			}
			return
		}
	}
}

// await settles one delivery. What is on its way when the subscription's context ends may still be acknowledged, until the subscriber closes.
func (s *memorySubscriber) await(ctx context.Context, q *memoryQueue, d *memoryDelivery, msg *message.Message) {
	select {
	case <-msg.Acked():
		d.settle(nil)
		return
	case <-msg.Nacked():
	case <-s.quit:
	case <-q.closed:
	}
	if isClosed(msg.Acked()) {
		d.settle(nil)
		return
	}
	select {
	case <-time.After(s.memory.pause):
	case <-ctx.Done():
	case <-s.quit:
	case <-q.closed:
	}
	if !s.offerAgain(ctx, q, d) {
		d.settle(ErrClosed)
	}
}

// offerAgain puts a message that was refused back into the queue, unless the subscription has ended.
func (s *memorySubscriber) offerAgain(ctx context.Context, q *memoryQueue, d *memoryDelivery) bool {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	if s.memory.closed || ctx.Err() != nil || isClosed(s.quit) {
		return false
	}
	q.waiting = append(q.waiting, d)
	q.signal()
	return true
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// leave ends a subscription; the last one of a group fails what waits, since nobody takes it any more.
func (m *Memory) leave(q *memoryQueue) {
	m.mu.Lock()
	q.feeds--
	var left []*memoryDelivery
	if q.feeds == 0 {
		left, q.waiting = q.waiting, nil
	} else {
		q.signal()
	}
	m.mu.Unlock()
	for _, d := range left {
		d.settle(ErrClosed)
	}
}
