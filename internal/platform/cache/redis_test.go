package cache_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/cache"
	"shop/internal/platform/cache/redistest"
)

// process is what a process of the shop has of the cache: without a first level, so that Redis is asked each time.
func process(t *testing.T, r *redistest.Server, cfg cache.Config) *cache.Cache[int64] {
	t.Helper()
	if cfg.Local == 0 {
		cfg.Local = -1
	}
	cfg.Name = "things"
	shared, err := cache.Connect(r.URL(), zap.NewNop())
	require.NoError(t, err)
	store := cache.NewStore(cache.Options{Shared: shared})
	t.Cleanup(func() {
		store.Close()
		require.NoError(t, shared.Close())
	})
	return cache.New[int64](store, cfg)
}

func TestWhatOneProcessFetchedAnotherFindsInRedis(t *testing.T) {
	r := redistest.Start(t)
	a, b, s := process(t, r, cache.Config{Negative: time.Minute}), process(t, r, cache.Config{}), &source{}
	s.value.Store(1)
	require.EqualValues(t, 1, get(t, a, s))
	require.EqualValues(t, 1, get(t, b, s))
	require.EqualValues(t, 1, s.asked.Load())

	s.value.Store(0)
	nothing := func(c *cache.Cache[int64]) {
		_, found, err := c.Get(t.Context(), "none", s.fetch)
		require.NoError(t, err)
		require.False(t, found)
	}
	nothing(a)
	nothing(b)
	require.EqualValues(t, 2, s.asked.Load())
}

func TestAnInvalidationReachesAllProcesses(t *testing.T) {
	r := redistest.Start(t)
	a, b, s := process(t, r, cache.Config{}), process(t, r, cache.Config{}), &source{}
	for i := range int64(3) {
		s.value.Store(3*i + 1)
		a.Invalidate(t.Context(), "k")
		require.Equal(t, 3*i+1, get(t, a, s))
		s.value.Store(3*i + 2)
		b.Invalidate(t.Context(), "k")
		require.Equal(t, 3*i+2, get(t, a, s))
		s.value.Store(3*i + 3)
		b.InvalidateAll(t.Context())
		require.Equal(t, 3*i+3, get(t, a, s))
		require.Equal(t, 3*i+3, get(t, b, s))
	}
	require.EqualValues(t, 9, s.asked.Load(), "after an invalidation the next fetch is kept")
}

func TestALateFetchOfAnotherProcessDoesNotBringTheOldValueBack(t *testing.T) {
	r := redistest.Start(t)
	a, b, s := process(t, r, cache.Config{}), process(t, r, cache.Config{}), &source{}
	for _, invalidate := range []func(){
		func() { b.Invalidate(t.Context(), "k") },
		func() { b.InvalidateAll(t.Context()) },
		func() { // between the two Redis forgets all it was told
			b.Invalidate(t.Context(), "k")
			r.Kill()
			r.Restart()
		},
	} {
		a.Invalidate(t.Context(), "k")
		s.value.Store(1)
		_, _, err := a.Get(t.Context(), "k", func(ctx context.Context) (int64, bool, error) {
			v, found, err := s.fetch(ctx)
			s.value.Store(2)
			invalidate()
			return v, found, err
		})
		require.NoError(t, err)
		require.EqualValues(t, 2, get(t, b, s))
	}
}

func TestADeadRedisIsSlowerNeverWrongAndNeverAnError(t *testing.T) {
	r := redistest.Start(t)
	a, b, s := process(t, r, cache.Config{}), process(t, r, cache.Config{}), &source{}
	s.value.Store(1)
	require.EqualValues(t, 1, get(t, a, s))
	for _, fail := range []struct{ stop, start func() }{{r.Kill, r.Restart}, {r.Freeze, r.Thaw}} {
		fail.stop()
		for range 8 { // more than it takes to open the breaker
			v := s.value.Add(1)
			a.Invalidate(t.Context(), "k")
			require.Equal(t, v, get(t, a, s))
		}
		fail.start()
		require.Equal(t, s.value.Load(), get(t, a, s), "what was in Redis before is used by the process that knows better")
		// Told at last, the other process finds out too, and Redis is used again.
		require.Eventually(t, func() bool { return get(t, b, s) == s.value.Load() }, 20*time.Second, 10*time.Millisecond)
		require.Eventually(t, func() bool {
			before := s.asked.Load()
			get(t, a, s)
			get(t, b, s)
			return s.asked.Load() == before
		}, 20*time.Second, 10*time.Millisecond, "Redis is not used again")
	}
}

func TestAProcessNeverSeesWhatItInvalidatedWhateverHappensToRedis(t *testing.T) {
	r := redistest.Start(t)
	processes := []*cache.Cache[int64]{process(t, r, cache.Config{}), process(t, r, cache.Config{Local: time.Second}), process(t, r, cache.Config{})}
	s := &source{}
	s.value.Store(1)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, c := range processes {
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					v := s.value.Add(1)
					c.Invalidate(context.Background(), "k")
					for range 3 {
						if got, _, err := c.Get(context.Background(), "k", s.fetch); err != nil || got < v {
							t.Errorf("got %d, %v after it was %d", got, err, v)
							return
						}
					}
				}
			})
		}
	}
	turns := func() { // that much happens
		until := s.value.Load() + 300
		require.Eventually(t, func() bool { return s.value.Load() >= until || t.Failed() }, time.Minute, time.Millisecond)
	}
	turns()
	r.Kill()
	turns()
	r.Restart()
	turns()
	r.Freeze()
	turns()
	r.Thaw()
	turns()
	close(stop)
	wg.Wait()
}

func TestRedisCountsTheTimeDown(t *testing.T) {
	r := redistest.Start(t)
	c, s := process(t, r, cache.Config{TTL: time.Minute}), &source{}
	s.value.Store(1)
	get(t, c, s)
	redis := r.Client()
	defer func() { _ = redis.Close() }()
	left, err := redis.PTTL(t.Context(), "shop:cache:things:v:k").Result()
	require.NoError(t, err)
	require.LessOrEqual(t, left, time.Minute)
	require.Greater(t, left, 40*time.Second)
}

func TestAStrangeValueInRedisIsFetchedAnew(t *testing.T) {
	r := redistest.Start(t)
	c, s := process(t, r, cache.Config{}), &source{}
	s.value.Store(1)
	redis := r.Client()
	defer func() { _ = redis.Close() }()
	for _, strange := range []string{"", "v", "v,\n", "v,\n{}", "?,\n1", "\n", strings.Repeat("x", 100)} {
		require.NoError(t, redis.Set(t.Context(), "shop:cache:things:v:k", strange, time.Hour).Err())
		require.EqualValues(t, 1, get(t, c, s), "%q", strange)
	}
}

func TestAURLThatIsNoneOfRedisIsRefusedWithoutRepeatingIt(t *testing.T) {
	for _, url := range []string{"", "localhost:6379", "http://user:secret@h", "redis://user:secret@h:99999999999/x?y=z"} {
		err := cache.CheckURL(url)
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "secret")
	}
	require.NoError(t, cache.CheckURL("rediss://user:secret@redis.example:6380/2"))
}
