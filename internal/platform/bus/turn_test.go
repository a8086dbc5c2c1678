package bus

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/pgtest"
)

// solo is a transport that wants one subscriber of a group at a time, and takes offence at two.
type solo struct {
	memory                       *Memory
	open, most, opened, declined atomic.Int64
	deny                         atomic.Bool
}

func (s *solo) Publish(topic string, messages ...*message.Message) error {
	return s.memory.Publish(topic, messages...)
}
func (s *solo) Send(topic string, msg *message.Message, done func(error)) {
	s.memory.Send(topic, msg, done)
}
func (s *solo) Declare(topic string) error     { return s.memory.Declare(topic) }
func (s *solo) Join(group, topic string) error { return s.memory.Join(group, topic) }
func (s *solo) Close() error                   { return s.memory.Close() }
func (s *solo) Exclusive()                     {}

func (s *solo) Subscriber(group string) (message.Subscriber, error) {
	if s.deny.Load() {
		s.declined.Add(1)
		return nil, errors.New("not now")
	}
	sub, err := s.memory.Subscriber(group)
	if err != nil {
		return nil, err
	}
	s.most.Store(max(s.most.Load(), s.open.Add(1)))
	s.opened.Add(1)
	return &soloSubscriber{sub, s}, nil
}

type soloSubscriber struct {
	message.Subscriber
	of *solo
}

func (s *soloSubscriber) Close() error {
	defer s.of.open.Add(-1)
	return s.Subscriber.Close()
}

func TestOfAnExclusiveTransportTheLeaderConsumesAndItsSuccessorAfterIt(t *testing.T) {
	url := pgtest.NewDatabase(t)
	s := newStreet(t, url)
	transport := &solo{memory: s.memory}
	s.from = s.endpoint("sender", s.sender, transport)
	replica := func() *Endpoint {
		e := NewEndpoint(Config{Context: "receiver", DB: openContext(t, url, "receiver"), Transport: transport, Backoff: time.Millisecond, Poll: 20 * time.Millisecond})
		On(e, record)
		return e
	}
	first, second := replica(), replica()
	start(t, s.from, first, second)
	s.publish(happened{"a", 0})
	applied(t, s.receiver, 1)
	if second.Leading() {
		first, second = second, first
	}
	require.True(t, first.Leading())
	stop(t, first)
	require.False(t, first.Leading())
	s.publish(happened{"a", 1})
	applied(t, s.receiver, 2)
	require.True(t, second.Leading())
	stop(t, second)
	require.Zero(t, transport.open.Load())
	require.EqualValues(t, 2, transport.opened.Load(), "one after the other")
	require.EqualValues(t, 1, transport.most.Load())
	requireEachOnceInOrder(t, s.receiver, 1, 2)
}

func TestALeaderThatIsDeposedStopsConsuming(t *testing.T) {
	url := pgtest.NewDatabase(t)
	s := newStreet(t, url)
	transport := &solo{memory: s.memory}
	s.from = s.endpoint("sender", s.sender, transport)
	s.to = NewEndpoint(Config{Context: "receiver", DB: s.receiver, Transport: transport, Backoff: time.Millisecond, Poll: 20 * time.Millisecond, Lease: 600 * time.Millisecond})
	On(s.to, record)
	start(t, s.from, s.to)
	s.publish(happened{"a", 0})
	applied(t, s.receiver, 1)
	depose := func(expiry string) {
		require.NoError(t, s.receiver.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE leases SET owner = 'another', token = token + 1, expires_at = `+expiry)
			return err
		}))
	}
	depose("expires_at + 3600000000")
	eventually(t, "it consumes no more", func() bool { return transport.open.Load() == 0 && !s.to.Leading() })
	s.publish(happened{"a", 1})
	require.Equal(t, 1, countEffects(s.receiver))
	depose("0")
	applied(t, s.receiver, 2)
	require.EqualValues(t, 2, transport.opened.Load())
	requireEachOnceInOrder(t, s.receiver, 1, 2)
}

func TestALeaderTriesToSubscribeUntilItCan(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		transport := &solo{memory: s.memory}
		transport.deny.Store(true)
		s.from, s.to = s.endpoint("sender", s.sender, transport), s.endpoint("receiver", s.receiver, transport)
		On(s.to, record)
		start(t, s.from, s.to)
		s.publish(happened{"a", 0})
		eventually(t, "it was refused", func() bool { return transport.declined.Load() > 1 })
		transport.deny.Store(false)
		applied(t, s.receiver, 1)
	})
}

func TestTheAddresseeOfATopicIsTheContextOfItsCommands(t *testing.T) {
	to, ok := Addressee(Topic("payments", Command))
	require.True(t, ok)
	require.Equal(t, "payments", to)
	_, ok = Addressee(Topic("payments", Event))
	require.False(t, ok)
}
