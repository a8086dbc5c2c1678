package sqldb_test

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

// eachNeighbours runs the test with two databases that share turns, one at a time.
func eachNeighbours(t *testing.T, turns func() *sqldb.Turns, test func(t *testing.T, turns *sqldb.Turns, a, b *sqldb.DB)) {
	t.Helper()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		shared := turns()
		a := dbtest.OpenWith(t, sqldb.Config{Context: "platform", URL: url, Turns: shared})
		b := dbtest.OpenWith(t, sqldb.Config{Context: "shipping", URL: url, Turns: shared})
		withKept(t, a)
		withKept(t, b)
		test(t, shared, a, b)
	})
}

// hold begins a job in db that ends when release is closed.
func hold(t *testing.T, db *sqldb.DB, release <-chan struct{}) (done chan error) {
	t.Helper()
	begun := make(chan struct{})
	done = make(chan error, 1)
	require.NoError(t, db.Submit(t.Context(), sqldb.Job{Run: func(ctx context.Context, tx *sqldb.Tx) error {
		close(begun)
		<-release
		return queueing("held")(ctx, tx)
	}}, func(err error) { done <- err }))
	<-begun
	return done
}

func TestWhatWaitsForItsTurnGathersCompany(t *testing.T) {
	eachNeighbours(t, func() *sqldb.Turns { return sqldb.NewTurns(1).Patient() }, func(t *testing.T, turns *sqldb.Turns, a, b *sqldb.DB) {
		release := make(chan struct{})
		held := hold(t, a, release)
		before, trips := b.Stats().Commits.Load(), a.Stats().RoundTrips.Load()
		done := make(chan error, 15) // one more were a crowd
		for i := range cap(done) {
			require.NoError(t, b.Submit(t.Context(), sqldb.Job{Run: queueing("k" + strconv.Itoa(i))}, func(err error) { done <- err }))
		}
		require.Eventually(t, func() bool { return turns.Waiting(b.Dialect()) == 1 }, 10*time.Second, time.Millisecond)
		require.Empty(t, done)
		close(release)
		require.NoError(t, <-held)
		for range cap(done) {
			require.NoError(t, <-done)
		}
		require.Len(t, kept(t, b), cap(done))
		require.EqualValues(t, 1, b.Stats().Commits.Load()-before, "one for all that waited meanwhile")
		if a.Dialect() == sqldb.Postgres {
			require.EqualValues(t, 2, a.Stats().RoundTrips.Load()-trips, "the turn was wanted, so the COMMIT waited for the disk by itself")
			require.NoError(t, a.Write(t.Context(), "", queueing("alone")))
			require.EqualValues(t, 3, a.Stats().RoundTrips.Load()-trips, "nobody wanted it, so it was one round trip")
		}
	})
}

func TestAnIdleLaneTakesAlongWhatCanRunAtTheSameMoment(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		db := dbtest.OpenWith(t, sqldb.Config{Context: "platform", URL: url})
		withKept(t, db)
		processors := runtime.GOMAXPROCS(1) // so that the first to push wakes the lane before any other has pushed
		defer runtime.GOMAXPROCS(processors)
		round := 0
		require.Eventually(t, func() bool { // the system may interrupt anybody, but not each time
			round++
			before, done := db.Stats().Commits.Load(), make(chan error, 10)
			for i := range cap(done) {
				go func() { done <- db.Write(t.Context(), "", queueing(strconv.Itoa(round)+"."+strconv.Itoa(i))) }()
			}
			for range cap(done) {
				require.NoError(t, <-done)
			}
			return db.Stats().Commits.Load()-before == 1
		}, 10*time.Second, time.Millisecond)
	})
}

func TestATransactionThatWaitsForSomethingElseLosesItsTurnButNotItsWork(t *testing.T) {
	eachNeighbours(t, func() *sqldb.Turns { return sqldb.NewTurns(1) }, func(t *testing.T, _ *sqldb.Turns, a, b *sqldb.DB) {
		release := make(chan struct{})
		held := hold(t, a, release)
		require.NoError(t, b.Write(t.Context(), "", queueing("b")), "it does not wait for the end of the other")
		close(release)
		require.NoError(t, <-held)
		for range 3 { // its turn was passed on once, not twice
			require.NoError(t, a.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `DELETE FROM kept`)
				return err
			}))
		}
		require.Empty(t, kept(t, a))
	})
}

func TestATransactionThatFailedPassesItsTurnOn(t *testing.T) {
	eachNeighbours(t, func() *sqldb.Turns { return sqldb.NewTurns(1).Patient() }, func(t *testing.T, _ *sqldb.Turns, a, b *sqldb.DB) {
		require.Error(t, a.Write(t.Context(), "", func(context.Context, *sqldb.Tx) error { panic("a defect") }))
		errs := together(t, a, queueing("a"), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `no statement`)
			return err
		}, queueing("c"))
		require.NoError(t, errs[0])
		require.Error(t, errs[1])
		require.NoError(t, errs[2])
		require.NoError(t, b.Write(t.Context(), "", queueing("b")))
	})
}

func TestACrowdNeedNotWaitForItsTurn(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		turns := sqldb.NewTurns(2).Patient()
		if strings.HasPrefix(url, "sqlite:") {
			turns = sqldb.NewTurns(4).Patient() // half as many at a time
		}
		a := dbtest.OpenWith(t, sqldb.Config{Context: "platform", URL: url, Turns: turns})
		b := dbtest.OpenWith(t, sqldb.Config{Context: "shipping", URL: url, Turns: turns})
		withKept(t, a)
		withKept(t, b)
		c := dbtest.OpenWith(t, sqldb.Config{Context: "payments", URL: url, Turns: turns})
		withKept(t, c)
		releaseC, release := make(chan struct{}), make(chan struct{})
		heldC, heldA := hold(t, c, releaseC), hold(t, a, release)
		done := make(chan error, 16)
		for i := range cap(done) {
			require.NoError(t, c.Submit(t.Context(), sqldb.Job{Run: queueing("k" + strconv.Itoa(i))}, func(err error) { done <- err }))
		}
		few := make(chan error, 1)
		require.NoError(t, b.Submit(t.Context(), sqldb.Job{Run: func(ctx context.Context, tx *sqldb.Tx) error {
			<-release
			return nil
		}}, func(err error) { few <- err }))
		require.Eventually(t, func() bool { return turns.Waiting(b.Dialect()) == 1 }, 10*time.Second, time.Millisecond)
		close(releaseC) // its turn goes to b, and all turns are taken
		require.NoError(t, <-heldC)
		for range cap(done) {
			require.NoError(t, <-done)
		}
		require.Empty(t, heldA)
		require.Empty(t, few)
		close(release)
		require.NoError(t, <-heldA)
		require.NoError(t, <-few)
	})
}
