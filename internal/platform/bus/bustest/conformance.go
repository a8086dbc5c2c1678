package bustest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb/pgtest"
)

// Broker is what carries messages in a run of the suite: empty at first, and not used by anybody else.
type Broker struct {
	// Open makes a new connection, as another process would have.
	Open func(t testing.TB) bus.Transport
	// Restart stops the broker, ungracefully if it can, and starts it again on the same address with the same storage. nil: it lives in the process and dies with it.
	Restart func(t testing.TB)
	// Pause makes the broker unreachable until resume is called. May be nil.
	Pause func(t testing.TB) (resume func())
}

// outlives reports whether the broker keeps messages of a process that has ended.
func (b Broker) outlives() bool { return b.Restart != nil }

// Conformance holds a transport to what the contexts rely on: contexts with databases of their own speak over it, while it and they fail. Each case gets a broker of its
// own. SHOP_TEST_BACKLOG is how many messages wait in the case of a backlog: 100000 with the build tag torture, else a few thousand.
func Conformance(t *testing.T, fresh func(t *testing.T) Broker) {
	for _, c := range []struct {
		name string
		run  func(s *street)
	}{
		{"the order of a key is kept when handlers fail", orderOfAKey},
		{"a message takes effect once, although acknowledgements get lost", effectOnce},
		{"what a receiver took and did not acknowledge comes again, in order", deathOfAReceiver},
		{"poison becomes a dead letter, parks its key, and holds up no other", poison},
		{"the broker restarts under load", brokerRestarts},
		{"the broker is away for a while", brokerIsAway},
		{"the consumer restarts under load", consumerRestarts},
		{"two replicas of a receiver keep the order of a key", twoReplicas},
		{"a backlog drains", backlog},
		{"a slow consumer gets no more than its window, and loses nothing", slowConsumer},
		{"everybody shuts down under load, and nothing is lost", shutdown},
		{"commands wait until their context is there", commandsWait},
		{"events wait for a group that has joined and does not run yet", eventsWait},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(newStreet(t, fresh(t))) })
	}
}

func orderOfAKey(s *street) {
	const keys, each = 50, 20
	s.sends()
	s.receives(unlucky(20))
	s.publish(keys, each)
	s.applied(keys * each)
	s.requireEachOnceInOrder(keys, each)
}

// unlucky fails one time in n, at random.
func unlucky(n int) func(happened) error {
	return func(happened) error {
		if rand.IntN(n) == 0 {
			return errBad
		}
		return nil
	}
}

func effectOnce(s *street) {
	const keys, each = 20, 20
	losses := new(atomic.Int64)
	s.sendsOver(&deafToAcks{Transport: s.open(), losses: losses})
	s.receives(nil)
	s.publish(keys, each)
	s.applied(keys * each)
	s.sent()
	s.requireEachOnceInOrder(keys, each)
	require.NotZero(s.t, losses.Load())
}

func deathOfAReceiver(s *street) {
	if !s.broker.outlives() {
		s.t.Skip("this broker dies with the process")
	}
	const keys, each = 20, 25
	s.sends()
	lost := new(atomic.Int64)
	first := s.receivesOver(forgetsAcks(s.open(), keys*each/3, lost), unlucky(20))
	s.publish(keys, each)
	s.applied(keys * each / 3)
	s.eventually("acknowledgements get lost", func() bool { return lost.Load() > 0 })
	first.dies()
	s.receives(unlucky(20))
	s.applied(keys * each)
	s.requireEachOnceInOrder(keys, each)
}

func poison(s *street) {
	const each = 5
	healed := new(atomic.Bool)
	s.sends()
	s.attempts = 3
	s.receives(func(m happened) error {
		if m.Key == "key0" && m.N == 1 && !healed.Load() {
			return errBad
		}
		return nil
	})
	s.publish(3, each)
	s.applied(2*each + 1)
	s.eventually("the key is parked behind its dead letter", func() bool { return len(s.deadLetters()) == each-1 })
	list := s.deadLetters()
	require.Equal(s.t, "dead", list[0].State)
	for _, d := range list {
		require.Equal(s.t, "key0", d.Key)
	}
	healed.Store(true)
	require.NoError(s.t, bus.Replay(s.t.Context(), s.receiver, list[0].ID))
	s.applied(3 * each)
	s.eventually("no dead letters are left", func() bool { return len(s.deadLetters()) == 0 })
	s.requireEachOnceInOrder(3, each)
}

func brokerRestarts(s *street) {
	if s.broker.Restart == nil {
		s.t.Skip("this broker cannot be restarted")
	}
	const keys, each = 20, 60
	s.sends()
	s.receives(unlucky(50))
	done := s.publishMeanwhile(keys, each)
	for _, share := range []int{5, 2} {
		s.applied(keys * each / share)
		s.broker.Restart(s.t)
	}
	<-done
	s.applied(keys * each)
	s.requireEachOnceInOrder(keys, each)
}

func brokerIsAway(s *street) {
	if s.broker.Pause == nil {
		s.t.Skip("this broker is always there")
	}
	const keys, each = 20, 10
	s.sends()
	s.receives(nil)
	watcher := s.open()
	s.publishFrom(keys, 0, 3)
	s.applied(keys * 3)
	resume := s.broker.Pause(s.t)
	s.eventually("it is noticed", func() bool { return declareInTime(s.t, watcher) != nil })
	s.publishFrom(keys, 3, each)
	s.eventually("they wait in the outbox", func() bool {
		n, _, err := s.from.Backlog(context.Background())
		return err == nil && n >= keys*(each-3)
	})
	resume()
	s.applied(keys * each)
	s.eventually("it is noticed as well", func() bool { return declareInTime(s.t, watcher) == nil })
	s.sent()
	s.requireEachOnceInOrder(keys, each)
}

