package generations_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/generations"
)

func TestWhatIsOldIsDroppedAndWhatIsNewIsKept(t *testing.T) {
	m := generations.New[int, string](4)
	for i := range 100 {
		m.Put(i, "v")
		_, ok := m.Get(i)
		require.True(t, ok)
		require.LessOrEqual(t, m.Len(), 8)
	}
	_, ok := m.Get(0)
	require.False(t, ok)
	_, ok = m.Get(96)
	require.True(t, ok)
}

func TestWhatWasTakenIsGoneFromBothGenerations(t *testing.T) {
	m := generations.New[string, int](1)
	m.Put("a", 1)
	m.Put("a", 2) // the first is in the old generation
	v, ok := m.Take("a")
	require.True(t, ok)
	require.Equal(t, 2, v)
	_, ok = m.Get("a")
	require.False(t, ok, "nor does the old value come back")
}
