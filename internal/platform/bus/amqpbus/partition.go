package amqpbus

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

// partition hands out the messages of one queue: those of one key one after the other, those of different keys as they come.
type partition struct {
	sub     *subscription
	feed    <-chan amqp.Delivery
	keys    map[string][]*handout // present while one of the key is ready, handed out or pausing; the rest waits here
	ready   []*handout
	out     int           // handed out and not settled
	settled chan *handout // has room for all that may be handed out
}

// handout is a message that the broker delivered.
type handout struct {
	delivery amqp.Delivery
	msg      *message.Message
	key      string
	refused  bool
}

// deliver hands out messages until the subscription ends, or the feed is lost.
func (p *partition) deliver(ctx context.Context) (lost bool) {
	defer p.sub.handing.Done()
	for {
		var out chan<- *message.Message
		var next *message.Message
		if len(p.ready) > 0 {
			out, next = p.sub.out, p.ready[0].msg
		}
		select {
		case <-ctx.Done():
			return false
		case <-p.sub.quit:
			return false
		case d, ok := <-p.feed:
			if !ok {
				return true
			}
			msg := unmarshal(d)
			p.admit(&handout{delivery: d, msg: msg, key: msg.Metadata.Get(subject)})
		case h := <-p.settled:
			p.settle(h)
		case out <- next:
			h := p.ready[0]
			p.ready = p.ready[1:]
			p.out++
			p.sub.running.Go(func() { p.await(h) })
		}
	}
}

func (p *partition) admit(h *handout) {
	if waiting, busy := p.keys[h.key]; busy {
		p.keys[h.key] = append(waiting, h)
		return
	}
	p.keys[h.key] = nil
	p.ready = append(p.ready, h)
}

// settle offers a refused message again, or the next of the key of one that was acknowledged.
func (p *partition) settle(h *handout) {
	p.out--
	if h.refused {
		h.refused, h.msg = false, h.msg.Copy()
		p.ready = append(p.ready, h)
		return
	}
	waiting := p.keys[h.key]
	if len(waiting) == 0 {
		delete(p.keys, h.key)
		return
	}
	p.keys[h.key] = waiting[1:]
	p.ready = append(p.ready, waiting[0])
}

// await acknowledges to the broker what was acknowledged here. When that does not get there, the connection is lost, and the message comes once more.
func (p *partition) await(h *handout) {
	select {
	case <-h.msg.Acked():
	case <-h.msg.Nacked():
		h.refused = true
		pause := time.NewTimer(refusedPause)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-p.sub.quit:
		}
	case <-p.sub.quit:
	}
	select {
	case <-h.msg.Acked(): // maybe a moment before the subscriber was closed
		_ = h.delivery.Ack(false)
	default:
	}
	p.settled <- h
}

// drain waits until everything that was handed out is acknowledged or refused, or the subscriber is closed.
func (p *partition) drain() {
	for ; p.out > 0; p.out-- {
		<-p.settled
	}
}
