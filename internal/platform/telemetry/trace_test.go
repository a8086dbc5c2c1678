package telemetry

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/id"
)

const someTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestAValidTraceparentIsContinuedAndAnyOtherReplaced(t *testing.T) {
	for header, valid := range map[string]bool{
		"00-" + someTrace + "-00f067aa0ba902b7-01":       true,
		"00-" + someTrace + "-00f067aa0ba902b7-00":       true,
		"cc-" + someTrace + "-00f067aa0ba902b7-01-later": true,
		"": false,
		"00-" + someTrace + "-00f067aa0ba902b7-01-more":           false,
		"01-" + someTrace + "-00f067aa0ba902b7-01more":            false,
		"ff-" + someTrace + "-00f067aa0ba902b7-01":                false,
		"00-" + someTrace + "-0000000000000000-01":                false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": false,
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01": false,
		"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01":  false,
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01": false,
		"00-" + someTrace + "-00f067aa0ba902b7-0":                 false,
		"00_" + someTrace + "_00f067aa0ba902b7_01":                false,
	} {
		ctx, span := StartRequest(t.Context(), header)
		require.False(t, span.IsRecording(), "tracing is off")
		got := Traceparent(ctx)
		require.True(t, wellFormed(got), "%q became %q", header, got)
		require.Equal(t, valid, TraceID(ctx) == someTrace, "%q became %q", header, got)
		require.NotContains(t, got, "00f067aa0ba902b7", "a call onward is a span of its own")
		if valid {
			require.Equal(t, header[53:55], got[53:], "the caller's decision whether it is recorded stands")
		}
	}
	require.Empty(t, Traceparent(t.Context()))
	require.Empty(t, TraceID(t.Context()))
}

func TestTheIdOfATraceBeginsWithTheTimeAndIsLikeNoOther(t *testing.T) {
	for name, begin := range map[string]func() string{
		"tracing is off": NewTraceparent,
		"tracing is on": func() string {
			traceID, span := ids{}.NewIDs(t.Context())
			return "00-" + traceID.String() + "-" + span.String() + "-01"
		},
	} {
		seen := map[string]bool{}
		for before := time.Now().UnixMilli(); len(seen) < 10_000; {
			began := begin()
			require.True(t, wellFormed(began), began)
			ms, err := strconv.ParseInt(began[3:15], 16, 64)
			require.NoError(t, err)
			require.GreaterOrEqual(t, ms, before, name)
			require.LessOrEqual(t, ms, time.Now().UnixMilli(), name)
			require.False(t, seen[began[15:35]], "the rest alone tells them apart")
			seen[began[15:35]] = true
		}
	}
}

func TestAnAbridgedTraceparentLosesNothingButTheSpanOfATraceThatIsNotRecorded(t *testing.T) {
	recorded, not := "00-"+someTrace+"-00f067aa0ba902b7-01", "00-"+someTrace+"-00f067aa0ba902b7-00"
	namesake, ok := id.Of("ord", someTrace)
	require.True(t, ok)
	for subject, stored := range map[string]string{"ord_1": someTrace, id.New("ord"): someTrace, namesake: "="} {
		require.Equal(t, recorded, Unabridged(Abridge(recorded, subject), subject))
		require.Equal(t, stored, Abridge(not, subject))
		again := Unabridged(stored, subject)
		require.True(t, wellFormed(again), again)
		require.Equal(t, not[:36], again[:36])
		require.False(t, SampledTraceparent(again))
		require.Empty(t, Unabridged(Abridge("", subject), subject))
	}
}

// FuzzTraceparent takes a traceparent from outside: what it becomes is one of ours, in the caller's trace if that had a name.
func FuzzTraceparent(f *testing.F) {
	for _, seed := range []string{"00-" + someTrace + "-00f067aa0ba902b7-01", "01-" + someTrace + "-00f067aa0ba902b7-01-more", "", "a\x00b", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		ctx, _ := StartRequest(t.Context(), header)
		ours := Traceparent(ctx)
		require.True(t, wellFormed(ours), ours)
		from := received(header)
		require.Equal(t, from != "", from != "" && from[3:35] == TraceID(ctx))
		require.Equal(t, from != "", Continues(header))
		require.Equal(t, ours, Traceparent(WithTraceparent(t.Context(), ours)), "what goes on with messages is the same trace")
		require.Equal(t, ours, traceparentOf(spanContextOf(ours))[:53]+ours[53:])
	})
}
