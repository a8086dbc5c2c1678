package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// spread is a duration that varies: log-normal, given by its median and its 99th percentile, which is how durations of disks and networks
// are usually reported. Where both are equal it is constant.
type spread struct {
	Median micros `json:"median_us"`
	P99    micros `json:"p99_us"`
}

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

func (s spread) sigma() float64 {
	if s.Median <= 0 || s.P99 <= s.Median {
		return 0
	}
	return math.Log(float64(s.P99/s.Median)) / z99
}

// drawn is a source of such durations.
func (s spread) drawn(from *rand.Rand) func() time.Duration {
	sigma := s.sigma()
	if sigma == 0 {
		return s.Median.duration
	}
	return func() time.Duration { return (s.Median * micros(math.Exp(sigma*from.NormFloat64()))).duration() }
}

// mean is exp(σ²/2) times the median.
func (s spread) mean() time.Duration {
	sigma := s.sigma()
	return (s.Median * micros(math.Exp(sigma*sigma/2))).duration()
}

func (s spread) check(name string) error {
	if s.Median < 0 || s.P99 < s.Median {
		return fmt.Errorf("%s: expected 0 ≤ median_us ≤ p99_us", name)
	}
	return nil
}

// micros are microseconds.
type micros float64

func (m micros) duration() time.Duration { return time.Duration(math.Round(float64(m) * 1000)) }

// exponential is a source of durations between events that come at a rate (1/s) and know nothing of each other.
func exponential(rate float64, from *rand.Rand) func() time.Duration {
	return func() time.Duration { return time.Duration(from.ExpFloat64() / rate * float64(time.Second)) }
}
