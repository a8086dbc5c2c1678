package kafkabus_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"shop/internal/platform/bus"
	"shop/internal/platform/bus/bustest"
	"shop/internal/platform/bus/kafkabus"
	"shop/internal/platform/bus/kafkabus/kafkatest"
	"shop/internal/platform/sqldb/pgtest"
)

// go-metrics, on which the client counts, keeps one goroutine for good.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, pgtest.IgnoreServer(), goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

func TestKafkaConforms(t *testing.T) {
	bustest.Conformance(t, func(t *testing.T) bustest.Broker {
		b := kafkatest.Start(t)
		return bustest.Broker{
			Open:    func(t testing.TB) bus.Transport { return open(t, b.URL(16)) },
			Restart: b.Restart,
			Pause:   b.Pause,
		}
	})
}

func open(t testing.TB, url string) *kafkabus.Transport {
	t.Helper()
	transport, err := kafkabus.Open(url, kafkabus.Options{Log: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)), ClientName: "test"})
	require.NoError(t, err)
	return transport
}
