package natsbus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus/natsbus/natstest"
)

func TestABrokerIsLookedAtWithoutMakingAnything(t *testing.T) {
	server := natstest.Start(t)
	transport := open(t, server)
	for range 2 { // the first look made nothing
		state, err := transport.Inspect(t.Context(), topic, "dogs")
		require.NoError(t, err)
		require.False(t, state.Exists)
		require.Empty(t, state.Waiting)
	}
	require.NoError(t, transport.Join("dogs", topic))
	require.NoError(t, transport.Publish(topic, messageOf(1), messageOf(2)))
	state, err := open(t, server).Inspect(t.Context(), topic, "dogs", "birds")
	require.NoError(t, err)
	require.True(t, state.Exists)
	require.Equal(t, map[string]uint64{"dogs": 2}, state.Waiting)
	require.WithinDuration(t, time.Now(), state.At, time.Minute)
	server.Stop()
	_, err = transport.Inspect(t.Context(), topic, "dogs")
	require.Error(t, err)
}
