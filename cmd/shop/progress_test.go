package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// watched is a progress whose time a test moves.
type watched struct {
	*progress
	out  bytes.Buffer
	time time.Time
}

func watch(terminal bool) *watched {
	w := &watched{time: time.Unix(0, 0)}
	w.progress = newProgress(&w.out)
	w.terminal, w.tick = terminal, 0
	w.now, w.width = func() time.Time { return w.time }, func() int { return 80 }
	return w
}

// passes lets units get done at a steady rate.
func (w *watched) passes(d time.Duration, perSecond int) {
	const step = 100 * time.Millisecond
	for range d / step {
		w.time = w.time.Add(step)
		w.Add(perSecond / int(time.Second/step))
	}
}

// last is the last line that was drawn.
func (w *watched) last() string {
	text := strings.TrimRight(w.out.String(), "\n")
	return strings.TrimSuffix(text[strings.LastIndexAny(text, "\r\n")+1:], "\x1b[K")
}

func TestProgressIsPlainLinesWhereNobodyWatches(t *testing.T) {
	w := watch(false)
	require.False(t, newProgress(&w.out).terminal, "a buffer is none")
	w.Begin("orders", 1000)
	w.passes(12*time.Second, 50)
	w.passes(2*time.Second, 200)
	w.End()
	require.Equal(t, "orders 0/1000\norders 250/1000  50/s  15s left\norders 500/1000  50/s  10s left\norders 1000/1000  71/s  in 14s\n", w.out.String())
}

func TestProgressIsABarOnATerminal(t *testing.T) {
	w := watch(true)
	w.Begin("orders", 100)
	require.Equal(t, "orders    [..............................] 0/100", w.last())
	w.passes(5*time.Second, 10)
	require.Equal(t, "orders    [###############...............] 50/100  10/s  5s left", w.last())
	w.passes(5*time.Second, 10)
	w.End()
	require.Equal(t, "orders    [##############################] 100/100  10/s  in 10s", w.last())
	require.Equal(t, 1, strings.Count(w.out.String(), "\n"))
	require.NotContains(t, w.out.String(), "\r\x1b[K", "a line is not wiped before it is drawn")
}

func TestTheRateIsThatOfTheRecentPast(t *testing.T) {
	w := watch(true)
	w.Begin("orders", 100_000)
	w.passes(time.Minute, 1000)
	require.Contains(t, w.last(), "60000/100000  1000/s  40s left")
	w.passes(11*time.Second, 100)
	require.Contains(t, w.last(), "61100/100000  100/s  6m29s left", "it got slower, and what was before is forgotten")
	w.passes(11*time.Second, 0)
	require.Contains(t, w.last(), "61100/100000  0/s", "it stands still, so that nobody knows when it ends")
	require.NotContains(t, w.last(), "left")
}

func TestProgressWithoutATotalTellsHowMuchAndHowLong(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		w := watch(terminal)
		w.Begin("events", 0)
		w.passes(70*time.Second, 20)
		require.Equal(t, "events 1400  20/s  for 1m10s", strings.Join(strings.Fields(w.last()), " ")[:6]+" "+strings.TrimLeft(w.last()[6:], " "))
		w.End()
		require.Contains(t, w.last(), "1400  20/s  in 1m10s")
	}
}

func TestALineIsNoWiderThanTheTerminal(t *testing.T) {
	w := watch(true)
	columns := 200
	w.width = func() int { return columns }
	w.Begin("orders", 1_000_000)
	for ; columns >= narrow; columns-- {
		w.out.Reset()
		w.passes(100*time.Millisecond, 1000)
		require.Less(t, len(w.last()), columns, w.last())
		require.True(t, strings.HasPrefix(w.last(), "orders"))
		if columns >= 80 {
			require.Contains(t, w.last(), "["+strings.Repeat(".", barWidth)+"]")
		}
		if columns >= 50 {
			require.Contains(t, w.last(), "/1000000  1000/s  16m", "the bar gives way first")
		}
	}
}

func TestWhatIsOverSoonIsNotShown(t *testing.T) {
	w := watch(false)
	w.after = worthAWord
	w.Begin("databases", 8)
	w.passes(time.Second, 0)
	w.Add(8)
	w.End()
	require.Empty(t, w.out.String())
	w.Begin("databases", 8)
	w.passes(3*time.Second, 0)
	w.Add(8)
	w.End()
	require.Equal(t, "databases 0/8\ndatabases 8/8  2.7/s  in 3s\n", w.out.String())
}

func TestProgressGoesOnWhileNothingGetsDone(t *testing.T) {
	lines := &lines{waiting: "0/5", found: func() {}}
	drawn := make(chan struct{}, 100)
	lines.found = func() { drawn <- struct{}{} }
	p := newProgress(lines)
	p.terminal, p.tick = true, time.Millisecond
	p.Begin("orders", 5)
	for range 2 {
		<-drawn // without a call of Add
	}
	p.End()
	p.End() // of a part that is over: nothing runs any more
}

func TestTimesAreForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0s", 340 * time.Millisecond: "0.3s", 59 * time.Second: "59s", 65 * time.Second: "1m05s", 3599 * time.Second: "59m59s", 3720 * time.Second: "1h02m", 101 * time.Hour: "4d05h",
	} {
		require.Equal(t, want, duration(d), fmt.Sprint(d))
	}
	require.Equal(t, "0/s", perSecond(0, time.Second))
	require.Equal(t, "0.5/s", perSecond(1, 2*time.Second))
	require.Equal(t, "12/s", perSecond(12, time.Second))
}
