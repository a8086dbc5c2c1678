package bus

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
)

const topicName = "shop.sender.events"

func newMessage(id string) *message.Message { return message.NewMessage(id, []byte(`{}`)) }

// subscribe receives for a group until the test ends.
func subscribe(t *testing.T, m *Memory, group string) (<-chan *message.Message, message.Subscriber) {
	t.Helper()
	sub, err := m.Subscriber(group)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sub.Close() })
	messages, err := sub.Subscribe(t.Context(), topicName)
	require.NoError(t, err)
	return messages, sub
}

func receive(t *testing.T, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case msg, open := <-messages:
		require.True(t, open, "the subscription has ended")
		return msg
	case <-time.After(soon):
		t.Fatal("no message")
		return nil
	}
}

// publishing publishes in the background.
func publishing(m *Memory, messages ...*message.Message) <-chan error {
	result := make(chan error, 1)
	go func() { result <- m.Publish(topicName, messages...) }()
	return result
}

func outcomeOf(t *testing.T, result <-chan error) error {
	t.Helper()
	select {
	case err := <-result:
		return err
	case <-time.After(soon):
		t.Fatal("Publish does not return")
		return nil
	}
}

func requirePending(t *testing.T, result <-chan error) {
	t.Helper()
	select {
	case err := <-result:
		t.Fatal("Publish returned early: ", err)
	case <-time.After(20 * time.Millisecond):
	}
}

func TestAMessageNobodyCouldGetIsAnError(t *testing.T) {
	m := NewMemory()
	require.ErrorIs(t, m.Publish(topicName, newMessage("1")), ErrNoSubscriber, "a topic nobody declared")
	require.NoError(t, m.Declare(topicName))
	require.NoError(t, m.Publish(topicName, newMessage("1")), "an event nobody listens to")
	require.NoError(t, m.Declare("shop.receiver.commands"))
	require.ErrorIs(t, m.Publish("shop.receiver.commands", newMessage("1")), ErrNoSubscriber, "a command nobody takes")
	require.NoError(t, m.Join("group", topicName))
	require.ErrorIs(t, m.Publish(topicName, newMessage("1")), ErrNoSubscriber, "a group that does not receive at the moment")
}

func TestPublishWaitsForTheAcknowledgementOfEveryGroup(t *testing.T) {
	m := NewMemory()
	a, _ := subscribe(t, m, "a")
	b, _ := subscribe(t, m, "b")
	result := publishing(m, newMessage("1"), newMessage("2"))
	for range 2 {
		receive(t, a).Ack()
	}
	receive(t, b).Ack()
	last := receive(t, b)
	requirePending(t, result)
	last.Ack()
	require.NoError(t, outcomeOf(t, result))
}

func TestGroupsGetTheirOwnCopies(t *testing.T) {
	m := NewMemory()
	a, _ := subscribe(t, m, "a")
	b, _ := subscribe(t, m, "b")
	result := publishing(m, newMessage("1"))
	first, second := receive(t, a), receive(t, b)
	first.Metadata.Set("changed", "yes")
	require.Empty(t, second.Metadata.Get("changed"))
	first.Ack()
	second.Ack()
	require.NoError(t, outcomeOf(t, result))
}

func TestTheSubscriptionsOfAGroupShareItsMessages(t *testing.T) {
	m := NewMemory()
	a1, _ := subscribe(t, m, "a")
	a2, leaver := subscribe(t, m, "a")
	const n = 100
	var messages []*message.Message
	for i := range n {
		messages = append(messages, newMessage(keyOf(i)))
	}
	result := publishing(m, messages...)
	got := map[string]int{}
	for range n {
		select {
		case msg := <-a1:
			got[msg.UUID]++
			msg.Ack()
		case msg := <-a2:
			got[msg.UUID]++
			msg.Ack()
		case <-time.After(soon):
			t.Fatal("no message")
		}
	}
	require.NoError(t, outcomeOf(t, result))
	require.Len(t, got, n)
	require.NoError(t, leaver.Close())
	result = publishing(m, newMessage("last"))
	receive(t, a1).Ack()
	require.NoError(t, outcomeOf(t, result))
}

func TestARefusedMessageComesAgainAfterAPause(t *testing.T) {
	m := NewMemory()
	m.pause = 50 * time.Millisecond
	a, _ := subscribe(t, m, "a")
	result := publishing(m, newMessage("1"))
	began := time.Now()
	for range 3 {
		receive(t, a).Nack()
	}
	receive(t, a).Ack()
	require.NoError(t, outcomeOf(t, result))
	require.GreaterOrEqual(t, time.Since(began), 150*time.Millisecond, "not in a hot loop")
}

