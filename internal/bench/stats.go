package main

import (
	"math"
	"slices"
	"time"
)

// percentile is the least of the sorted values that at least the part p of them, 0 < p ≤ 1, does not exceed (the nearest
// rank). 0 when there are none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p*float64(len(sorted)) - 1e-9)) // 0.07·100 is a little more than 7
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// spread is what repetitions of one measurement gave.
type spread struct {
	Median, Min, Max float64
	N                int
}

// spreadOf summarises values; the median of an even number of them is the mean of the middle two.
func spreadOf(values []float64) spread {
	n := len(values)
	if n == 0 {
		return spread{Median: math.NaN(), Min: math.NaN(), Max: math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1], N: n}
}

// known reports whether there was anything to summarise.
func (s spread) known() bool { return s.N > 0 }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