// declareInTime asks as a readiness check does, which must not wait long.
func declareInTime(t testing.TB, transport bus.Transport) error {
	answer := make(chan error, 1)
	go func() { answer <- transport.Declare(happenedType.Topic()) }()
	select {
	case err := <-answer:
		return err
	case <-time.After(5 * time.Second): // one second is promised; machines that test are slow
		require.Fail(t, "a readiness check waits for the broker")
		return errors.New("late")
	}
}

func consumerRestarts(s *street) {
	const keys, each = 20, 60
	s.sends()
	receiver := s.receives(unlucky(20))
	done := s.publishMeanwhile(keys, each)
	for i := range 4 {
		s.applied(keys * each * (i + 1) / 6)
		receiver.stops()
		receiver = s.receives(unlucky(20))
	}
	<-done
	s.applied(keys * each)
	s.requireEachOnceInOrder(keys, each)
}

func twoReplicas(s *street) {
	if !s.broker.outlives() {
		s.t.Skip("replicas are processes, which this broker does not reach")
	}
	const keys, each = 20, 60
	s.receiverOn(pgtest.NewDatabase(s.t))
	s.sends()
	first := s.receives(unlucky(20))
	second := s.replicaOfReceiver(unlucky(20))
	done := s.publishMeanwhile(keys, each)
	s.applied(keys * each / 4)
	if second.endpoint.Leading() {
		first, second = second, first
	}
	first.dies()
	s.applied(keys * each / 2)
	third := s.replicaOfReceiver(unlucky(20))
	second.stops()
	<-done
	s.applied(keys * each)
	s.requireEachOnceInOrder(keys, each)
	require.Empty(s.t, s.deadLetters())
	third.stops()
}

func backlog(s *street) {
	messages := backlogMessages
	if n, err := strconv.Atoi(os.Getenv("SHOP_TEST_BACKLOG")); err == nil {
		messages = n
	}
	const keys = 500
	each := max(messages/keys, 1)
	if s.broker.outlives() { // it waits in the broker, else in the outbox
		s.sends()
	}
	s.publish(keys, each)
	if s.broker.outlives() {
		s.sent()
	}
	began := time.Now()
	if !s.broker.outlives() {
		s.sends()
	}
	s.receives(nil)
	s.applied(keys * each)
	took := time.Since(began)
	s.t.Logf("%d messages in %v, %.0f/s", keys*each, took.Round(time.Millisecond), float64(keys*each)/took.Seconds())
	s.requireEachOnceInOrder(keys, each)
}

func slowConsumer(s *street) {
	const keys, each = 50, 50
	s.sends()
	released := make(chan struct{})
	counted, most := countsDeliveries(s.open())
	s.receivesOver(counted, func(happened) error { <-released; return nil })
	s.publish(keys, each)
	if s.broker.outlives() {
		s.sent() // the broker holds what the consumer does not take
	}
	s.eventually("it has something", func() bool { return most.Load() > 0 })
	require.LessOrEqual(s.t, most.Load(), int64(window+2), "beside those in the window one may be on its way in, and one out")
	close(released)
	s.applied(keys * each)
	s.requireEachOnceInOrder(keys, each)
}

func shutdown(s *street) {
	const keys, each = 20, 60
	sender, receiver := s.sends(), s.receives(unlucky(50))
	for i := range 3 {
		s.publishFrom(keys, i*each/3, (i+1)*each/3)
		s.applied(keys*each*i/3 + 20)
		sender.stops()
		receiver.stops()
		sender, receiver = s.sends(), s.receives(unlucky(50))
	}
	s.applied(keys * each)
	s.sent()
	s.requireEachOnceInOrder(keys, each)
	require.Empty(s.t, s.deadLetters())
}

func commandsWait(s *street) {
	const n = 100
	sender := s.sends()
	for i := range n {
		s.write(do{keyOf(i % 10), i / 10})
	}
	s.waitsForReceiver(sender, doType.Topic(), n)
	s.receives(nil)
	s.applied(n)
	s.requireEachOnceInOrder(10, n/10)
}

func eventsWait(s *street) {
	const keys, each = 10, 10
	sender := s.sends()
	s.publish(keys, each)
	s.waitsForReceiver(sender, happenedType.Topic(), keys*each)
	s.receives(nil)
	s.applied(keys * each)
	s.requireEachOnceInOrder(keys, each)
}

// waitsForReceiver waits until the broker has all messages, and ends their sender. A broker that does not outlive it leaves them in the outbox.
func (s *street) waitsForReceiver(sender *process, topic string, n int) {
	if !s.broker.outlives() {
		pending, _, err := s.from.Backlog(s.t.Context())
		require.NoError(s.t, err)
		require.EqualValues(s.t, n, pending)
		return
	}
	s.sent()
	require.NoError(s.t, sender.transport.Join("receiver", topic)) // as every process does for all contexts
	if measured, ok := sender.transport.(interface {
		Backlog(ctx context.Context, group string) (map[string]uint64, error)
	}); ok {
		s.eventually(fmt.Sprintf("%d messages wait for the receiver", n), func() bool {
			waiting, err := measured.Backlog(context.Background(), "receiver")
			return err == nil && waiting[topic] == uint64(n)
		})
	}
	sender.stops()
}
