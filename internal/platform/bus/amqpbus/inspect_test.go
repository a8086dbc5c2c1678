package amqpbus_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus/amqpbus/amqptest"
)

func TestABrokerIsLookedAtWithoutMakingAnything(t *testing.T) {
	b := amqptest.Start(t)
	first, second := open(t, b.URL(4)), open(t, b.URL(4))
	for range 2 { // the first look made nothing
		state, err := second.Inspect(t.Context(), topic, "payments")
		require.NoError(t, err)
		require.False(t, state.Exists)
		require.Empty(t, state.Waiting)
	}
	require.NoError(t, first.Join("payments", topic))
	require.NoError(t, first.Publish(topic, newMessage("order-1", 0), newMessage("order-2", 0)))
	state, err := second.Inspect(t.Context(), topic, "payments", "birds")
	require.NoError(t, err)
	require.True(t, state.Exists)
	require.Equal(t, map[string]uint64{"payments": 2}, state.Waiting)
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
}
