package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestTheMapSaysWhoHearsWhat(t *testing.T) {
	cfg := config{hosted: contextNames(), databases: map[string]string{}, data: t.TempDir(), busURL: memoryBus}
	for _, name := range databaseNames() {
		cfg.databases[name] = sqlitePrefix + cfg.data
	}
	h, err := openHost(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	defer func() { require.NoError(t, h.close()) }()
	for i, m := range h.modules {
		require.ElementsMatch(t, m.Endpoint().Topics(), contextMap[i].topics(), "a broker keeps messages only for those whom the map names: %s", m.name)
	}
}

func TestABusIsNamedByItsURL(t *testing.T) {
	for _, good := range []string{"memory:", "nats://one:4222,two:4222?replicas=3", "kafka://one:9092,two:9092?partitions=16&replication=3", "amqps://me:secret@broker/shop?queues=quorum"} {
		require.NoError(t, checkBusURL(good), good)
	}
	for scheme := range brokers {
		require.NoError(t, checkBusURL(scheme+"://broker:1234"), scheme)
	}
	for _, bad := range []string{"", "memory", "memory:x", "nats:", "nats://", "http://broker", "redis://broker", "://", "nats://%zz", "kafka://broker", "amqp://broker?partitions=0"} {
		require.ErrorIs(t, checkBusURL(bad), errBusURL, bad)
	}
}
