package bus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
)

// shaky is a broker that is known by what got into it. It loses messages, and acknowledgements of messages that it has.
type shaky struct {
	*Pipeline
	mu       sync.Mutex
	got      map[string][]int // of each key, without copies
	early    []string         // got in before one of its key that was to come first
	refusals atomic.Int64
	all      atomic.Int64
}

func newShaky() *shaky {
	s := &shaky{got: map[string][]int{}}
	s.Pipeline = NewPipeline(s.Publish, 8)
	return s
}

func (s *shaky) Declare(string) error                          { return nil }
func (s *shaky) Join(string, string) error                     { return nil }
func (s *shaky) Subscriber(string) (message.Subscriber, error) { return nil, ErrNoSubscriber }
func (s *shaky) Close() error                                  { s.Pipeline.Close(); return nil }

func (s *shaky) Publish(_ string, messages ...*message.Message) error {
	var m happened
	if err := unmarshal(messages[0].Payload, &m); err != nil {
		return err
	}
	luck := rand.IntN(150)
	if luck < 8 { // brokers are slow at times
		<-time.After(time.Duration(rand.IntN(500)) * time.Microsecond)
	}
	if luck == 0 {
		s.refusals.Add(1)
		return errBad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch got := s.got[m.Key]; {
	case m.N == len(got):
		s.got[m.Key] = append(got, m.N)
		s.all.Add(1)
	case m.N > len(got):
		s.early = append(s.early, fmt.Sprintf("%s/%d when there were %d", m.Key, m.N, len(got)))
	}
	if luck == 1 {
		s.refusals.Add(1)
		return errBad
	}
	return nil
}

func TestNothingGetsIntoABrokerBeforeWhatFailedOfItsKey(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		const keys, each = 12, 60
		broker := newShaky()
		from := NewEndpoint(Config{Context: "sender", DB: s.sender, Transport: broker, Backoff: 50 * time.Microsecond, Poll: 20 * time.Millisecond})
		start(t, from)
		t.Cleanup(func() { require.NoError(t, broker.Close()) })
		var publishers sync.WaitGroup
		for k := range keys {
			publishers.Go(func() {
				for n := range each {
					err := s.sender.Write(context.Background(), keyOf(k), func(ctx context.Context, tx *sqldb.Tx) error {
						return from.Publish(ctx, tx, happened{keyOf(k), n})
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		publishers.Wait()
		eventually(t, "all got in", func() bool { return broker.all.Load() == keys*each })
		s.from = from
		s.sent()
		require.Empty(t, broker.early)
		require.NotZero(t, broker.refusals.Load())
	})
}

// late is a broker that refuses the first message of a key at the moment at which the relay, which does not know of it yet, sends the second.
type late struct {
	*shaky
	second, refused chan struct{}
}

func (l *late) Send(topic string, msg *message.Message, done func(error)) {
	if isClosed(l.refused) {
		l.Pipeline.Send(topic, msg, done)
		return
	}
	if strings.HasSuffix(msg.UUID, ".0") {
		l.Pipeline.Send(topic, msg, func(err error) {
			done(err)
			close(l.refused)
		})
		return
	}
	close(l.second)
	<-l.refused
	for busy := true; busy; { // until nothing reminds of the first
		l.Pipeline.mu.Lock()
		_, busy = l.lanes[lane{topic, msg.Metadata.Get(metaSubject)}]
		l.Pipeline.mu.Unlock()
	}
	l.Pipeline.Send(topic, msg, done)
}

func (l *late) publish(topic string, messages ...*message.Message) error {
	if isClosed(l.refused) {
		return l.shaky.Publish(topic, messages...)
	}
	<-l.second
	return errBad
}

func TestAMessageSentInTheMomentOfARefusalDoesNotOvertake(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		broker := &late{shaky: newShaky(), second: make(chan struct{}), refused: make(chan struct{})}
		broker.Pipeline = NewPipeline(broker.publish, 8)
		s.from = NewEndpoint(Config{Context: "sender", DB: s.sender, Transport: broker, Backoff: time.Millisecond, Poll: 20 * time.Millisecond})
		s.publish(happened{"a", 0}, happened{"a", 1}, happened{"a", 2})
		start(t, s.from)
		t.Cleanup(func() { require.NoError(t, broker.Close()) })
		eventually(t, "all got in", func() bool { return broker.all.Load() == 3 })
		s.sent()
		require.Empty(t, broker.early)
	})
}

// gate is a publish function whose calls end when the test says so.
type gate struct {
	begun chan string
	end   chan error
}

func (g *gate) publish(_ string, messages ...*message.Message) error {
	g.begun <- messages[0].UUID
	return <-g.end
}

func newGate(width int) (*gate, *Pipeline) {
	g := &gate{begun: make(chan string, 100), end: make(chan error, 100)}
	return g, NewPipeline(g.publish, width)
}

func keyed(id, key string) *message.Message {
	msg := message.NewMessage(id, nil)
	msg.Metadata.Set(metaSubject, key)
	return msg
}

// outcomes collects what became of messages.
type outcomes struct {
	mu  sync.Mutex
	of  map[string]error
	all sync.WaitGroup
}

func (o *outcomes) send(p *Pipeline, topic string, msg *message.Message) {
	o.all.Add(1)
	p.Send(topic, msg, func(err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.of[msg.UUID] = err
		o.all.Done()
	})
}

func TestOneMessageOfAKeyIsUnderWayAndNoMoreThanTheWidthOfAll(t *testing.T) {
	g, p := newGate(3)
	o := outcomes{of: map[string]error{}}
	o.send(p, "t", keyed("a0", "a"))
	require.Equal(t, "a0", <-g.begun)
	o.send(p, "t", keyed("a1", "a"))
	o.send(p, "u", keyed("ua", "a")) // another topic is another order
	require.Equal(t, "ua", <-g.begun)
	o.send(p, "t", keyed("b0", "b"))
	require.Equal(t, "b0", <-g.begun)
	o.send(p, "t", keyed("c0", "c"))
	require.Empty(t, g.begun, "three are under way")
	for range 5 {
		g.end <- nil
	}
	o.all.Wait()
	require.ElementsMatch(t, []string{"a1", "c0"}, []string{<-g.begun, <-g.begun})
	for id, err := range o.of {
		require.NoError(t, err, id)
	}
	p.Close()
}

func TestWhatWaitsBehindAFailedMessageOfItsKeyFails(t *testing.T) {
	g, p := newGate(1)
	o := outcomes{of: map[string]error{}}
	o.send(p, "t", keyed("a0", "a"))
	<-g.begun
	for n := 1; n < 5; n++ {
		o.send(p, "t", keyed("a"+strconv.Itoa(n), "a"))
	}
	o.send(p, "t", keyed("b0", "b"))
	g.end <- errBad
	g.end <- nil
	o.all.Wait()
	require.Equal(t, "b0", <-g.begun)
	require.Empty(t, g.begun, "none of key a was tried")
	require.ErrorIs(t, o.of["a0"], errBad)
	for n := 1; n < 5; n++ {
		require.ErrorIs(t, o.of["a"+strconv.Itoa(n)], errWithheld)
	}
	require.NoError(t, o.of["b0"])
	g.end <- nil
	o.send(p, "t", keyed("a5", "a"))
	o.all.Wait()
	require.NoError(t, o.of["a5"], "who sends again begins anew")
	p.Close()
}

func TestAPipelineThatClosesTellsWhatBecameOfEachMessage(t *testing.T) {
	g, p := newGate(1)
	o := outcomes{of: map[string]error{}}
	for _, id := range []string{"a0", "a1", "b0", "b1"} {
		o.send(p, "t", keyed(id, id[:1]))
	}
	require.Equal(t, "a0", <-g.begun)
	closed := make(chan struct{})
	go func() { p.Close(); close(closed) }()
	eventually(t, "what was not begun is refused", func() bool { o.mu.Lock(); defer o.mu.Unlock(); return len(o.of) == 3 })
	g.end <- nil
	<-closed
	o.all.Wait()
	require.NoError(t, o.of["a0"])
	for _, id := range []string{"a1", "b0", "b1"} {
		require.ErrorIs(t, o.of[id], ErrClosed)
	}
	o.send(p, "t", keyed("c0", "c"))
	require.ErrorIs(t, o.of["c0"], ErrClosed)
}
