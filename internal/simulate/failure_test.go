package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testLaboratory(t *testing.T) *laboratory {
	return &laboratory{costs: testCosts(t), seed: 1, progress: io.Discard}
}

const fewOrders = 40 // a second

// afterOutage lets a small topology with two shards each suffer.
func afterOutage(t *testing.T, o outage) aftermath {
	t.Helper()
	l := testLaboratory(t)
	a, err := l.suffer(apart(2, 2, 2), o, fewOrders)
	require.NoError(t, err)
	require.Equal(t, a.result.Placed, a.result.Ended, "nothing is lost")
	require.Zero(t, a.result.Twice)
	require.Zero(t, a.result.Unended)
	return a
}

func TestOrdersWaitWhileADatabaseIsAwayAndGoOnAfterwards(t *testing.T) {
	o := outages()[1]
	require.Equal(t, "the database of payments", o.what)
	a := afterOutage(t, o) // one of two
	require.Zero(t, a.result.Refused, "orders are taken all the same")
	require.InEpsilon(t, 0.5*fewOrders*o.away.Seconds(), a.worst, 0.1, "half of what came waits")
	require.Positive(t, a.after)
	require.Less(t, a.after, 10*time.Second)
	require.Greater(t, a.result.Confirm.P99, 20*time.Second)
}

func TestWithoutItsDatabaseAShardOfOrdersRefuses(t *testing.T) {
	o := outages()[2]
	require.Equal(t, "one of two databases of orders", o.what)
	a := afterOutage(t, o)
	require.InEpsilon(t, 0.5*fewOrders*o.away.Seconds(), a.result.Refused, 0.1)
	require.Less(t, a.worst, 5*a.usual)
}

func TestMessagesWaitForARelayToBeSucceeded(t *testing.T) {
	o := outages()[3]
	require.Equal(t, leaseFrozen, o.away)
	a := afterOutage(t, o)
	require.InEpsilon(t, 0.5*fewOrders*o.away.Seconds()+a.usual, a.worst, 0.15)
	require.Zero(t, a.result.Refused)
	require.Positive(t, a.after)
}
