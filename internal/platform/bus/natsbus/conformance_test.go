package natsbus

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shop/internal/platform/bus"
	"shop/internal/platform/bus/bustest"
	"shop/internal/platform/bus/natsbus/natstest"
	"shop/internal/platform/sqldb/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, pgtest.IgnoreServer()) }

func open(t testing.TB, s *natstest.Server) *Transport {
	t.Helper()
	transport, err := Open(s.URL(), Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = transport.Close() })
	return transport
}

func TestJetStreamConforms(t *testing.T) {
	bustest.Conformance(t, func(t *testing.T) bustest.Broker {
		server := natstest.Start(t)
		return bustest.Broker{
			Open:    func(t testing.TB) bus.Transport { return open(t, server) },
			Restart: server.Restart,
			Pause: func(t testing.TB) func() {
				server.Stop()
				return func() { server.Resume(t) }
			},
		}
	})
}
