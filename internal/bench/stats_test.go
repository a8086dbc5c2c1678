package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAPercentileIsTheNearestRank(t *testing.T) {
	var hundred []time.Duration
	for i := 1; i <= 100; i++ {
		hundred = append(hundred, time.Duration(i))
	}
	for p, want := range map[float64]time.Duration{0.001: 1, 0.07: 7, 0.50: 50, 0.501: 51, 0.99: 99, 0.995: 100, 1: 100} {
		require.Equal(t, want, percentile(hundred, p), p)
	}
	require.Equal(t, time.Duration(20), percentile([]time.Duration{15, 20, 35}, .50))
	require.Equal(t, time.Duration(35), percentile([]time.Duration{15, 20, 35}, .99))
	require.Equal(t, time.Duration(9), percentile([]time.Duration{9}, .50))
	require.Zero(t, percentile(nil, .99))
}

func TestASpreadHasTheMedianAndTheEnds(t *testing.T) {
	require.Equal(t, spread{Median: 3, Min: 1, Max: 9, N: 3}, spreadOf([]float64{9, 1, 3}))
	require.Equal(t, spread{Median: 2.5, Min: 1, Max: 4, N: 4}, spreadOf([]float64{4, 1, 3, 2}))
	require.Equal(t, spread{Median: 7, Min: 7, Max: 7, N: 1}, spreadOf([]float64{7}))
	require.False(t, spreadOf(nil).known())
	require.Equal(t, "–", spreadOf(nil).String())
	require.Equal(t, "7.00", spreadOf([]float64{7}).String())
	require.Equal(t, "12,345 (1.50–99,999)", spread{Median: 12345, Min: 1.5, Max: 99999, N: 3}.String())

	values := []float64{3, 1, 2}
	spreadOf(values)
	require.Equal(t, []float64{3, 1, 2}, values, "the caller's values keep their order")
}

func TestANumberHasThreeSignificantDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.04567: "0.046", 1.2345: "1.23", -1.2345: "-1.23", 12.345: "12.3", 123.45: "123", 9999.4: "9999", 9999.6: "10000",
		12345.6: "12,346", 1234567: "1,234,567", -1234567: "-1,234,567", math.NaN(): "–",
	} {
		require.Equal(t, want, number(v), v)
	}
	require.Equal(t, "100,000", grouped(100_000))
	require.Equal(t, "999", grouped(999))
	require.Equal(t, "-100,000", grouped(-100_000))
}

func TestARatioIsTakenWithinARepetition(t *testing.T) {
	of := func(rep int, v float64) record { return record{Rep: rep, Figures: map[string]float64{perSecond: v}} }
	shop := selection{of(1, 10), of(2, 30), of(3, 20)}
	anchor := selection{of(1, 20), of(2, 10), of(4, 1), of(3, 0)}
	require.Equal(t, spread{Median: 1.75, Min: 0.5, Max: 3, N: 2}, shop.over(anchor, perSecond))
	require.False(t, shop.over(nil, perSecond).known())
	require.Equal(t, spread{Median: 20, Min: 10, Max: 30, N: 3}, shop.figure(perSecond))
	require.False(t, shop.figure(p50).known())
}

func TestOnlyTheLastRunOfAPartCounts(t *testing.T) {
	all := []record{
		{Run: "2026-01-02T00:00:00Z", Part: "flow", Rep: 2},
		{Run: "2026-01-01T00:00:00Z", Part: "flow", Rep: 1},
		{Run: "2026-01-03T00:00:00Z", Part: "reads", Rep: 3},
		{Run: "2026-01-01T00:00:00Z", Part: "anchors", Rep: 4},
	}
	require.Equal(t, selection{all[0]}, latest(all, "flow"))
	require.Equal(t, selection{all[2]}, latest(all, "reads"))
	require.Empty(t, latest(all, "lines"))
	require.Empty(t, ofRun(all, "anchors", latest(all, "flow").run()), "anchors of another run are no comparison")
}
