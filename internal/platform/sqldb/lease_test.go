package sqldb_test

import (
	"context"
	"database/sql"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

const soon = 10 * time.Second // longer than anything that a test waits for

// candidate competes for a lease and reports when it leads, and when it does no more.
type candidate struct {
	t      *testing.T
	leads  chan int64
	loses  chan int64
	resign func()
}

func compete(t *testing.T, db *sqldb.DB, ttl time.Duration) *candidate {
	ctx, cancel := context.WithCancel(context.Background())
	c := &candidate{t: t, leads: make(chan int64, 10), loses: make(chan int64, 10)}
	var running sync.WaitGroup
	running.Go(func() {
		db.NewLease("first", ttl).Run(ctx, func(ctx context.Context, token int64) {
			c.leads <- token
			<-ctx.Done()
			c.loses <- token
		})
	})
	c.resign = func() { cancel(); running.Wait() }
	t.Cleanup(c.resign)
	return c
}

func (c *candidate) next(of chan int64, what string) int64 {
	c.t.Helper()
	select {
	case token := <-of:
		return token
	case <-time.After(soon):
		c.t.Fatal("no candidate ", what)
		return 0
	}
}

func TestALeaderIsSucceededAtOnceWhenItResigns(t *testing.T) {
	dbtest.Each(t, "platform", func(t *testing.T, db *sqldb.DB) {
		a := compete(t, db, time.Minute)
		first := a.next(a.leads, "leads")
		a.resign()
		require.Equal(t, first, a.next(a.loses, "stopped"))
		b := compete(t, db, time.Minute)
		require.Greater(t, b.next(b.leads, "succeeds"), first)
	})
}

func TestOnlyOneLeads(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	const ttl = 600 * time.Millisecond
	a, b := compete(t, dbtest.Open(t, "platform", url), ttl), compete(t, dbtest.Open(t, "platform", url), ttl)
	var leader, other *candidate
	select {
	case <-a.leads:
		leader, other = a, b
	case <-b.leads:
		leader, other = b, a
	case <-time.After(soon):
		t.Fatal("nobody leads")
	}
	select { // the leader renews its lease for several times its length
	case <-other.leads:
		t.Fatal("two lead")
	case <-leader.loses:
		t.Fatal("a living leader was deposed")
	case <-time.After(4 * ttl):
	}
}

func TestTheFirstLeaderOfAllIsOne(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	a, b := dbtest.Open(t, "platform", url), dbtest.Open(t, "platform", url)
	var leading, most atomic.Int64
	for i := range 20 { // names that nobody has led before
		ctx, cancel := context.WithCancel(t.Context())
		led := make(chan struct{}, 2)
		var both sync.WaitGroup
		for _, db := range []*sqldb.DB{a, b} {
			both.Go(func() {
				db.NewLease("new"+strconv.Itoa(i), 6*time.Second).Run(ctx, func(ctx context.Context, _ int64) {
					n := leading.Add(1)
					defer leading.Add(-1)
					for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
					}
					led <- struct{}{}
					<-ctx.Done()
				})
			})
		}
		<-led
		<-time.After(20 * time.Millisecond) // the other one has tried by now, as a rule
		cancel()
		both.Wait()
	}
	require.EqualValues(t, 1, most.Load())
}

func TestALeaderThatDiesIsSucceededAtOnceAndItsTokenIsWorthNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	const ttl = 6 * time.Second
	aDB, bDB, admin := dbtest.Open(t, "platform", url), dbtest.Open(t, "platform", url), adminOf(t, url)
	a := compete(t, aDB, ttl)
	first := a.next(a.leads, "leads")
	b := compete(t, bDB, ttl)
	killLockHolder(t, admin)
	began := time.Now()
	second := b.next(b.leads, "succeeds")
	require.Less(t, time.Since(began), ttl/2, "nobody waits for the expiry")
	require.Greater(t, second, first)
	deleteAs := func(db *sqldb.DB, token int64) (n int64) {
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) (err error) {
			n, err = tx.Exec(ctx, `DELETE FROM inbox WHERE EXISTS (SELECT 1 FROM leases WHERE name = 'first' AND token = $1)`, token)
			return err
		}))
		return n
	}
	write(t, aDB, `INSERT INTO inbox (consumer, parcel, applied, applied_at) VALUES ('a', 'b', 1, 1)`)
	require.Zero(t, deleteAs(aDB, first), "a deposed leader changes nothing")
	require.EqualValues(t, 1, deleteAs(bDB, second))
	require.Equal(t, first, a.next(a.loses, "learns that it was deposed"))
}

