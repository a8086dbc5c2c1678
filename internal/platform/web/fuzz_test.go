package web

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzHeaders reads one text as each of the headers that have a form of their own: what is taken from it must be within bounds, and mean the same when it is written and read
// again.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{
		"wait=5", "respond-async, wait=99999999999999999999;x=y", `WAIT="7"`, "wait=-1,wait=1", "wait", `"7"`, `"007"`, `W/"7"`, "*", `"99999999999999999999"`,
		"gzip;q=0.0, br", "application/problem+json; charset=x",
		"basket-4711", strings.Repeat("k", 256), "a\x00b", "é",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		wait, ok := PreferWait(header)
		require.Equal(t, ok, wait > 0)
		require.LessOrEqual(t, wait, MaxWait)
		if ok {
			again, ok := PreferWait(PreferenceApplied(wait))
			require.True(t, ok)
			require.Equal(t, wait, again)
		}

		if version, present, err := IfMatch(header); err == nil && present {
			require.GreaterOrEqual(t, version, int64(0))
			again, present, err := IfMatch(ETag(version))
			require.NoError(t, err)
			require.True(t, present)
			require.Equal(t, version, again)
		} else if err != nil {
			require.ErrorIs(t, err, ErrVersionConflict)
		}

		if checkKey(header) == nil {
			require.LessOrEqual(t, len(header), 255)
			require.NotContains(t, header, "\x00")
			require.NotEmpty(t, header)
		}
		if isJSON(header) {
			require.NotContains(t, strings.ToLower(header), "form-urlencoded;")
		}
		_ = acceptsGzip(header) // it ends, and does not panic
	})
}
