package amqpbus_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"shop/internal/platform/bus"
	"shop/internal/platform/bus/amqpbus"
	"shop/internal/platform/bus/amqpbus/amqptest"
	"shop/internal/platform/bus/bustest"
	"shop/internal/platform/sqldb/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := amqptest.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(pgtest.IgnoreServer()); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestAMQPConforms(t *testing.T) {
	bustest.Conformance(t, func(t *testing.T) bustest.Broker {
		b := amqptest.Start(t)
		return bustest.Broker{
			Open:    func(t testing.TB) bus.Transport { return open(t, b.URL(8)) },
			Restart: b.Restart,
			Pause:   b.Pause,
		}
	})
}

func open(t testing.TB, url string) *amqpbus.Transport {
	t.Helper()
	transport, err := amqpbus.Open(url, amqpbus.Options{Log: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)), ClientName: "test"})
	require.NoError(t, err)
	return transport
}
