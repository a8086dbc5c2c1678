package amqpbus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAURLNamesTheBrokerAndWhatQueuesAreMadeLike(t *testing.T) {
	for url, want := range map[string]settings{
		"amqp://broker":                              {url: "amqp://broker", host: "broker", partitions: 8},
		"amqp://me:s%40cret@broker:5672/shop":        {url: "amqp://me:s%40cret@broker:5672/shop", host: "broker:5672", partitions: 8},
		"amqps://broker?partitions=3&queues=quorum":  {url: "amqps://broker", host: "broker", partitions: 3, quorum: true},
		"amqps://broker?partitions=3&queues=classic": {url: "amqps://broker", host: "broker", partitions: 3},
	} {
		got, err := parse(url)
		require.NoError(t, err, url)
		require.Equal(t, want, got)
	}
}

func TestAURLThatIsNoneIsRefusedWithoutItsPassword(t *testing.T) {
	for _, url := range []string{
		"", "amqp://", "nats://broker", "amqp://me:secret%zz@broker", "amqp://broker?partitions=0", "amqp://broker?partitions=257", "amqp://broker?partitions=few",
		"amqp://broker?queues=streams", "amqp://broker?heartbeat=1",
	} {
		err := Check(url)
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "secret")
	}
}

// Processes of different releases must agree on it, and what waits in a queue stays there.
func TestAKeyStaysInItsPartitionForGood(t *testing.T) {
	p := &topology{set: settings{partitions: 8}}
	for key, want := range map[string]string{"": "5", "order-1": "5", "order-2": "4", "01JD0000000000000000000000": "4"} {
		require.Equal(t, want, p.partitionOf(key), key)
	}
}

func TestTheOwnerOfCommandsHasAPlaceFromTheStart(t *testing.T) {
	p := &topology{groups: map[string][]string{}}
	p.note("shop.payments.commands", "")
	p.note("shop.orders.events", "")
	require.Equal(t, []string{"shop.payments.commands"}, p.joined("payments"))
	require.Empty(t, p.joined("orders"))
}
