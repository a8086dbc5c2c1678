package id_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/id"
)

func TestAnIdentifierIsThatOfItsBits(t *testing.T) {
	known, ok := id.Of("x", "01563e3ab5d3d6764c61efb99302bd5b") // the ULID 01ARZ3NDEKTSV4RRFFQ69G5FAV
	require.True(t, ok)
	require.Equal(t, "x_01arz3ndektsv4rrffq69g5fav", known)
	for range 1000 {
		s := id.New("ord")
		bits := id.Digits(s)
		again, ok := id.Of("ord", bits)
		require.True(t, ok)
		require.Equal(t, s, again)
		require.True(t, id.IsOf(s, bits))
		require.False(t, id.IsOf(id.New("ord"), bits))
	}
	last, ok := id.Of("ord", strings.Repeat("f", 32))
	require.True(t, ok)
	require.True(t, id.Valid("ord", last))
	require.Equal(t, strings.Repeat("f", 32), id.Digits(last))
}

func TestWhatIsNoIdentifierHasNoBitsAndWhatAreNoBitsNameNothing(t *testing.T) {
	for _, s := range []string{"", "_", "ord_", "ord_1", "ord", "ord_81arz3ndektsv4rrffq69g5fav", "ord_01arz3ndektsv4rrffq69g5fau", "ord_01ARZ3NDEKTSV4RRFFQ69G5FAV", "ord_01arz3ndektsv4rrffq69g5fav0", "01arz3ndektsv4rrffq69g5fav"} {
		require.Empty(t, id.Digits(s), s)
		require.False(t, id.IsOf(s, ""), s)
	}
	for _, bits := range []string{"", "01563e3ab5d3d6764c61efb99302bd5", "01563e3ab5d3d6764c61efb99302bd5b0", "01563e3ab5d3d6764c61efb99302bd5x"} {
		s, ok := id.Of("ord", bits)
		require.False(t, ok, bits)
		require.Empty(t, s)
	}
}

func FuzzValid(f *testing.F) {
	f.Add("ord_01arz3ndektsv4rrffq69g5fav")
	f.Fuzz(func(t *testing.T, s string) {
		prefix, _, _ := strings.Cut(s, "_")
		bits := id.Digits(s)
		require.Equal(t, id.Valid(prefix, s), bits != "")
		if bits != "" {
			again, ok := id.Of(prefix, bits)
			require.True(t, ok)
			require.Equal(t, s, again)
		}
	})
}
