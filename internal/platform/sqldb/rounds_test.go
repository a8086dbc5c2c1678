package sqldb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

// walked is what a round looks at, in one piece, as times before now.
func walked(t *testing.T, r *sqldb.Rounds, now time.Time) (from, to time.Duration) {
	t.Helper()
	var spans []sqldb.Span
	require.NoError(t, r.Go(t.Context(), now, func(_ context.Context, s sqldb.Span) error {
		require.LessOrEqual(t, s.To.Sub(s.From), 10*time.Minute)
		if n := len(spans); n > 0 {
			require.Equal(t, spans[n-1].To, s.From, "without a gap")
		}
		spans = append(spans, s)
		return nil
	}))
	require.NotEmpty(t, spans)
	return now.Sub(spans[0].From), now.Sub(spans[len(spans)-1].To)
}

func TestARoundGoesFromWhereTheLastOneEndedAndFromTimeToTimeFurtherBack(t *testing.T) {
	dbtest.Each(t, "orders", func(t *testing.T, db *sqldb.DB) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		r := sqldb.NewRounds(db, "orders", 30*time.Second)
		requireWalked := func(back time.Duration) {
			t.Helper()
			from, to := walked(t, r, now)
			require.Equal(t, 30*time.Second, to)
			require.Equal(t, back+30*time.Second, from)
		}
		requireWalked(10 * time.Minute)
		now = now.Add(time.Second)
		requireWalked(3 * time.Second)
		now = now.Add(40 * time.Second) // it was away
		requireWalked(42 * time.Second)
		now = now.Add(30 * time.Second)
		requireWalked(10*time.Minute + 30*time.Second)
		now = now.Add(time.Second)
		requireWalked(3 * time.Second)
		now = now.Add(-time.Hour) // the clock was put back
		requireWalked(24 * time.Hour)
		now = now.Add(time.Second)
		requireWalked(3 * time.Second)
		now = now.Add(time.Hour)
		requireWalked(24 * time.Hour)
		now = now.Add(60 * time.Hour) // it stood still for a weekend
		requireWalked(60*time.Hour + 2*time.Second)
		now = now.Add(time.Second)
		requireWalked(3 * time.Second)
	})
}

func TestWhoLeadsNextGoesOnWhereTheLastLeaderCameHoweverLongAgo(t *testing.T) {
	dbtest.Each(t, "payments", func(t *testing.T, db *sqldb.DB) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		_, _ = walked(t, sqldb.NewRounds(db, "payments", time.Second), now)
		from, _ := walked(t, sqldb.NewRounds(db, "payments", time.Second), now.Add(time.Second))
		require.Equal(t, 10*time.Minute+2*time.Second, from)
		week := 7 * 24 * time.Hour
		from, _ = walked(t, sqldb.NewRounds(db, "payments", time.Second), now.Add(week))
		require.Equal(t, week+10*time.Minute, from)
	})
}

func TestTheFirstRoundOfANewDatabaseSeesAllThatWasWrittenInIt(t *testing.T) {
	before := time.Now()
	dbtest.Each(t, "orders", func(t *testing.T, db *sqldb.DB) {
		now := time.Now().Add(7 * 24 * time.Hour)
		from, _ := walked(t, sqldb.NewRounds(db, "orders", time.Second), now)
		require.True(t, now.Add(-from).Before(before))
	})
}

func TestARoundThatFailedIsWalkedAgain(t *testing.T) {
	dbtest.Each(t, "orders", func(t *testing.T, db *sqldb.DB) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		r, failure := sqldb.NewRounds(db, "orders", time.Second), errors.New("no database")
		looks := 0
		require.ErrorIs(t, r.Go(t.Context(), now, func(context.Context, sqldb.Span) error {
			if looks++; looks == 1 {
				return failure
			}
			return nil
		}), failure)
		require.Equal(t, 1, looks)
		from, _ := walked(t, r, now.Add(time.Second))
		require.Greater(t, from, 10*time.Minute)
	})
}
