package natsbus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"shop/internal/platform/bus"
)

const (
	refusedPause = 100 * time.Millisecond // before a message that was refused comes again
	retryPause   = 50 * time.Millisecond  // before the next attempt to consume; it doubles
	longestPause = 2 * time.Second
)

// subscriber is a group's receiving side in this process.
type subscriber struct {
	transport *Transport
	group     string
	quit      chan struct{} // closed by Close
	once      sync.Once
	running   sync.WaitGroup
}

func newSubscriber(t *Transport, group string) *subscriber {
	return &subscriber{transport: t, group: group, quit: make(chan struct{})}
}

// Subscribe delivers the topic's messages in the order of the stream, up to 1024 of them before the first is acknowledged. One that is refused (Nack) comes again after a pause, and with it
// whatever is not acknowledged then. The channel is closed when ctx ends; what was delivered may still be acknowledged until Close.
func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.transport.mu.Lock()
	defer s.transport.mu.Unlock()
	if s.transport.closed || isClosed(s.quit) {
		return nil, bus.ErrClosed
	}
	f := &feed{subscriber: s, topic: topic, out: make(chan *message.Message), doubt: make(chan struct{}, 1)}
	f.ctx, f.cancel = context.WithCancel(ctx)
	s.running.Go(f.run)
	s.running.Go(func() {
		select {
		case <-s.quit:
			f.cancel()
		case <-f.ctx.Done():
		}
	})
	return f.out, nil
}

// Close ends the subscriptions. What was acknowledged before is passed on; the rest comes again, to whoever subscribes next.
func (s *subscriber) Close() error {
	s.once.Do(func() { close(s.quit) })
	s.running.Wait()
	if s.transport.conn.IsConnected() {
		_ = s.transport.conn.FlushTimeout(askTime) // if this fails, copies come
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// feed is one subscription.
type feed struct {
	*subscriber
	topic  string
	out    chan *message.Message
	ctx    context.Context
	cancel context.CancelFunc
	doubt  chan struct{} // a message was refused, or an acknowledgement did not get out
}

// run consumes, with a new generation after each doubt.
func (f *feed) run() {
	defer close(f.out)
	defer f.cancel()
	wait := retryPause
	for f.ctx.Err() == nil {
		began := time.Now()
		if err := f.consume(); err != nil && f.ctx.Err() == nil {
			f.transport.log.Warn("nats: consuming is interrupted", zap.String("group", f.group), zap.String("topic", f.topic), zap.Error(err))
		}
		if time.Since(began) > longestPause {
			wait = retryPause
		}
		select {
		case <-f.ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, longestPause)
	}
}

var (
	errGap     = errors.New("a message is missing")
	errRefused = errors.New("a message was refused, or an acknowledgement was lost")
)

// consume delivers what one generation of the group's consumer gives, until there is doubt whether it gives everything, in order.
func (f *feed) consume() error {
	ctx, stop, err := f.connected()
	if err != nil {
		return err
	}
	defer stop(nil)
	select {
	case <-f.doubt: // of the generation before
	default:
	}
	consumer, err := f.generation(ctx)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(window/2), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer messages.Stop()
	f.running.Go(func() {
		select {
		case <-f.doubt:
			stop(errRefused)
		case <-ctx.Done():
		}
	})
	for expected := uint64(1); ; expected++ {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != expected {
			return errGap
		}
		if !f.deliver(ctx, msg) {
			return context.Cause(ctx)
		}
	}
}

// connected is a context that ends with the subscription and with the connection.
func (f *feed) connected() (context.Context, context.CancelCauseFunc, error) {
	if err := f.transport.begin(); err != nil {
		return nil, nil, err
	}
	f.transport.asking.Done() // the transport waits for its subscribers by itself
	link := f.transport.link()
	ctx, cancel := context.WithCancelCause(f.ctx)
	unlink := context.AfterFunc(link, func() { cancel(errDisconnected) })
	return ctx, func(cause error) {
		unlink()
		cancel(cause)
	}, nil
}

func (f *feed) generation(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, provisionTime)
	defer cancel()
	return f.transport.nextGeneration(ctx, f.group, f.topic)
}

// deliver reports whether the message was taken.
func (f *feed) deliver(ctx context.Context, from jetstream.Msg) bool {
	msg := fromNATS(from.Headers(), from.Data())
	msg.SetContext(f.ctx)
	select {
	case f.out <- msg:
		f.running.Go(func() { f.settle(from, msg) })
		return true
	case <-ctx.Done():
		return false
	}
}

// settle passes on what becomes of a message, until the subscriber is closed.
func (f *feed) settle(from jetstream.Msg, msg *message.Message) {
	select {
	case <-msg.Acked():
	case <-msg.Nacked():
		select {
		case <-time.After(refusedPause):
			f.inDoubt()
		case <-f.ctx.Done():
		}
		return
	case <-f.quit:
		if !isClosed(msg.Acked()) {
			return
		}
	}
	if from.Ack() != nil {
		f.inDoubt()
	}
}

func (f *feed) inDoubt() {
	select {
	case f.doubt <- struct{}{}:
	default:
	}
}
