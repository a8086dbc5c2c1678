package bus

import (
	"context"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/pgtest"
)

// BenchmarkOneMessageFromAnOutboxToAHandler sends b.N messages of many keys: a transaction of the sender writes the message, the relay hands it over in memory, the
// receiver applies it in a transaction of its own database. Both group what waits.
func BenchmarkOneMessageFromAnOutboxToAHandler(b *testing.B) {
	for dialect, url := range map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + b.TempDir() },
		"postgres": func() string { return pgtest.NewDatabase(b) },
	} {
		b.Run(dialect, func(b *testing.B) { benchmarkWay(b, url()) })
	}
}

func benchmarkWay(b *testing.B, url string) {
	transport := NewMemory()
	sender, receiver := openContext(b, url, "sender"), openContext(b, url, "receiver")
	from := NewEndpoint(Config{Context: "sender", DB: sender, Transport: transport})
	to := NewEndpoint(Config{Context: "receiver", DB: receiver, Transport: transport})
	var applied atomic.Int64
	all := make(chan struct{})
	On(to, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
		tx.AfterCommit(func() {
			if applied.Add(1) == int64(b.N) {
				close(all)
			}
		})
		return nil
	})
	start(b, from, to)
	require.Eventually(b, from.Leading, 5*time.Second, time.Millisecond)
	before := counted(sender, receiver)
	b.ResetTimer()
	for i := range b.N {
		m := happened{Key: "key" + strconv.Itoa(i%1000), N: i}
		job := sqldb.Job{Run: func(ctx context.Context, tx *sqldb.Tx) error { return from.Publish(ctx, tx, m) }}
		require.NoError(b, sender.Submit(b.Context(), job, func(err error) {
			if err != nil {
				b.Error(err)
			}
		}))
	}
	<-all
	b.StopTimer()
	after := counted(sender, receiver)
	b.ReportMetric(float64((after.cpu-before.cpu).Microseconds())/float64(b.N), "cpu-µs/msg")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	b.ReportMetric(float64(after.statements-before.statements)/float64(b.N), "statements/msg")
	b.ReportMetric(float64(after.reads-before.reads)/float64(b.N), "reads/msg")
	b.ReportMetric(float64(after.commits-before.commits)/float64(b.N), "commits/msg")
}

type counts struct {
	statements, reads, commits int64
	cpu                        time.Duration // of this process
}

func counted(dbs ...*sqldb.DB) (c counts) {
	for _, db := range dbs {
		c.statements += db.Stats().Statements.Load()
		c.reads += db.Stats().Reads.Load()
		c.commits += db.Stats().Commits.Load()
	}
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	c.cpu = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	return c
}
