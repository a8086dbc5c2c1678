package natsbus

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/bus/natsbus/natstest"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestMetadataSurviveWhateverTheyAre(t *testing.T) {
	transport := open(t, natstest.Start(t))
	require.NoError(t, transport.Join("payments", topic))
	msg := message.NewMessage("id", message.Payload(`{"a":1}`))
	msg.Metadata = message.Metadata{"ce_id": "id", "ce_subject": "a b\r\nNats-Msg-Id: x \"%41\" ünï\t", "ce_time": "2026-11-22T00:00:00Z", "content-type": "application/json"}
	require.NoError(t, transport.Publish(topic, msg))
	got := <-subscribe(t, transport, "payments")
	require.Equal(t, msg.Metadata, got.Metadata)
	require.Equal(t, msg.Payload, got.Payload)
	require.Equal(t, "id", got.UUID)
	got.Ack()
}

func TestAMessageThatIsSentAgainIsStoredOnce(t *testing.T) {
	transport := open(t, natstest.Start(t))
	require.NoError(t, transport.Join("payments", topic))
	for range 3 {
		require.NoError(t, transport.Publish(topic, messageOf(1)))
	}
	require.EqualValues(t, 1, waiting(t, transport, "payments"))
}

func TestCommandsWaitForAContextThatHasNeverRun(t *testing.T) {
	const commands = "shop.payments.commands"
	transport := open(t, natstest.Start(t))
	require.NoError(t, transport.Publish(commands, messageOf(1)), "nobody has declared it or joined")
	pending, err := transport.Backlog(t.Context(), "payments")
	require.NoError(t, err)
	require.EqualValues(t, 1, pending[commands])
}

func TestAStreamIsAsTheURLSays(t *testing.T) {
	server := natstest.Start(t)
	transport, err := Open(server.URL()+"?replicas=1&max_bytes=1000000", Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = transport.Close() })
	require.NoError(t, transport.Declare(topic))
	config := streamOf(t, transport).CachedInfo().Config
	require.Equal(t, "shop_orders_events", config.Name)
	require.Equal(t, []string{topic}, config.Subjects)
	require.Equal(t, jetstream.InterestPolicy, config.Retention)
	require.Equal(t, jetstream.FileStorage, config.Storage)
	require.Equal(t, jetstream.DiscardNew, config.Discard)
	require.Equal(t, 2*time.Minute, config.Duplicates)
	require.EqualValues(t, 1_000_000, config.MaxBytes)
	other := open(t, server) // which says something else
	require.NoError(t, other.Declare(topic))
	require.EqualValues(t, 1_000_000, streamOf(t, other).CachedInfo().Config.MaxBytes, "it is left as it is")
}

func TestAStreamOfAnotherTopicIsNotTaken(t *testing.T) {
	transport := open(t, natstest.Start(t))
	_, err := transport.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: streamName(topic), Subjects: []string{"something.else"}})
	require.NoError(t, err)
	require.ErrorContains(t, transport.Declare(topic), "something.else")
}

func TestAStreamThatSomebodyDeletedIsMadeAgainWithItsGroups(t *testing.T) {
	transport := open(t, natstest.Start(t))
	require.NoError(t, transport.Join("payments", topic))
	messages := subscribe(t, transport, "payments")
	publish(t, transport, 0, 1)
	require.Equal(t, numbers(0, 1), receive(t, messages, 1, nil))
	require.NoError(t, transport.js.DeleteStream(t.Context(), streamName(topic)))
	require.Eventually(t, func() bool { return transport.Publish(topic, messageOf(1)) == nil }, soon, 5*time.Millisecond)
	require.Equal(t, []string{"1"}, receive(t, messages, 1, nil))
}

func TestNobodyThereIsAnErrorSoon(t *testing.T) {
	server := natstest.Start(t)
	server.Stop()
	_, err := Open(server.URL(), Options{})
	require.ErrorContains(t, err, "nats: ")
}

func TestAURLThatIsNoneIsAnErrorWithoutItsPassword(t *testing.T) {
	for _, url := range []string{"", "nats://", "kafka://a:1", "nats://u:secret@", "nats://u:secret@a:x", "nats://u:secret@a:1/path", "nats://u:secret@a:1?replicas=6", "nats://u:secret@a:1?replicas=no",
		"nats://u:secret@a:1?max_bytes=0", "nats://u:secret@a:1?tls=perhaps", "nats://u:secret@a:1?whatever=1", "nats://u:secret@a:1,b c:2"} {
		_, err := Open(url, Options{})
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "secret")
	}
	set, err := parse("nats://u:secret@a:1,b:2?replicas=3&max_bytes=5&tls=true")
	require.NoError(t, err)
	require.Equal(t, settings{servers: "nats://u:secret@a:1,nats://u:secret@b:2", replicas: 3, maxBytes: 5, tls: true}, set)
}

func TestATransportThatIsClosedSaysSo(t *testing.T) {
	transport := open(t, natstest.Start(t))
	require.NoError(t, transport.Close())
	require.NoError(t, transport.Close())
	require.ErrorIs(t, transport.Declare(topic), bus.ErrClosed)
	require.ErrorIs(t, transport.Join("payments", topic), bus.ErrClosed)
	require.ErrorIs(t, transport.Publish(topic, messageOf(1)), bus.ErrClosed)
	_, err := transport.Subscriber("payments")
	require.ErrorIs(t, err, bus.ErrClosed)
	_, err = transport.Backlog(t.Context(), "payments")
	require.ErrorIs(t, err, bus.ErrClosed)
}

// placed is an event of the context "orders".
type placed struct {
	Order string `json:"order"`
}

var placedType = bus.NewEvent("orders", "order.placed", 1)

func (placed) MessageType() bus.Type { return placedType }
func (p placed) MessageKey() string  { return p.Order }

func TestAFullStreamRefusesAndTheOutboxKeeps(t *testing.T) {
	server := natstest.Start(t)
	transport, err := Open(server.URL()+"?max_bytes=20000", Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = transport.Close() })
	require.NoError(t, transport.Join("payments", topic))
	db := dbtest.Open(t, "platform", "sqlite:"+t.TempDir())
	from := bus.NewEndpoint(bus.Config{Context: "orders", DB: db, Transport: transport, Backoff: time.Millisecond, Poll: 20 * time.Millisecond})
	require.NoError(t, from.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, from.Stop(context.Background())) })
	const all = 120
	for n := range all {
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			return from.Publish(ctx, tx, placed{numbers(n, n+1)[0]})
		}))
	}
	require.Eventually(t, func() bool {
		info, err := streamOf(t, transport).Info(t.Context())
		return err == nil && info.State.Bytes > 19_000
	}, soon, 5*time.Millisecond, "the stream fills")
	kept, _, err := from.Backlog(t.Context())
	require.NoError(t, err)
	require.Positive(t, kept)
	got := map[string]bool{}
	messages := subscribe(t, transport, "payments")
	for len(got) < all { // some come twice, since a parcel is sent again as a whole
		for _, payload := range receive(t, messages, 1, nil) {
			got[payload] = true
		}
	}
	require.Eventually(t, func() bool { n, _, err := from.Backlog(context.Background()); return err == nil && n == 0 }, soon, 5*time.Millisecond)
}
