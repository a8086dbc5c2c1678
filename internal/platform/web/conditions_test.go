package web_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/web"
)

func TestPreferWaitIsReadAsRFC7240Says(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"wait=5":                                5 * time.Second,
		"WAIT=5":                                5 * time.Second,
		" wait = 5 ":                            5 * time.Second,
		`wait="5"`:                              5 * time.Second,
		"wait=5; foo=bar":                       5 * time.Second,
		"respond-async, wait=5":                 5 * time.Second,
		"return=minimal,wait=1,handling=strict": time.Second,
		"wait=30":                               30 * time.Second,
		"wait=31":                               30 * time.Second,
		"wait=99999999999999999999":             30 * time.Second,
		"wait=0":                                0,
		"wait=-5":                               0,
		"wait=+5":                               0,
		"wait=5.5":                              0,
		"wait=five":                             0,
		"wait=":                                 0,
		"wait":                                  0,
		"":                                      0,
		"waiter=5":                              0,
		"wait=5s":                               0,
		",,;=":                                  0,
	} {
		wait, ok := web.PreferWait(header)
		require.Equal(t, want, wait, header)
		require.Equal(t, want > 0, ok, header)
	}
	require.Equal(t, "wait=5", web.PreferenceApplied(5*time.Second))
}

func TestAWaitComesOnTopOfTheTimeout(t *testing.T) {
	left := make(chan time.Duration, 1)
	s := open(t, func(e *web.Edge) {
		web.Register(e.API, web.Op{Method: http.MethodGet, Path: "/left", ID: "left", Timeout: 10 * time.Second}, func(ctx context.Context, _ *struct{}) (struct{}, error) {
			deadline, _ := ctx.Deadline()
			left <- time.Until(deadline)
			return struct{}{}, nil
		})
	})
	s.send(t, "GET", "/left", "")
	require.InDelta(t, 10, (<-left).Seconds(), 1)
	s.send(t, "GET", "/left", "", "Prefer", "wait=20")
	require.InDelta(t, 30, (<-left).Seconds(), 1)
	s.send(t, "GET", "/left", "", "Prefer", "wait=1000")
	require.InDelta(t, 40, (<-left).Seconds(), 1)
}

func TestIfMatchReadsWhatETagWrote(t *testing.T) {
	for _, version := range []int64{0, 1, 9223372036854775807} {
		got, present, err := web.IfMatch(web.ETag(version))
		require.NoError(t, err)
		require.True(t, present)
		require.Equal(t, version, got)
	}
	for _, header := range []string{"", "*", " * "} {
		_, present, err := web.IfMatch(header)
		require.NoError(t, err)
		require.False(t, present, header)
	}
	for _, header := range []string{"7", `"x"`, `W/"7"`, `"7`, `"-7"`, `"7","8"`, `"9223372036854775808"`, `""`} {
		_, present, err := web.IfMatch(header)
		require.ErrorIs(t, err, web.ErrVersionConflict, header)
		require.True(t, present)
	}
	require.Equal(t, http.StatusPreconditionFailed, web.ProblemOf(context.Background(), web.ErrVersionConflict).Status)
}
