package cache_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shop/internal/platform/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is where the values come from: how often it was asked, and what it says.
type source struct {
	asked atomic.Int64
	value atomic.Int64
}

func (s *source) fetch(context.Context) (int64, bool, error) {
	s.asked.Add(1)
	v := s.value.Load()
	return v, v != 0, nil
}

func inProcess(t *testing.T, cfg cache.Config) *cache.Cache[int64] {
	t.Helper()
	store := cache.NewStore(cache.Options{})
	t.Cleanup(store.Close)
	return cache.New[int64](store, cfg)
}

// get is Get where it must not fail.
func get(t *testing.T, c *cache.Cache[int64], s *source) int64 {
	t.Helper()
	v, _, err := c.Get(t.Context(), "k", s.fetch)
	require.NoError(t, err)
	return v
}

func TestAValueIsFetchedOnce(t *testing.T) {
	c, s := inProcess(t, cache.Config{}), &source{}
	s.value.Store(1)
	require.EqualValues(t, 1, get(t, c, s))
	s.value.Store(2)
	require.EqualValues(t, 1, get(t, c, s))
	require.EqualValues(t, 1, s.asked.Load())
}

func TestAnInvalidatedValueIsFetchedAnew(t *testing.T) {
	c, s := inProcess(t, cache.Config{}), &source{}
	s.value.Store(1)
	require.EqualValues(t, 1, get(t, c, s))
	s.value.Store(2)
	c.Invalidate(t.Context(), "k")
	require.EqualValues(t, 2, get(t, c, s))
	s.value.Store(3)
	c.InvalidateAll(t.Context())
	require.EqualValues(t, 3, get(t, c, s))
}

func TestThatThereIsNothingIsKeptOnlyWhereThatIsWanted(t *testing.T) {
	for negative, asked := range map[time.Duration]int64{0: 2, time.Minute: 1} {
		c, s := inProcess(t, cache.Config{Negative: negative}), &source{}
		for range 2 {
			_, found, err := c.Get(t.Context(), "k", s.fetch)
			require.NoError(t, err)
			require.False(t, found)
		}
		require.Equal(t, asked, s.asked.Load())
	}
}

func TestAFailedFetchIsNotKept(t *testing.T) {
	c, s := inProcess(t, cache.Config{}), &source{}
	s.value.Store(1)
	down := errors.New("down")
	_, _, err := c.Get(t.Context(), "k", func(context.Context) (int64, bool, error) { return 0, false, down })
	require.ErrorIs(t, err, down)
	require.EqualValues(t, 1, get(t, c, s))
}

func TestThoseWhoMissTheSameKeyShareAFetchAndNoneCancelsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := cache.NewStore(cache.Options{})
		defer store.Close()
		c := cache.New[int64](store, cache.Config{})
		var fetches atomic.Int64
		release := make(chan struct{})
		slow := func(ctx context.Context) (int64, bool, error) {
			fetches.Add(1)
			<-release
			return 7, true, ctx.Err()
		}
		impatient, leave := context.WithCancel(t.Context())
		results := make(chan error, 100)
		for i := range cap(results) {
			ctx := t.Context()
			if i == 0 {
				ctx = impatient
			}
			go func() {
				v, _, err := c.Get(ctx, "k", slow)
				if err == nil && v != 7 {
					err = errors.New("another value")
				}
				results <- err
			}()
			synctest.Wait() // the first one is the one that fetches
		}
		leave()
		require.ErrorIs(t, <-results, context.Canceled)
		close(release)
		for range cap(results) - 1 {
			require.NoError(t, <-results)
		}
		require.EqualValues(t, 1, fetches.Load())
	})
}

func TestAFetchThatBeganBeforeAnInvalidationIsNotKept(t *testing.T) {
	for name, invalidate := range map[string]func(*cache.Cache[int64]){
		"of the key": func(c *cache.Cache[int64]) { c.Invalidate(context.Background(), "k") },
		"of all":     func(c *cache.Cache[int64]) { c.InvalidateAll(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			c, s := inProcess(t, cache.Config{}), &source{}
			s.value.Store(1)
			began, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				_, _, _ = c.Get(context.Background(), "k", func(ctx context.Context) (int64, bool, error) {
					v, found, err := s.fetch(ctx)
					close(began)
					<-release
					return v, found, err
				})
			}()
			<-began
			s.value.Store(2)
			invalidate(c)
			require.EqualValues(t, 2, get(t, c, s), "the old fetch is shared with somebody who asks later")
			close(release)
			<-done
			require.EqualValues(t, 2, get(t, c, s), "the old value came back")
		})
	}
}

func TestAFetchThatHangsEndsByItself(t *testing.T) {
	c := inProcess(t, cache.Config{Fetch: 10 * time.Millisecond})
	_, _, err := c.Get(t.Context(), "k", func(ctx context.Context) (int64, bool, error) {
		<-ctx.Done()
		return 0, false, ctx.Err()
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestHitsMissesAndFailuresAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	store := cache.NewStore(cache.Options{Metrics: registry})
	defer store.Close()
	c, s := cache.New[int64](store, cache.Config{Name: "things"}), &source{}
	s.value.Store(1)
	get(t, c, s)
	get(t, c, s)
	_, _, _ = c.Get(t.Context(), "other", func(context.Context) (int64, bool, error) { return 0, false, errors.New("down") })
	count := func(name string, labels ...string) int {
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == name && m.GetLabel()[1].GetValue() == labels[0] {
					return int(m.GetCounter().GetValue())
				}
			}
		}
		return -1
	}
	require.Equal(t, 1, count("shop_cache_requests_total", "local"))
	require.Equal(t, 2, count("shop_cache_requests_total", "miss"))
	require.Equal(t, 1, count("shop_cache_failures_total", "fetch"))
}

func BenchmarkAValueThatIsKept(b *testing.B) {
	store := cache.NewStore(cache.Options{})
	defer store.Close()
	c, s := cache.New[int64](store, cache.Config{}), &source{}
	s.value.Store(1)
	for b.Loop() {
		_, _, _ = c.Get(b.Context(), "k", s.fetch)
	}
}
