package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADuelIsNotBegunWithoutProgramsToCompare(t *testing.T) {
	for _, args := range [][]string{nil, {"a"}, {"=shop"}, {"a=/nowhere/shop"}, {"-database", "oracle", "a=shop"}, {"-clients", "0", "a=shop"}} {
		require.Error(t, runDuel(t.Context(), append([]string{"-database", sqlite}, args...), io.Discard, io.Discard), args)
	}
}

func TestADuelIsDecidedWithinEachRound(t *testing.T) {
	slow, fast := []float64{50, 100}, []float64{100, 200}
	require.Equal(t, spread{Median: 2, Min: 2, Max: 2, N: 2}, spreadOf(ratios(fast, slow)))
}
