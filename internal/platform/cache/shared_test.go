package cache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/platform/cache"
)

func TestThatRedisIsDownIsLoggedOnceAndNotWithEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		shared, err := cache.Connect("redis://127.0.0.1:1", zap.New(core)) // where nobody listens
		require.NoError(t, err)
		attempts := 0
		for range 100 {
			err := shared.Do(t.Context(), func(ctx context.Context, c *redis.Client) error {
				attempts++
				return c.Ping(ctx).Err()
			})
			require.Error(t, err)
			time.Sleep(100 * time.Millisecond) //nolint:forbidigo // of a clock that the test makes
		}
		require.Greater(t, attempts, 10, "it is tried again")
		require.Len(t, logs.All(), 1)
		require.NoError(t, shared.Close())
	})
}