func TestAMessageThatWaitsDoesNotHoldUpTheNext(t *testing.T) {
	m := NewMemory()
	a, _ := subscribe(t, m, "a")
	slow := publishing(m, newMessage("slow"))
	waiting := receive(t, a)
	for range 10 {
		quick := publishing(m, newMessage("quick"))
		receive(t, a).Ack()
		require.NoError(t, outcomeOf(t, quick))
	}
	requirePending(t, slow)
	waiting.Ack()
	require.NoError(t, outcomeOf(t, slow))
}

func TestAFullQueueIsAnErrorAndEmptiesAgain(t *testing.T) {
	m := NewMemory()
	a, _ := subscribe(t, m, "a")
	var mu sync.Mutex
	var full, done int
	send := func() {
		m.Send(topicName, newMessage("x"), func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				require.ErrorIs(t, err, ErrFull)
				full++
				return
			}
			done++
		})
	}
	seen := func(n *int) func() bool {
		return func() bool { mu.Lock(); defer mu.Unlock(); return *n > 0 }
	}
	sent := 0
	for !seen(&full)() { // nobody reads
		require.Less(t, sent, 3*memoryCapacity, "bounded")
		send()
		sent++
	}
	for range sent - 1 {
		receive(t, a).Ack()
	}
	eventually(t, "all but the one refused were acknowledged", func() bool { mu.Lock(); defer mu.Unlock(); return done == sent-1 })
	send()
	receive(t, a).Ack()
	eventually(t, "there is room again", func() bool { mu.Lock(); defer mu.Unlock(); return done == sent })
}

func TestWhatALeavingSubscriberDidNotAcknowledgeIsAnError(t *testing.T) {
	m := NewMemory()
	a, sub := subscribe(t, m, "a")
	taken, held := publishing(m, newMessage("taken")), publishing(m, newMessage("held"))
	receive(t, a)
	receive(t, a)
	waiting := publishing(m, newMessage("waiting"))
	requirePending(t, waiting)
	require.NoError(t, sub.Close())
	for _, result := range []<-chan error{taken, held, waiting} {
		require.ErrorIs(t, outcomeOf(t, result), ErrClosed)
	}
	_, open := <-a
	require.False(t, open)
	require.ErrorIs(t, m.Publish(topicName, newMessage("1")), ErrNoSubscriber)
	again, _ := subscribe(t, m, "a")
	result := publishing(m, newMessage("1"))
	receive(t, again).Ack()
	require.NoError(t, outcomeOf(t, result))
}

func TestWhatIsAcknowledgedAfterTheSubscriptionEndedCounts(t *testing.T) {
	m := NewMemory()
	sub, err := m.Subscriber("a")
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	messages, err := sub.Subscribe(ctx, topicName)
	require.NoError(t, err)
	result := publishing(m, newMessage("1"))
	msg := receive(t, messages)
	end()
	_, open := <-messages
	require.False(t, open)
	requirePending(t, result)
	msg.Ack()
	require.NoError(t, outcomeOf(t, result))
	require.NoError(t, sub.Close())
}

func TestClosingFailsWhatIsNotAcknowledged(t *testing.T) {
	m := NewMemory()
	a, _ := subscribe(t, m, "a")
	taken := publishing(m, newMessage("taken"))
	receive(t, a)
	waiting := publishing(m, newMessage("waiting"))
	requirePending(t, waiting)
	require.NoError(t, m.Close())
	require.ErrorIs(t, outcomeOf(t, taken), ErrClosed)
	require.ErrorIs(t, outcomeOf(t, waiting), ErrClosed)
	require.ErrorIs(t, m.Publish(topicName, newMessage("1")), ErrClosed)
	require.ErrorIs(t, m.Declare(topicName), ErrClosed)
	require.ErrorIs(t, m.Join("a", topicName), ErrClosed)
	sub, err := m.Subscriber("b")
	require.NoError(t, err)
	_, err = sub.Subscribe(t.Context(), topicName)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, m.Close())
}

func TestEveryMessageHasAnOutcomeWhileSubscribersComeAndGo(t *testing.T) {
	m := NewMemory()
	m.pause = 0
	require.NoError(t, m.Join("a", topicName))
	var subscribers, publishers sync.WaitGroup
	over := make(chan struct{})
	for range 3 {
		subscribers.Go(func() {
			for n := 0; !isClosed(over); n++ {
				sub, _ := m.Subscriber("a")
				messages, err := sub.Subscribe(context.Background(), topicName)
				if err != nil {
					t.Error(err)
					return
				}
				for range n % 50 {
					select {
					case msg := <-messages:
						if n%3 == 0 {
							msg.Nack()
						} else if n%7 > 0 {
							msg.Ack()
						}
					case <-time.After(time.Millisecond): // all are held by subscribers that do not acknowledge
					case <-over:
					}
				}
				_ = sub.Close()
			}
		})
	}
	for range 4 {
		publishers.Go(func() {
			for range 300 {
				for m.Publish(topicName, newMessage("x")) != nil { // as the relay does
				}
			}
		})
	}
	publishers.Wait()
	close(over)
	subscribers.Wait()
	require.NoError(t, m.Close())
}
