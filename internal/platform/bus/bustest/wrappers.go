package bustest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"

	"shop/internal/platform/bus"
)

var errLost = errors.New("the acknowledgement got lost")

// deafToAcks publishes, and does not hear some of the broker's acknowledgements.
type deafToAcks struct {
	bus.Transport
	losses *atomic.Int64
}

func (d *deafToAcks) Publish(topic string, messages ...*message.Message) error {
	return d.lose(d.Transport.Publish(topic, messages...))
}

// Send is that of the transport if it has one.
func (d *deafToAcks) Send(topic string, msg *message.Message, done func(error)) {
	if async, ok := d.Transport.(interface {
		Send(topic string, msg *message.Message, done func(error))
	}); ok {
		async.Send(topic, msg, func(err error) { done(d.lose(err)) })
		return
	}
	done(d.Publish(topic, msg))
}

func (d *deafToAcks) lose(err error) error {
	if err == nil && rand.IntN(40) == 0 {
		d.losses.Add(1)
		return errLost
	}
	return err
}

// passage is what a message goes through on its way to the receiver. quit ends when the subscription does.
type passage func(msg *message.Message, quit <-chan struct{}) *message.Message

type onTheWay struct {
	bus.Transport
	pass passage
}

// exclusiveOnTheWay says of itself what its transport says.
type exclusiveOnTheWay struct{ onTheWay }

func (*exclusiveOnTheWay) Exclusive() {}

func passThrough(t bus.Transport, pass passage) bus.Transport {
	o := onTheWay{t, pass}
	if _, ok := t.(bus.Exclusive); ok {
		return &exclusiveOnTheWay{o}
	}
	return &o
}

func (o *onTheWay) Subscriber(group string) (message.Subscriber, error) {
	sub, err := o.Transport.Subscriber(group)
	if err != nil {
		return nil, err
	}
	p := &passing{Subscriber: sub, pass: o.pass, quit: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.quit) })
	return p, nil
}

type passing struct {
	message.Subscriber
	pass passage
	quit chan struct{}
	end  func()
	all  sync.WaitGroup
}

func (p *passing) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	in, err := p.Subscriber.Subscribe(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := make(chan *message.Message)
	p.all.Go(func() {
		defer close(out)
		for msg := range in {
			select {
			case out <- p.pass(msg, p.quit):
			case <-p.quit:
				msg.Nack()
			}
		}
	})
	return out, nil
}

func (p *passing) Close() error {
	p.end()
	err := p.Subscriber.Close()
	p.all.Wait()
	return err
}

// settling makes a copy of a message of which the outcome is passed on by a function.
func settling(outcome func(msg *message.Message, acked bool)) passage {
	return func(msg *message.Message, quit <-chan struct{}) *message.Message {
		twin := msg.Copy()
		go func() {
			select {
			case <-twin.Acked():
				outcome(msg, true)
			case <-twin.Nacked():
				outcome(msg, false)
			case <-quit:
			}
		}()
		return twin
	}
}

// forgetsAcks is a transport of whose receiver half of the acknowledgements get lost, after so many that did not. A transport that waits for an acknowledgement before it
// delivers the next message, of a key or a partition, stands still then.
func forgetsAcks(t bus.Transport, after int, losses *atomic.Int64) bus.Transport {
	passed := new(atomic.Int64)
	return passThrough(t, settling(func(msg *message.Message, acked bool) {
		switch {
		case !acked:
			msg.Nack()
		case passed.Add(1) <= int64(after) || rand.IntN(2) == 0:
			msg.Ack()
		default:
			losses.Add(1)
		}
	}))
}

// countsDeliveries is a transport, and how many of its messages a receiver had at most without having settled them.
func countsDeliveries(t bus.Transport) (counting bus.Transport, most *atomic.Int64) {
	most = new(atomic.Int64)
	var now atomic.Int64
	settle := settling(func(msg *message.Message, acked bool) {
		now.Add(-1)
		if acked {
			msg.Ack()
		} else {
			msg.Nack()
		}
	})
	return passThrough(t, func(msg *message.Message, quit <-chan struct{}) *message.Message {
		n := now.Add(1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		return settle(msg, quit)
	}), most
}
