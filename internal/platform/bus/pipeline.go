package bus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Pipeline publishes to a broker, many messages at a time, and keeps the order of each key: of one topic and key (ce_subject), one message is under way, and the next one
// follows when the broker has acknowledged it. When one fails, those that wait behind it fail as well, and so does whatever was sent in the same run of the relay: what
// follows a refused message must not get into the broker before it.
//
// A transport to a broker embeds a Pipeline. Its Send is what makes the relay go on while messages are under way.
type Pipeline struct {
	publish func(topic string, messages ...*message.Message) error
	width   int

	mu      sync.Mutex
	lanes   map[lane][]sending // present while one of the key is under way; those behind it
	ready   []head             // first of their lanes, in the order in which they came
	workers int
	closed  bool
	running sync.WaitGroup
}

// lane is an order to be kept.
type lane struct{ topic, key string }

type sending struct {
	msg  *message.Message
	done func(error)
}

type head struct {
	lane
	sending
}

// NewPipeline makes a pipeline of a function that returns when the broker has the message for good, or with an error. It is called by width goroutines at most, with one
// message at a time. It must not block for ever.
func NewPipeline(publish func(topic string, messages ...*message.Message) error, width int) *Pipeline {
	return &Pipeline{publish: publish, width: width, lanes: map[lane][]sending{}}
}

// Send returns at once. done is called once, when the broker has the message, or with the reason why it may not have it. The caller bounds what is under way.
func (p *Pipeline) Send(topic string, msg *message.Message, done func(error)) {
	l, s := lane{topic, msg.Metadata.Get(metaSubject)}, sending{msg, done}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		done(ErrClosed)
		return
	}
	waiting, busy := p.lanes[l]
	if busy {
		p.lanes[l] = append(waiting, s)
	} else {
		p.lanes[l] = nil
		p.enqueue(head{l, s})
	}
	p.mu.Unlock()
}

// enqueue makes a message one that may be published. mu is locked.
func (p *Pipeline) enqueue(h head) {
	p.ready = append(p.ready, h)
	if p.workers < p.width {
		p.workers++
		p.running.Go(p.work)
	}
}

func (p *Pipeline) work() {
	for {
		p.mu.Lock()
		if len(p.ready) == 0 {
			p.ready = nil
			p.workers--
			p.mu.Unlock()
			return
		}
		h := p.ready[0]
		p.ready = p.ready[1:]
		p.mu.Unlock()
		if err := p.try(h); err != nil {
			p.fail(h, err)
		} else {
			p.succeed(h)
		}
	}
}

// try publishes the message, unless one before it in the same run was refused.
func (p *Pipeline) try(h head) error {
	r := runOf(h.msg)
	if r == nil {
		return p.publish(h.topic, h.msg)
	}
	if why := r.refused.Load(); why != nil {
		return fmt.Errorf("%w: %w", errWithheld, *why)
	}
	err := p.publish(h.topic, h.msg)
	if err != nil {
		r.refused.CompareAndSwap(nil, &err) // before anybody hears of it, and before the next of the key may start
	}
	return err
}

func (p *Pipeline) succeed(h head) {
	h.done(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := p.lanes[h.lane]
	if len(waiting) == 0 {
		delete(p.lanes, h.lane)
		return
	}
	p.lanes[h.lane] = waiting[1:]
	p.enqueue(head{h.lane, waiting[0]})
}

// fail reports the failure, and to those that wait behind the message, also if they came a moment ago.
func (p *Pipeline) fail(h head, err error) {
	h.done(err)
	for {
		p.mu.Lock()
		behind := p.lanes[h.lane]
		if len(behind) == 0 {
			delete(p.lanes, h.lane)
			p.mu.Unlock()
			return
		}
		p.lanes[h.lane] = nil
		p.mu.Unlock()
		for _, s := range behind {
			s.done(errWithheld)
		}
	}
}

// Close refuses what was not begun, and waits until of everything else it is known whether it arrived.
func (p *Pipeline) Close() {
	p.mu.Lock()
	p.closed = true
	var left []sending
	for _, h := range p.ready {
		left = append(left, h.sending)
		left = append(left, p.lanes[h.lane]...)
		delete(p.lanes, h.lane)
	}
	p.ready = nil
	for l, behind := range p.lanes {
		left = append(left, behind...)
		p.lanes[l] = nil
	}
	p.mu.Unlock()
	for _, s := range left {
		s.done(ErrClosed)
	}
	p.running.Wait()
}

// run is the relay's way through a topic from one refusal to the next. What it sends concurrently with a refusal belongs to the run that was refused, and does not leave
// any more; the relay waits until all of that is settled, and begins another run at the first row that was refused.
type run struct{ refused atomic.Pointer[error] }

type runKey struct{}

func withRun(ctx context.Context, r *run) context.Context { return context.WithValue(ctx, runKey{}, r) }

func runOf(msg *message.Message) *run {
	r, _ := msg.Context().Value(runKey{}).(*run)
	return r
}
