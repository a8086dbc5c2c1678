package natsbus

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus/natsbus/natstest"
)

const (
	topic = "shop.orders.events"
	soon  = 20 * time.Second // longer than anything that a test waits for
)

func messageOf(n int) *message.Message {
	msg := message.NewMessage("m"+strconv.Itoa(n), message.Payload(strconv.Itoa(n)))
	msg.Metadata.Set("ce_id", msg.UUID)
	msg.Metadata.Set("ce_subject", "key")
	return msg
}

func publish(t testing.TB, transport *Transport, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		require.NoError(t, transport.Publish(topic, messageOf(n)))
	}
}

func subscribe(t testing.TB, transport *Transport, group string) <-chan *message.Message {
	t.Helper()
	sub, err := transport.Subscriber(group)
	require.NoError(t, err)
	messages, err := sub.Subscribe(t.Context(), topic)
	require.NoError(t, err)
	return messages
}

// receive takes the next n messages, acknowledges those that keep does not name, and returns what they say.
func receive(t testing.TB, messages <-chan *message.Message, n int, keep func(string) bool) (got []string) {
	t.Helper()
	for range n {
		select {
		case msg := <-messages:
			got = append(got, string(msg.Payload))
			if keep == nil || !keep(string(msg.Payload)) {
				msg.Ack()
			}
		case <-time.After(soon):
			require.Fail(t, "no message", "after %v", got)
		}
	}
	return got
}

