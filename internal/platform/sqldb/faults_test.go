package sqldb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

// once is a job as all must be: what it did is found again by its key.
func once(key string) job {
	return func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO kept (key, n) VALUES ($1, 1) ON CONFLICT (key) DO NOTHING`, key)
		if n == 1 {
			tx.Queue(&effect, key)
		}
		return err
	}
}

var (
	effect = sqldb.Many{SQL: `INSERT INTO effects (key) SELECT r.key FROM {rows}`, Columns: "key text"}
	claim  = sqldb.Many{SQL: `INSERT INTO kept (key, n) SELECT r.key, 1 FROM {rows} WHERE true ON CONFLICT (key) DO NOTHING RETURNING key`, Columns: "key text"}
)

// claims does for a whole batch what once does.
var claims = &sqldb.Kind{Name: "claims", Claims: true, Prepare: func(ctx context.Context, tx *sqldb.Tx, args []any) error {
	rows := make([][]any, len(args))
	for i, a := range args {
		rows[i] = []any{a}
	}
	var claimed []string
	err := sqldb.SelectMany(ctx, tx, &claim, rows, &claimed)
	for _, key := range claimed {
		tx.SetLocal(key, true)
	}
	return err
}}

func claiming(key string) sqldb.Job {
	return sqldb.Job{Key: key, Kind: claims, Arg: key, Run: func(_ context.Context, tx *sqldb.Tx) error {
		if _, claimed := tx.Local(key); claimed {
			tx.Queue(&effect, key)
		}
		return nil
	}}
}

func withEffects(t *testing.T, db *sqldb.DB) {
	withKept(t, db)
	write(t, db, `CREATE TABLE effects (key TEXT NOT NULL)`) // without a unique key: a second effect would show
}

// requireEachOnce compares what clients were told with what is there.
func requireEachOnce(t *testing.T, db *sqldb.DB, acknowledged []string) {
	t.Helper()
	keys := kept(t, db)
	there := make(map[string]bool, len(keys))
	for _, key := range keys {
		there[key] = true
	}
	for _, key := range acknowledged {
		require.True(t, there[key], "lost, although the client was told: %.40s", key)
	}
	var effects []string
	require.NoError(t, db.Select(t.Context(), &effects, `SELECT key FROM effects ORDER BY key`))
	require.True(t, slices.Equal(keys, effects), "of %d keys there are %d effects", len(keys), len(effects))
}

func TestACommitWhoseAnswerNeverArrivesTakesEffectOnce(t *testing.T) {
	for name, fate := range map[string]dbtest.Fate{"cut before": dbtest.CutBefore, "cut after": dbtest.CutAfter, "cut amid": dbtest.CutAmid} {
		t.Run(name, func(t *testing.T) {
			proxy := dbtest.NewProxy(t, pgtest.NewDatabase(t))
			db := dbtest.Open(t, "platform", proxy.URL())
			withEffects(t, db)
			var left atomic.Int64
			left.Store(2)
			proxy.Decide(func(statement string) dbtest.Fate {
				if strings.HasSuffix(statement, "COMMIT") && left.Add(-1) >= 0 {
					return fate
				}
				return dbtest.Pass
			})
			var committed, undone atomic.Int64
			require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				tx.AfterCommit(func() { committed.Add(1) })
				tx.AfterRollback(func() { undone.Add(1) })
				return once("a")(ctx, tx)
			}))
			require.EqualValues(t, 2, proxy.Cuts())
			require.EqualValues(t, 2, db.Stats().UnknownCommits.Load())
			require.EqualValues(t, 1, committed.Load())
			require.EqualValues(t, 2, undone.Load())
			requireEachOnce(t, db, []string{"a"})
		})
	}
}

// F4
func TestNothingIsLostOrDoneTwiceWhenConnectionsAreCutEverywhere(t *testing.T) {
	t.Parallel()
	proxy := dbtest.NewProxy(t, pgtest.NewDatabase(t))
	db := dbtest.OpenWith(t, sqldb.Config{Context: "platform", URL: proxy.URL(), Lanes: 4})
	withEffects(t, db)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 1))
	proxy.Decide(func(string) dbtest.Fate {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(100) >= 2 {
			return dbtest.Pass
		}
		return dbtest.CutBefore + dbtest.Fate(random.IntN(3))
	})
	var acknowledged []string
	var clients sync.WaitGroup
	for c := range 50 {
		clients.Go(func() {
			for i := 0; proxy.Cuts() < 1000; i++ {
				key := fmt.Sprintf("%d-%d", c, i)
				err := db.Do(context.Background(), claiming(key))
				for ; err != nil; err = db.Do(context.Background(), claiming(key)) { // as a client does, with the same key
					if !isUnavailable(err) {
						t.Errorf("%s: %v", key, err)
						return
					}
				}
				mu.Lock()
				acknowledged = append(acknowledged, key)
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	proxy.Decide(nil)
	t.Logf("%d cuts, %d writes, %d commits of unknown outcome", proxy.Cuts(), len(acknowledged), db.Stats().UnknownCommits.Load())
	require.NotZero(t, db.Stats().UnknownCommits.Load())
	requireEachOnce(t, db, acknowledged)
}

// F7
func TestSerializationFailuresAreRetried(t *testing.T) {
	db := dbtest.Open(t, "platform", pgtest.NewDatabase(t))
	withEffects(t, db)
	var jobs []job
	for i := range 100 {
		jobs = append(jobs, func(ctx context.Context, tx *sqldb.Tx) error {
			if err := once(strconv.Itoa(i))(ctx, tx); err != nil || rand.IntN(5) > 0 {
				return err
			}
			_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION USING errcode = '40001'; END $$`)
			return err
		})
	}
	for _, err := range together(t, db, jobs...) {
		require.NoError(t, err)
	}
	require.NotZero(t, db.Stats().Retries.Load())
	require.Len(t, kept(t, db), 100)
	requireEachOnce(t, db, nil)
}

