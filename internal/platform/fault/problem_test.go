package fault_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/fault"
)

func TestEveryKindComesBackFromItsStatus(t *testing.T) {
	statuses := map[int]bool{}
	for k := fault.Internal; k <= fault.Precondition; k++ {
		require.Equal(t, k, fault.KindOfStatus(k.Status()), k)
		statuses[k.Status()] = true
	}
	require.Len(t, statuses, int(fault.Precondition)+1, "each has its own")
	require.Equal(t, "internal", (fault.Precondition + 1).String(), "a new kind needs its status")
}

func TestHowLongToWaitIsReadAndBounded(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "99999999999": time.Hour, "99999999999999999999": 0, "Wed, 21 Oct 2026 07:28:00 GMT": 0,
	} {
		require.Equal(t, want, fault.FromProblem(503, http.Header{"Retry-After": {value}}, nil).RetryAfter, value)
	}
}

func FuzzFromProblem(f *testing.F) {
	f.Add(503, "1", `{"code":"payments_unavailable","detail":"try again","errors":[{"location":"a","detail":"b"}]}`)
	f.Add(422, "", `{"code":7}`)
	f.Add(0, "x", "null")
	f.Fuzz(func(t *testing.T, status int, after, body string) {
		e := fault.FromProblem(status, http.Header{"Retry-After": {after}}, []byte(body))
		require.Equal(t, fault.KindOfStatus(status), e.Kind)
		require.NotEmpty(t, e.Code)
		require.GreaterOrEqual(t, e.RetryAfter, time.Duration(0))
	})
}
