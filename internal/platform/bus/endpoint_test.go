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
)

func TestStoppingWaitsForTheHandlersThatRun(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		begun, release := make(chan struct{}), make(chan struct{})
		On(s.to, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
			close(begun)
			<-release
			return record(ctx, tx, m)
		})
		start(t, s.from, s.to)
		s.publish(happened{"a", 0})
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, s.to.Stop(ctx), context.DeadlineExceeded)
		close(release)
		stop(t, s.to)
		stop(t, s.to) // twice is once
		require.Equal(t, 1, countEffects(s.receiver), "what was begun is finished")
		s.sent()
	})
}

func TestAnEndpointThatWasNeverStartedStopsAtOnce(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) { stop(t, s.to) })
}

// half is a transport of which the second subscription fails.
type half struct {
	Transport
	subscriptions atomic.Int64
}

func (h *half) Subscriber(group string) (message.Subscriber, error) {
	if h.subscriptions.Add(1) > 1 {
		return nil, errBad
	}
	return h.Transport.Subscriber(group)
}

func TestAStartThatFailsLeavesNothingBehind(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		e := s.endpoint("receiver", s.receiver, &half{Transport: s.memory})
		On(e, record)
		On(e, func(context.Context, *sqldb.Tx, do) error { return nil })
		require.ErrorIs(t, e.Start(t.Context()), errBad)
		stop(t, e)
		require.ErrorIs(t, s.memory.Publish(happenedType.Topic(), newMessage("1")), ErrNoSubscriber)
	})
}

func TestAnEndpointOnAClosedTransportDoesNotStart(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		require.NoError(t, s.memory.Close())
		e := s.endpoint("receiver", s.receiver, s.memory)
		require.ErrorIs(t, e.Start(t.Context()), ErrClosed)
	})
}

func TestWhatIsPublishedInAFailedTransactionIsNotSent(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		On(s.to, record)
		start(t, s.from, s.to)
		err := s.sender.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			return errors.Join(s.from.Publish(ctx, tx, happened{"a", 99}), errBad)
		})
		require.ErrorIs(t, err, errBad)
		s.publish(happened{"a", 0})
		applied(t, s.receiver, 1)
		s.sent()
		requireEachOnceInOrder(t, s.receiver, 1, 1)
	})
}

// other is a second event of the context "sender".
type other happened

var otherType = NewEvent("sender", "other.happened", 1)

func (other) MessageType() Type    { return otherType }
func (m other) MessageKey() string { return m.Key }

func TestAnEventThatNobodyHearsIsNotWrittenThoughOthersOfItsContextAre(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		On(s.to, record)
		s.publish(other{"a", 1}, happened{"a", 0}, other{"a", 2})
		waiting, err := Outbox(t.Context(), s.sender, 0, 10)
		require.NoError(t, err)
		require.Len(t, waiting, 1)
		require.Equal(t, happenedType.String(), waiting[0].Type)

		require.NoError(t, s.memory.Join("somebody", otherType.Topic())) // who wants all
		s.publish(other{"a", 3})
		waiting, err = Outbox(t.Context(), s.sender, waiting[0].Row, 10)
		require.NoError(t, err)
		require.Len(t, waiting, 1)
	})
}