func TestOneOfTwoThatWaitForEachOtherIsRetried(t *testing.T) {
	url := pgtest.NewDatabase(t)
	db, other := dbtest.Open(t, "platform", url), dbtest.Open(t, "platform", url)
	write(t, db, `CREATE TABLE counts (name TEXT PRIMARY KEY, n BIGINT NOT NULL)`)
	write(t, db, `INSERT INTO counts (name, n) VALUES ('a', 0), ('b', 0)`)
	var both sync.WaitGroup // done when each has its first lock
	both.Add(2)
	crosswise := func(db *sqldb.DB, first, second string) error {
		runs := 0
		return db.Write(context.Background(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			if _, err := tx.Exec(ctx, `UPDATE counts SET n = n + 1 WHERE name = $1`, first); err != nil {
				return err
			}
			if runs++; runs == 1 {
				both.Done()
				both.Wait()
			}
			_, err := tx.Exec(ctx, `UPDATE counts SET n = n + 1 WHERE name = $1`, second)
			return err
		})
	}
	done := make(chan error)
	go func() { done <- crosswise(db, "a", "b") }()
	go func() { done <- crosswise(other, "b", "a") }()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Positive(t, db.Stats().Retries.Load()+other.Stats().Retries.Load())
	var n []int
	require.NoError(t, db.Select(t.Context(), &n, `SELECT n FROM counts`))
	require.Equal(t, []int{2, 2}, n)
}

