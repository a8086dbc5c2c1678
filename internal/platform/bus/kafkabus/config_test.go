package kafkabus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAURLNamesBrokersAndWhatTopicsAreMadeLike(t *testing.T) {
	for url, want := range map[string]settings{
		"kafka://one:9092": {brokers: []string{"one:9092"}, partitions: 16, replication: -1},
		"kafka://me:s%40cret@one:9092,two:9093/?partitions=4&replication=3&tls=true": {
			brokers: []string{"one:9092", "two:9093"}, user: "me", password: "s@cret", tls: true, partitions: 4, replication: 3},
	} {
		got, err := parse(url)
		require.NoError(t, err, url)
		require.Equal(t, want, got)
	}
}

func TestAURLThatIsNoneIsRefusedWithoutItsPassword(t *testing.T) {
	for _, url := range []string{
		"", "kafka://", "kafka://one", "kafka://one:9092,", "kafka://one:9092/topic", "nats://one:9092", "kafka://me:secret%zz@one:9092",
		"kafka://one:9092?partitions=0", "kafka://one:9092?replication=many", "kafka://one:9092?tls=perhaps", "kafka://one:9092?partition=3",
	} {
		err := Check(url)
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "secret")
	}
}
