package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shop/internal/platform/fault"
	"shop/internal/platform/metrics"
)

// ErrOverloaded: more is asked than can be answered soon.
var ErrOverloaded = fault.New(fault.Unavailable, "overloaded", "more is asked at this moment than can be answered soon; try again")

// BoundOptions of a bound. A zero takes its default.
type BoundOptions struct {
	Max      int           // requests that are worked on at a time (512)
	Share    int           // of these, one client's at most (an eighth); staff has no share
	Waiting  int           // requests that only wait, see OnlyWaits (eight times Max)
	Patience time.Duration // longest that a request waits for its turn (100 ms)

	Client  func(*http.Request) (name string, staff bool) // who asks
	Metrics prometheus.Registerer                         // nil: none
}

// Bound holds the number of requests that are worked on at a time down, so that under more load than the shop can carry those that are let in are still answered soon, and
// the others are told at once to come again. Every client has its own queue and all take turns, so that whoever asks for a thousand things waits for their own thousand,
// and the others for one turn each.
//
// A request that only waits for something to happen, as Prefer: wait asks, gives its place to another meanwhile.
type Bound struct {
	o BoundOptions

	mu       sync.Mutex
	running  int
	waiting  int
	queued   int
	clients  map[string]*boundClient
	turns    []*boundClient // those who have a request in the queue and may have one more running; the first is next
	refusals *prometheus.CounterVec
}

// boundClient is a client who has requests here.
type boundClient struct {
	name                      string
	staff                     bool
	running, waiting, present int // present counts all that is here, queued or not
	queue                     []*place
	inTurn                    bool
}

// place is that of one request.
type place struct {
	bound   *Bound
	client  *boundClient
	granted chan struct{} // closed when it is this one's turn; nil if it always was
	waits   bool
}

// NewBound makes a bound.
func NewBound(o BoundOptions) *Bound {
	if o.Max == 0 {
		o.Max = 512
	}
	if o.Share == 0 {
		o.Share = max(1, o.Max/8)
	}
	if o.Waiting == 0 {
		o.Waiting = 8 * o.Max
	}
	if o.Patience == 0 {
		o.Patience = 100 * time.Millisecond
	}
	b := &Bound{o: o, clients: map[string]*boundClient{}}
	b.refusals = metrics.HTTPOverloaded.CounterVec(nil)
	if o.Metrics != nil {
		o.Metrics.MustRegister(b.refusals,
			b.gauge(metrics.HTTPWorking, func() int { return b.running }),
			b.gauge(metrics.HTTPWaiting, func() int { return b.waiting }),
			b.gauge(metrics.HTTPQueued, func() int { return b.queued }))
	}
	return b
}

func (b *Bound) gauge(d *metrics.Definition, value func() int) prometheus.Collector {
	return d.GaugeFunc(nil, func() float64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return float64(value())
	})
}

// Middleware stands within an Edge, behind the middleware that finds out who asks.
func (b *Bound) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := b.enter(r.Context(), r)
		if err != nil {
			WriteProblem(w, r, err)
			return
		}
		defer p.leave()
		if q := requestOf(r.Context()); q != nil {
			q.place = p
		}
		next.ServeHTTP(w, r)
	})
}

// OnlyWaits says that from here on the request takes no more than time: its place is given to another. Unless very many wait already: then they count as being worked on.
func OnlyWaits(ctx context.Context) {
	if q := requestOf(ctx); q != nil && q.place != nil {
		q.place.onlyWaits()
	}
}

// enter waits for the request's turn. Errors: ErrOverloaded, also when the caller has left.
func (b *Bound) enter(ctx context.Context, r *http.Request) (*place, error) {
	name, staff := b.o.Client(r)
	p, err := b.line(name, staff)
	if err != nil || p.granted == nil {
		return p, err
	}
	patience := time.NewTimer(b.o.Patience)
	defer patience.Stop()
	select {
	case <-p.granted:
		return p, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	return p, b.giveUp(p)
}

// line gives a request its place, at work if there is one free, else in its client's queue. Errors: ErrOverloaded, when the queue is full.
func (b *Bound) line(name string, staff bool) (*place, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.clients[name]
	if c == nil {
		c = &boundClient{name: name, staff: staff}
		b.clients[name] = c
	}
	p := &place{bound: b, client: c}
	switch {
	case b.running < b.o.Max && b.mayRun(c):
		b.running++
		c.running++
	case b.queued >= b.o.Max:
		b.forget(c)
		return nil, b.refuse("all")
	case len(c.queue) >= b.longest(c):
		b.forget(c)
		return nil, b.refuse("client")
	default:
		p.granted = make(chan struct{})
		b.queued++
		c.queue = append(c.queue, p)
		b.callUp(c)
	}
	c.present++
	return p, nil
}

func (b *Bound) refuse(of string) error {
	b.refusals.WithLabelValues(of).Inc()
	return ErrOverloaded
}

func (b *Bound) mayRun(c *boundClient) bool { return c.staff || c.running < b.o.Share }

// longest is how long a client's queue may be: nobody fills all there is.
func (b *Bound) longest(c *boundClient) int {
	if c.staff {
		return max(1, b.o.Max/2)
	}
	return b.o.Share
}

// callUp puts a client among those who take turns, if it has something to run and may.
func (b *Bound) callUp(c *boundClient) {
	if !c.inTurn && len(c.queue) > 0 && b.mayRun(c) {
		c.inTurn = true
		b.turns = append(b.turns, c)
	}
}

// next gives free places away, one for each client in turn.
func (b *Bound) next() {
	for b.running < b.o.Max && len(b.turns) > 0 {
		c := b.turns[0]
		b.turns = b.turns[1:]
		c.inTurn = false
		if len(c.queue) == 0 {
			continue // they have given up
		}
		p := c.queue[0]
		c.queue = c.queue[1:]
		b.queued--
		b.running++
		c.running++
		close(p.granted)
		b.callUp(c)
	}
}

// giveUp takes a request out of the queue. If its turn came at the last moment it stays. Errors: ErrOverloaded.
func (b *Bound) giveUp(p *place) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range p.client.queue {
		if other == p {
			p.client.queue = append(p.client.queue[:i], p.client.queue[i+1:]...)
			p.client.present--
			b.queued--
			b.forget(p.client)
			if !b.mayRun(p.client) {
				return b.refuse("client")
			}
			return b.refuse("all")
		}
	}
	return nil
}

func (p *place) onlyWaits() {
	b, c := p.bound, p.client
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.waits || b.waiting >= b.o.Waiting || !c.staff && c.waiting >= b.o.Waiting/8 {
		return
	}
	p.waits = true
	b.waiting++
	c.waiting++
	b.free(c)
}

func (p *place) leave() {
	b, c := p.bound, p.client
	b.mu.Lock()
	defer b.mu.Unlock()
	c.present--
	if p.waits {
		b.waiting--
		c.waiting--
	} else {
		b.free(c)
	}
	b.forget(c)
}

// free gives a client's place to whose turn it is.
func (b *Bound) free(c *boundClient) {
	b.running--
	c.running--
	b.callUp(c)
	b.next()
}

// forget drops a client who has nothing here.
func (b *Bound) forget(c *boundClient) {
	if c.present == 0 {
		delete(b.clients, c.name)
	}
}