func TestTwoProcessesOnOneSQLiteFileWaitForEachOther(t *testing.T) {
	url := "sqlite:" + t.TempDir()
	db, other := dbtest.Open(t, "platform", url), dbtest.Open(t, "platform", url)
	withEffects(t, db)
	var writers sync.WaitGroup
	for w, db := range []*sqldb.DB{db, other} {
		for c := range 4 {
			writers.Go(func() {
				for i := range 50 {
					if err := db.Write(context.Background(), "", once(fmt.Sprintf("%d-%d-%d", w, c, i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	writers.Wait()
	require.Len(t, kept(t, db), 400)
	requireEachOnce(t, db, nil)
}

func TestAStatementThatTakesTooLongSparesItsNeighbours(t *testing.T) {
	db := dbtest.OpenWith(t, sqldb.Config{Context: "platform", URL: pgtest.NewDatabase(t), Statement: 200 * time.Millisecond})
	withKept(t, db)
	errs := together(t, db, keeping("a"), func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.Get(ctx, new(string), `SELECT pg_sleep(30)::text`)
	}, queueing("b"))
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], sqldb.ErrUnavailable)
	require.NoError(t, errs[2])
	require.Equal(t, []string{"a", "b"}, kept(t, db))
}

func TestAJobThatDawdlesInItsTransactionIsThrownOutAndFoundUnavailable(t *testing.T) {
	url := pgtest.NewDatabase(t)
	db := dbtest.Open(t, "platform", url)
	withKept(t, db)
	runs := 0
	require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = 20`); err != nil {
			return err
		}
		if runs++; runs == 1 {
			select {
			case <-t.Context().Done():
			case <-time.After(200 * time.Millisecond): // the server ends the session meanwhile
			}
		}
		return keeping("a")(ctx, tx)
	}))
	require.Equal(t, 2, runs)
	require.Equal(t, []string{"a"}, kept(t, db))
}

func TestAServerThatTakesNoWritesIsUnavailableAndLeft(t *testing.T) {
	url := pgtest.NewDatabase(t)
	db, admin := dbtest.Open(t, "platform", url), adminOf(t, url)
	withKept(t, db)
	_, err := admin.Exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`)
	require.NoError(t, err)
	_, err = admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	require.NoError(t, err)
	require.ErrorIs(t, db.Write(t.Context(), "", keeping("a")), sqldb.ErrUnavailable, "as after the primary became a standby")
	_, err = admin.Exec(`BEGIN READ WRITE; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$; COMMIT`)
	require.NoError(t, err)
	require.NoError(t, db.Write(t.Context(), "", keeping("b")))
	require.Equal(t, []string{"b"}, kept(t, db))
}

// F3
func TestAServerThatCrashedIsUnavailableUntilItIsBack(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t)
	db := dbtest.Open(t, "platform", cluster.URL())
	withEffects(t, db)
	for i := range 3 {
		key := strconv.Itoa(i)
		require.NoError(t, db.Write(t.Context(), "", once(key)))
		require.NoError(t, cluster.StopImmediate())
		began := time.Now()
		require.ErrorIs(t, db.Write(t.Context(), "", once("down")), sqldb.ErrUnavailable)
		require.ErrorIs(t, db.Ping(t.Context()), sqldb.ErrUnavailable)
		require.Less(t, time.Since(began), 3*time.Second)
		require.NoError(t, cluster.Start())
		require.NoError(t, db.Write(t.Context(), "", once(key)), "at once")
		require.NoError(t, db.Ping(t.Context()))
	}
	requireEachOnce(t, db, []string{"0", "1", "2"})
}

// F5
func TestAFrozenDatabaseIsUnavailableWithinTheDeadlineAndHarmsNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a cluster can be frozen on Linux only")
	}
	cluster := pgtest.Start(t)
	db := dbtest.OpenWith(t, sqldb.Config{Context: "platform", URL: cluster.URL(), Statement: 500 * time.Millisecond})
	withEffects(t, db)
	require.NoError(t, db.Write(t.Context(), "", once("before")))
	require.NoError(t, cluster.Freeze())
	defer func() { _ = cluster.Thaw() }()
	const clients = 50
	most := runtime.NumGoroutine() + 2*clients
	var writers sync.WaitGroup
	for c := range clients {
		writers.Go(func() {
			for i := range 8 {
				ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
				began := time.Now()
				err := db.Write(ctx, "", once(fmt.Sprintf("%d-%d", c, i)))
				cancel()
				if !isUnavailable(err) || time.Since(began) > time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				if n := runtime.NumGoroutine(); n > most {
					t.Errorf("%d goroutines", n)
				}
			}
		})
	}
	writers.Wait()
	require.ErrorIs(t, db.Ping(t.Context()), sqldb.ErrUnavailable, "a read gives up by itself")
	require.NoError(t, cluster.Thaw())
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return db.Write(ctx, "", once("after")) == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, db.Ping(t.Context()))
	requireEachOnce(t, db, []string{"before", "after"})
}
