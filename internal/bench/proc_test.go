package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheTimesOfAProcessAreReadPastItsName(t *testing.T) {
	// fields 14 to 17 of proc_pid_stat(5): utime, stime, cutime, cstime, in hundredths of a second
	s, ok := parseStat([]byte("4711 (post) gres: a (b) S 42 4711 4711 0 -1 4194560 9 9 9 9 100 20 3 4 20 0 1 0 5 6 7 8\n"))
	require.True(t, ok)
	require.Equal(t, processStat{parent: 42, cpu: 1270 * time.Millisecond}, s)
	for _, broken := range []string{"", "4711 (x", "4711 (x) S 42", "1 (x) S 42 1 1 0 -1 1 9 9 9 9 a 20 3 4 20 0 1 0 5"} {
		_, ok := parseStat([]byte(broken))
		require.False(t, ok, broken)
	}
}

func TestTheTimeOfTheMachineIsSplit(t *testing.T) {
	m := parseMachine("cpu  100 10 50 1000 30 5 5 7 99 99\ncpu0 1 1 1 1\n") // user nice system idle iowait irq softirq steal guest guest_nice
	require.Equal(t, machine{busy: 1700 * time.Millisecond, idle: 10 * time.Second, wait: 300 * time.Millisecond, stolen: 70 * time.Millisecond}, m)
	require.Zero(t, parseMachine("").total())
}

func TestWhatNobodyNamedIsForeign(t *testing.T) {
	s := time.Second
	before := reading{at: time.Unix(0, 0), machine: machine{busy: 1 * s, idle: 1 * s}, cpu: map[string]time.Duration{"program": 1 * s, "postgres": 0}, generator: 1 * s}
	after := reading{at: time.Unix(10, 0), machine: machine{busy: 11 * s, idle: 8 * s, wait: 2 * s, stolen: 1 * s},
		cpu: map[string]time.Duration{"program": 5 * s, "postgres": 2 * s}, generator: 2 * s}
	u := between(before, after)
	require.Equal(t, 10*s, u.wall)
	require.Equal(t, map[string]time.Duration{"program": 4 * s, "postgres": 2 * s}, u.cpu)
	require.Equal(t, 1*s, u.generator)
	require.InDelta(t, 15, u.foreign, 1e-9) // 10 s busy, of which 7 are known, of 20 s
	require.InDelta(t, 5, u.stolen, 1e-9)
	require.InDelta(t, 10, u.wait, 1e-9)
	require.Zero(t, between(after, after).foreign)
}

func TestMetricsAreSummedOverTheirLabels(t *testing.T) {
	b := "# HELP shop_db_commits_total Transactions.\n# TYPE shop_db_commits_total counter\n" +
		"shop_db_commits_total{context=\"orders\"} 40\nshop_db_commits_total{context=\"a \\\"quoted\\\" one\"} 2\n" +
		"# TYPE shop_outbox_pending gauge\nshop_outbox_pending{context=\"orders\"} 1.5e+06\n" +
		"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 7\nh_sum 3\nh_count 7\n"
	sums, err := parseMetrics([]byte(b))
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"shop_db_commits_total": 42, "shop_outbox_pending": 1.5e6}, sums)
	_, err = parseMetrics([]byte("not metrics at all {"))
	require.Error(t, err)
}

func TestTheReportOfPgbenchIsUnderstood(t *testing.T) {
	r, err := parsePgbench("transaction type: x\nnumber of transactions actually processed: 12345\nnumber of failed transactions: 3 (0.024%)\n" +
		"latency average = 1.5 ms\ninitial connection time = 5 ms\ntps = 822.987654 (without initial connection time)\n")
	require.NoError(t, err)
	require.Equal(t, pgbenchReport{transactions: 12345, failed: 3, perSecond: 822.987654}, r)
	_, err = parsePgbench("number of transactions actually processed: 0\ntps = 0\n")
	require.Error(t, err)
}
