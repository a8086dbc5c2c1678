package amqpbus_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/bus/amqpbus"
	"shop/internal/platform/bus/amqpbus/amqptest"
)

const (
	topic    = "shop.orders.events"
	commands = "shop.payments.commands"
	soon     = 30 * time.Second
)

func TestAMessageArrivesWithItsIdAndMetadata(t *testing.T) {
	for _, queues := range []string{"classic", "quorum"} {
		t.Run(queues, func(t *testing.T) {
			transport := open(t, amqptest.Start(t).URL(4)+"&queues="+queues)
			sent := newMessage("order-1", 0)
			sent.Metadata.Set("traceparent", "00-1-2-01")
			require.NoError(t, transport.Join("payments", topic))
			require.NoError(t, transport.Publish(topic, sent))
			got := receive(t, subscribe(t, transport, topic))
			require.Equal(t, sent.UUID, got.UUID)
			require.Equal(t, sent.Payload, got.Payload)
			require.Equal(t, sent.Metadata, got.Metadata)
			got.Ack()
			require.NoError(t, transport.Close())
		})
	}
}

func TestAMessageThatIsRefusedComesAgainBeforeTheNextOfItsKey(t *testing.T) {
	transport := open(t, amqptest.Start(t).URL(1))
	require.NoError(t, transport.Join("payments", topic))
	require.NoError(t, transport.Publish(topic, newMessage("order-1", 0), newMessage("order-1", 1)))
	require.NoError(t, transport.Publish(topic, newMessage("order-2", 0)))
	messages := subscribe(t, transport, topic)
	refused := receive(t, messages)
	require.Equal(t, "order-1/0", refused.UUID)
	require.Equal(t, "order-2/0", receive(t, messages).UUID, "another key does not wait")
	for range 3 {
		refused.Nack()
		refused = receive(t, messages)
		require.Equal(t, "order-1/0", refused.UUID)
	}
	refused.Ack()
	require.Equal(t, "order-1/1", receive(t, messages).UUID)
	require.NoError(t, transport.Close())
}

func TestTheBacklogOfAGroupIsWhatWaitsForIt(t *testing.T) {
	transport := open(t, amqptest.Start(t).URL(4))
	require.NoError(t, transport.Join("payments", topic))
	require.NoError(t, transport.Declare(commands))
	for i := range 10 {
		require.NoError(t, transport.Publish(topic, newMessage(fmt.Sprint("order-", i), 0)))
	}
	backlog, err := transport.Backlog(t.Context(), "payments")
	require.NoError(t, err)
	require.Equal(t, map[string]uint64{topic: 10, commands: 0}, backlog)
	require.NoError(t, transport.Close())
}

func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	b := amqptest.Start(t)
	first, second := open(t, b.URL(4)), open(t, b.URL(8))
	require.NoError(t, first.Declare(topic))
	require.ErrorContains(t, second.Declare(topic), "another number of partitions than 8")
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
}

func TestACommandThatFindsNoQueueIsAnError(t *testing.T) {
	b := amqptest.Start(t)
	transport := open(t, b.URL(1))
	require.NoError(t, transport.Declare(commands))
	require.NoError(t, transport.Publish(commands, newMessage("order-1", 0)), "its receiver's queues are there before the receiver")
	onTheSide(t, b, func(ch *amqp.Channel) {
		_, err := ch.QueueDelete(commands+".0_payments", false, false, false)
		require.NoError(t, err)
	})
	require.ErrorContains(t, transport.Publish(commands, newMessage("order-1", 1)), "found no queue")
	require.NoError(t, transport.Declare(commands))
	require.NoError(t, transport.Publish(commands, newMessage("order-1", 1)))
	require.Error(t, transport.Publish("shop.nobody.events", newMessage("order-1", 0)), "nobody declared it")
	require.NoError(t, transport.Close())
}

func TestWhatTheBrokerLostIsDeclaredAgain(t *testing.T) {
	b := amqptest.Start(t)
	transport := open(t, b.URL(2))
	require.NoError(t, transport.Join("payments", topic))
	require.NoError(t, transport.Publish(topic, newMessage("order-1", 0)))
	messages := subscribe(t, transport, topic)
	receive(t, messages).Ack()
	onTheSide(t, b, func(ch *amqp.Channel) {
		require.NoError(t, ch.ExchangeDelete(topic, false, false))
		for n := range 2 {
			_, err := ch.QueueDelete(fmt.Sprintf("%s.%d_payments", topic, n), false, false, false)
			require.NoError(t, err)
		}
	})
	require.Eventually(t, func() bool { return transport.Publish(topic, newMessage("order-1", 1)) == nil }, soon, 50*time.Millisecond)
	require.Equal(t, "order-1/1", receive(t, messages).UUID)
	require.NoError(t, transport.Close())
}

func TestABrokerThatIsNotThereOrLetsNobodyInIsReported(t *testing.T) {
	_, err := amqpbus.Open("amqp://127.0.0.1:1", amqpbus.Options{})
	require.ErrorContains(t, err, "amqp 127.0.0.1:1")
	_, err = amqpbus.Open(strings.Replace(amqptest.Start(t).URL(1), "guest:guest", "guest:secret", 1), amqpbus.Options{})
	require.ErrorIs(t, err, amqp.ErrCredentials)
	require.NotContains(t, err.Error(), "secret")
}

func TestAClosedTransportRefusesEverything(t *testing.T) {
	transport := open(t, amqptest.Start(t).URL(4))
	require.NoError(t, transport.Close())
	require.NoError(t, transport.Close())
	require.ErrorIs(t, transport.Declare(topic), bus.ErrClosed)
	require.ErrorIs(t, transport.Publish(topic, newMessage("order-1", 0)), bus.ErrClosed)
	_, err := transport.Subscriber("payments")
	require.ErrorIs(t, err, bus.ErrClosed)
}

// onTheSide does to the broker what an operator might do.
func onTheSide(t *testing.T, b *amqptest.Broker, do func(ch *amqp.Channel)) {
	t.Helper()
	url, _, _ := strings.Cut(b.URL(1), "?")
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	ch, err := conn.Channel()
	require.NoError(t, err)
	do(ch)
	require.NoError(t, conn.Close())
}

func newMessage(key string, n int) *message.Message {
	msg := message.NewMessage(fmt.Sprintf("%s/%d", key, n), []byte(fmt.Sprintf(`{"n":%d}`, n)))
	msg.Metadata.Set("ce_subject", key)
	return msg
}

func subscribe(t *testing.T, transport bus.Transport, topic string) <-chan *message.Message {
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