// killLockHolder breaks the connection that holds the lease's lock, as the death of its process does.
func killLockHolder(t *testing.T, admin *sql.DB) {
	t.Helper()
	var killed int
	require.NoError(t, admin.QueryRow(`SELECT count(pg_terminate_backend(pid)) FROM pg_locks
		WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&killed))
	require.Equal(t, 1, killed)
}

func TestAFrozenLeaderIsSucceededWhenItsLeaseExpires(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	const ttl = 900 * time.Millisecond
	proxy := dbtest.NewProxy(t, url)
	a := compete(t, dbtest.OpenWith(t, sqldb.Config{Context: "platform", URL: proxy.URL(), Statement: time.Second}), ttl)
	first := a.next(a.leads, "leads")
	proxy.Freeze() // its connections, and with them its lock, stay
	frozen := time.Now()
	b := compete(t, dbtest.Open(t, "platform", url), ttl)
	second := b.next(b.leads, "succeeds")
	require.Greater(t, time.Since(frozen), ttl/3, "not before the lease expired")
	require.Greater(t, second, first)
	require.Equal(t, first, a.next(a.loses, "notices that it cannot renew"))
	proxy.Thaw()
}

func TestALeaderThatReturnsLeadsAgain(t *testing.T) {
	dbtest.Each(t, "platform", func(t *testing.T, db *sqldb.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		tokens := []int64{}
		db.NewLease("first", 60*time.Millisecond).Run(ctx, func(_ context.Context, token int64) {
			if tokens = append(tokens, token); len(tokens) == 3 {
				cancel()
			}
		})
		require.Len(t, tokens, 3)
		require.IsIncreasing(t, tokens)
	})
}

func TestListenersAreWokenByOtherProcessesOfTheirContext(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	db, other, stranger, admin := dbtest.Open(t, "platform", url), dbtest.Open(t, "platform", url), contextAt(t, url, "stranger"), adminOf(t, url)
	woken := make(chan struct{}, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		db.Listen(ctx, "news", func() { woken <- struct{}{} })
	}()
	awoken := func() bool {
		require.NoError(t, other.Notify(t.Context(), "news"))
		select {
		case <-woken:
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	}
	require.Eventually(t, awoken, soon, time.Millisecond, "once it listens")
	drain(woken)
	require.NoError(t, stranger.Notify(t.Context(), "news"))
	require.NoError(t, other.Notify(t.Context(), "else"))
	select {
	case <-woken:
		t.Fatal("woken by what does not concern it")
	case <-time.After(100 * time.Millisecond):
	}
	_, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	require.NoError(t, err)
	select {
	case <-woken: // something may have been missed
	case <-time.After(soon):
		t.Fatal("not woken after its connection was lost")
	}
	require.Eventually(t, awoken, soon, time.Millisecond)
	cancel()
	select {
	case <-ended:
	case <-time.After(soon):
		t.Fatal("Listen does not end")
	}
}

func drain(c chan struct{}) {
	for {
		select {
		case <-c:
		case <-time.After(50 * time.Millisecond):
			return
		}
	}
}

func TestListeningEndsEvenWhileTheServerIsFrozen(t *testing.T) {
	t.Parallel()
	proxy := dbtest.NewProxy(t, pgtest.NewDatabase(t))
	db := dbtest.Open(t, "platform", proxy.URL())
	for _, before := range []bool{true, false} { // the connection is made
		if before {
			proxy.Freeze()
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			db.Listen(ctx, "news", func() {})
		}()
		if !before {
			time.AfterFunc(100*time.Millisecond, proxy.Freeze)
		}
		time.AfterFunc(200*time.Millisecond, cancel)
		select {
		case <-ended:
		case <-time.After(soon):
			t.Fatal("Listen does not end")
		}
		cancel()
		proxy.Thaw()
	}
}

func TestNobodyNotifiesOnSQLite(t *testing.T) {
	db := dbtest.Open(t, "platform", "sqlite:"+t.TempDir())
	require.NoError(t, db.Notify(t.Context(), "news"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	db.Listen(ctx, "news", func() { t.Error("woken") })
}
