package kafkabus_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/bus/kafkabus"
	"shop/internal/platform/bus/kafkabus/kafkatest"
)

const (
	topic = "shop.orders.events"
	soon  = 20 * time.Second
)

func TestAMessageArrivesWithItsIdAndMetadata(t *testing.T) {
	transport := open(t, kafkatest.Start(t).URL(4))
	sent := newMessage("order-1", 0)
	sent.Metadata.Set("traceparent", "00-1-2-01")
	require.NoError(t, transport.Declare(topic))
	require.NoError(t, transport.Publish(topic, sent))
	got := receive(t, subscribe(t, transport))
	require.Equal(t, sent.UUID, got.UUID)
	require.Equal(t, sent.Payload, got.Payload)
	require.Equal(t, sent.Metadata, got.Metadata)
	got.Ack()
	require.NoError(t, transport.Close())
}

func TestAMessageThatIsRefusedComesAgainBeforeTheNextOfItsKey(t *testing.T) {
	transport := open(t, kafkatest.Start(t).URL(4))
	require.NoError(t, transport.Declare(topic))
	require.NoError(t, transport.Publish(topic, newMessage("order-1", 0), newMessage("order-1", 1)))
	messages := subscribe(t, transport)
	for range 3 {
		msg := receive(t, messages)
		require.Equal(t, "order-1/0", msg.UUID)
		msg.Nack()
	}
	receive(t, messages).Ack()
	require.Equal(t, "order-1/1", receive(t, messages).UUID)
	require.NoError(t, transport.Close())
}

func TestOnlyWhatWasAcknowledgedIsCommitted(t *testing.T) {
	url := kafkatest.Start(t).URL(1)
	first := open(t, url)
	require.NoError(t, first.Declare(topic))
	require.NoError(t, first.Publish(topic, newMessage("order-1", 0), newMessage("order-2", 0), newMessage("order-1", 1)))
	messages := subscribe(t, first)
	receive(t, messages).Ack()
	require.Equal(t, "order-2/0", receive(t, messages).UUID) // begun and not acknowledged
	require.NoError(t, first.Close())

	second := open(t, url)
	require.NoError(t, second.Join("payments", topic))
	backlog, err := second.Backlog(t.Context(), "payments")
	require.NoError(t, err)
	require.Equal(t, map[string]uint64{topic: 2}, backlog)
	require.Equal(t, "order-2/0", receive(t, subscribe(t, second)).UUID)
	require.NoError(t, second.Close())
}

func TestTheBacklogOfAGroupIsWhatItHasNotAcknowledged(t *testing.T) {
	transport := open(t, kafkatest.Start(t).URL(4))
	require.NoError(t, transport.Join("payments", topic))
	require.NoError(t, transport.Join("payments", "shop.payments.commands"))
	for i := range 10 {
		require.NoError(t, transport.Publish(topic, newMessage(fmt.Sprint("order-", i), 0)))
	}
	backlog, err := transport.Backlog(t.Context(), "payments")
	require.NoError(t, err)
	require.Equal(t, map[string]uint64{topic: 10, "shop.payments.commands": 0}, backlog, "before it has begun")
	messages := subscribe(t, transport)
	for range 10 {
		receive(t, messages).Ack()
	}
	require.Eventually(t, func() bool {
		backlog, err := transport.Backlog(context.Background(), "payments")
		return err == nil && backlog[topic] == 0
	}, soon, 50*time.Millisecond)
	require.NoError(t, transport.Close())
}

func TestABrokerThatIsNotThereIsReported(t *testing.T) {
	b := kafkatest.Start(t)
	transport := open(t, b.URL(4))
	require.NoError(t, transport.Declare(topic))
	b.Stop()
	require.Error(t, transport.Declare(topic))
	_, err := kafkabus.Open(b.URL(4), kafkabus.Options{})
	require.ErrorContains(t, err, "kafka [127.0.0.1:")
	b.Restart(t)
	require.Eventually(t, func() bool { return transport.Declare(topic) == nil }, soon, 50*time.Millisecond)
	require.NoError(t, transport.Close())
}

func TestAClosedTransportRefusesEverything(t *testing.T) {
	transport := open(t, kafkatest.Start(t).URL(4))
	require.NoError(t, transport.Close())
	require.NoError(t, transport.Close())
	require.ErrorIs(t, transport.Declare(topic), bus.ErrClosed)
	require.ErrorIs(t, transport.Publish(topic, newMessage("order-1", 0)), bus.ErrClosed)
	_, err := transport.Subscriber("payments")
	require.ErrorIs(t, err, bus.ErrClosed)
}

func TestABrokerMayWantAUserAndAPassword(t *testing.T) {
	url := kafkatest.StartSecured(t, "shop", "p@ss").URL(4)
	_, err := kafkabus.Open(url, kafkabus.Options{})
	require.Error(t, err)
	transport := open(t, strings.Replace(url, "//", "//shop:p%40ss@", 1))
	require.NoError(t, transport.Declare(topic))
	require.NoError(t, transport.Close())
}

func newMessage(key string, n int) *message.Message {
	msg := message.NewMessage(fmt.Sprintf("%s/%d", key, n), []byte(fmt.Sprintf(`{"n":%d}`, n)))
	msg.Metadata.Set("ce_subject", key)
	return msg
}

func subscribe(t *testing.T, transport bus.Transport) <-chan *message.Message {
	t.Helper()
	sub, err := transport.Subscriber("payments")
	require.NoError(t, err)
	messages, err := sub.Subscribe(t.Context(), topic)
	require.NoError(t, err)
	return messages
}

func receive(t *testing.T, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case msg := <-messages:
		return msg
	case <-time.After(soon):
		require.Fail(t, "no message")
		return nil
	}
}
