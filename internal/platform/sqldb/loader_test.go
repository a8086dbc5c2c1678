package sqldb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
)

func TestReadsThatComeTogetherShareAStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		release := make(chan struct{})
		l := sqldb.NewLoader(func(_ context.Context, keys []int) (map[int]int, error) {
			loads.Add(1)
			<-release
			found := map[int]int{}
			for _, k := range keys {
				if k%2 == 0 {
					found[k] = 10 * k
				}
			}
			return found, nil
		})
		var readers sync.WaitGroup
		read := func(k int) {
			readers.Go(func() {
				v, found, err := l.Get(context.Background(), k)
				if err != nil || found != (k%2 == 0) || found && v != 10*k {
					t.Errorf("%d: %d %v %v", k, v, found, err)
				}
			})
		}
		read(1)
		synctest.Wait()
		read(2)
		synctest.Wait() // two at a time
		for k := range 100 {
			read(k)
		}
		synctest.Wait()
		close(release)
		readers.Wait()
		require.EqualValues(t, 3, loads.Load())
	})
}

func TestAReadFindsWhatWasWrittenBeforeItBegan(t *testing.T) {
	var written atomic.Int64
	l := sqldb.NewLoader(func(context.Context, []string) (map[string]int64, error) {
		return map[string]int64{"": written.Load()}, nil
	})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 2000 {
				mine := written.Add(1)
				if v, _, err := l.Get(context.Background(), ""); err != nil || v < mine {
					t.Errorf("wrote %d, read %d, %v", mine, v, err)
					return
				}
			}
		})
	}
	clients.Wait()
}

func TestAFailedReadFailsForThoseWhoShareItOnly(t *testing.T) {
	bad, fail := errors.New("bad"), true
	l := sqldb.NewLoader(func(context.Context, []int) (map[int]int, error) {
		if fail {
			return nil, bad
		}
		return map[int]int{1: 1}, nil
	})
	_, _, err := l.Get(t.Context(), 1)
	require.ErrorIs(t, err, bad)
	fail = false
	v, found, err := l.Get(t.Context(), 1)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, 1, v)
}

func TestAReaderWhoLeavesDoesNotTakeTheOthersAlong(t *testing.T) {
	release := make(chan struct{})
	begun := make(chan struct{}, 10)
	l := sqldb.NewLoader(func(ctx context.Context, keys []int) (map[int]int, error) {
		begun <- struct{}{}
		<-release
		return map[int]int{keys[0]: 1}, ctx.Err()
	})
	first, leave := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for k := range 2 {
		readers.Go(func() {
			if _, found, err := l.Get(first, k); err != nil || !found {
				t.Errorf("%v %v", found, err)
			}
		})
		<-begun
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := l.Get(gone, 3)
	require.ErrorIs(t, err, sqldb.ErrUnavailable)
	leave()
	close(release)
	readers.Wait()
}
