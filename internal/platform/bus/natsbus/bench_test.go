package natsbus

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/bus/natsbus/natstest"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

// BenchmarkOneMessageFromAnOutboxToAHandler sends b.N messages of a thousand keys between two contexts on SQLite: a transaction of the sender writes the message, the relay hands
// it to the transport, the receiver applies it in a transaction of its own database. The server runs in the same process.
func BenchmarkOneMessageFromAnOutboxToAHandler(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		memory := bus.NewMemory()
		benchmarkWay(b, memory, memory)
	})
	b.Run("nats", func(b *testing.B) {
		server := natstest.Start(b)
		benchmarkWay(b, open(b, server), open(b, server))
	})
}

func benchmarkWay(b *testing.B, out, in bus.Transport) {
	sender, receiver := dbtest.Open(b, "platform", "sqlite:"+b.TempDir()), dbtest.Open(b, "platform", "sqlite:"+b.TempDir())
	from := bus.NewEndpoint(bus.Config{Context: "orders", DB: sender, Transport: out})
	to := bus.NewEndpoint(bus.Config{Context: "payments", DB: receiver, Transport: in})
	var applied atomic.Int64
	all := make(chan struct{})
	bus.On(to, func(_ context.Context, tx *sqldb.Tx, _ placed) error {
		tx.AfterCommit(func() {
			if applied.Add(1) == int64(b.N) {
				close(all)
			}
		})
		return nil
	})
	for _, e := range []*bus.Endpoint{from, to} {
		require.NoError(b, e.Start(b.Context()))
		b.Cleanup(func() { require.NoError(b, e.Stop(context.Background())) })
	}
	require.Eventually(b, func() bool { return from.Leading() && to.Leading() }, soon, time.Millisecond)
	b.ResetTimer()
	for i := range b.N {
		m := placed{"key" + strconv.Itoa(i%1000)}
		job := sqldb.Job{Run: func(ctx context.Context, tx *sqldb.Tx) error { return from.Publish(ctx, tx, m) }}
		require.NoError(b, sender.Submit(b.Context(), job, func(err error) {
			if err != nil {
				b.Error(err)
			}
		}))
	}
	<-all
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}