func numbers(from, to int) (list []string) {
	for n := from; n < to; n++ {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

func streamOf(t testing.TB, transport *Transport) jetstream.Stream {
	t.Helper()
	stream, err := transport.js.Stream(t.Context(), streamName(topic))
	require.NoError(t, err)
	return stream
}

func generationNames(t testing.TB, transport *Transport, group string) (names []string) {
	t.Helper()
	list, err := generationsOf(t.Context(), streamOf(t, transport), group)
	require.NoError(t, err)
	for _, g := range list {
		names = append(names, g.info.Name)
	}
	return names
}

func waiting(t testing.TB, transport *Transport, group string) uint64 {
	t.Helper()
	pending, err := transport.Backlog(t.Context(), group)
	require.NoError(t, err)
	return pending[topic]
}

func TestWhatWasNotAcknowledgedComesAgainInTheOrderOfTheStream(t *testing.T) {
	for name, test := range map[string]struct {
		groups []string
		again  []string // beside what is published later
	}{
		"alone":                       {[]string{"payments"}, []string{"20", "21", "50"}},
		"while another group is late": {[]string{"payments", "shipping"}, numbers(20, 100)}, // for which they are kept
	} {
		t.Run(name, func(t *testing.T) {
			server := natstest.Start(t)
			first, second := open(t, server), open(t, server)
			for _, group := range test.groups {
				require.NoError(t, first.Join(group, topic))
			}
			publish(t, first, 0, 100)
			kept := func(s string) bool { return s == "20" || s == "21" || s == "50" }
			require.Equal(t, numbers(0, 100), receive(t, subscribe(t, first, "payments"), 100, kept))
			require.Eventually(t, func() bool { return waiting(t, second, "payments") == 3 }, soon, 5*time.Millisecond)
			require.NoError(t, first.Close())
			publish(t, second, 100, 110)
			want := append(test.again, numbers(100, 110)...)
			require.Equal(t, want, receive(t, subscribe(t, second, "payments"), len(want), nil))
			require.Equal(t, []string{"payments-g3"}, generationNames(t, second, "payments"))
			require.Eventually(t, func() bool { return waiting(t, second, "payments") == 0 }, soon, 5*time.Millisecond)
			if len(test.groups) == 1 {
				info, err := streamOf(t, second).Info(t.Context())
				require.NoError(t, err)
				require.Zero(t, info.State.Msgs, "what every group has acknowledged is gone")
			}
		})
	}
}

func TestAProcessThatDiesBetweenTwoGenerationsLosesNothing(t *testing.T) {
	server := natstest.Start(t)
	transport := open(t, server)
	require.NoError(t, transport.Join("payments", topic))
	publish(t, transport, 0, 10)
	old, err := generationsOf(t.Context(), streamOf(t, transport), "payments")
	require.NoError(t, err)
	require.Len(t, old, 1)
	next := consumerConfig("payments", 2) // made, and nothing removed
	next.DeliverPolicy, next.OptStartSeq = jetstream.DeliverByStartSequencePolicy, 1
	_, err = streamOf(t, transport).CreateConsumer(t.Context(), next)
	require.NoError(t, err)
	publish(t, transport, 10, 20)
	require.Equal(t, []string{"payments-g1", "payments-g2"}, generationNames(t, transport, "payments"))
	server.Restart(t)
	require.Eventually(t, func() bool { return transport.Declare(topic) == nil }, soon, 5*time.Millisecond)
	require.Equal(t, numbers(0, 20), receive(t, subscribe(t, transport, "payments"), 20, nil))
	require.Equal(t, []string{"payments-g3"}, generationNames(t, transport, "payments"))
}

func TestWhoeverSubscribesLaterTakesOver(t *testing.T) {
	server := natstest.Start(t)
	zombie, leader := open(t, server), open(t, server)
	require.NoError(t, zombie.Join("payments", topic))
	publish(t, zombie, 0, 10)
	sub, err := zombie.Subscriber("payments")
	require.NoError(t, err)
	ctx, depose := context.WithCancel(t.Context())
	stale, err := sub.Subscribe(ctx, topic)
	require.NoError(t, err)
	require.Equal(t, numbers(0, 10), receive(t, stale, 10, func(string) bool { return true }))
	depose() // it still holds what it was given
	require.Equal(t, numbers(0, 10), receive(t, subscribe(t, leader, "payments"), 10, nil))
	require.Len(t, generationNames(t, leader, "payments"), 1)
	require.NoError(t, sub.Close())
}

func TestARefusedMessageComesAgainBeforeWhatIsPublishedLater(t *testing.T) {
	transport := open(t, natstest.Start(t))
	require.NoError(t, transport.Join("payments", topic))
	publish(t, transport, 0, 3)
	messages := subscribe(t, transport, "payments")
	for range 3 {
		msg := <-messages
		if string(msg.Payload) == "1" {
			msg.Nack()
		} else {
			msg.Ack()
		}
	}
	require.Equal(t, []string{"1"}, receive(t, messages, 1, nil))
	publish(t, transport, 3, 4)
	require.Equal(t, []string{"3"}, receive(t, messages, 1, nil))
}

func TestEachGroupGetsEveryMessageFromTheMomentItJoined(t *testing.T) {
	transport := open(t, natstest.Start(t))
	require.NoError(t, transport.Join("payments", topic))
	publish(t, transport, 0, 5)
	require.NoError(t, transport.Join("shipping", topic))
	publish(t, transport, 5, 10)
	require.Equal(t, numbers(0, 10), receive(t, subscribe(t, transport, "payments"), 10, nil))
	require.Equal(t, numbers(5, 10), receive(t, subscribe(t, transport, "shipping"), 5, nil))
}

func TestManyProcessesMayProvisionAtOnce(t *testing.T) {
	server := natstest.Start(t)
	const processes = 8
	var all sync.WaitGroup
	errs := make(chan error, processes*4)
	for range processes {
		transport := open(t, server)
		all.Go(func() {
			errs <- transport.Declare(topic)
			errs <- transport.Join("payments", topic)
			errs <- transport.Join("shipping", topic)
			errs <- transport.Join("payments", topic)
		})
	}
	all.Wait()
	for range processes * 4 {
		require.NoError(t, <-errs)
	}
	transport := open(t, server)
	require.Equal(t, []string{"payments-g1"}, generationNames(t, transport, "payments"))
	require.Equal(t, []string{"shipping-g1"}, generationNames(t, transport, "shipping"))
}

func TestAJoinThatComesLateLeavesNoOldGeneration(t *testing.T) {
	server := natstest.Start(t)
	transport, other := open(t, server), open(t, server)
	require.NoError(t, transport.Join("payments", topic))
	_, err := transport.nextGeneration(t.Context(), "payments", topic)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 10 { // while generations come and go
		all.Go(func() { _ = other.Join("payments", topic) })
		_, err := transport.nextGeneration(t.Context(), "payments", topic)
		require.NoError(t, err)
	}
	all.Wait()
	require.Equal(t, []string{"payments-g12"}, generationNames(t, transport, "payments"))
}

func TestOfTwoThatMakeTheSameGenerationOneDoes(t *testing.T) {
	server := natstest.Start(t)
	a, b := open(t, server), open(t, server)
	require.NoError(t, a.Join("payments", topic))
	made := make(chan error, 2)
	for i, transport := range []*Transport{a, b} {
		stream := streamOf(t, transport)
		go func() {
			mine := consumerConfig("payments", 2)
			mine.Metadata = map[string]string{"shop.owner": fmt.Sprint(i)}
			_, err := stream.CreateConsumer(context.Background(), mine)
			made <- err
		}()
	}
	errs := []error{<-made, <-made}
	if errs[0] != nil {
		errs[0], errs[1] = errs[1], errs[0]
	}
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], jetstream.ErrConsumerExists)
}
