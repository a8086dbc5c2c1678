package sqldb_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

var changeCount = sqldb.Many{
	SQL:     `UPDATE counts SET n = counts.n + r.change, writes = counts.writes + 1 FROM {rows} WHERE counts.name = r.name AND counts.n + r.change >= 0`,
	Columns: "name text, change bigint",
	Exact:   true, Last: 2,
}

var noteCount = sqldb.Many{
	SQL:     `INSERT INTO notes (name, n) SELECT r.name, c.n FROM {rows} JOIN counts c ON c.name = r.name`,
	Columns: "name text",
	Last:    1,
}

func withCounts(t *testing.T, db *sqldb.DB) {
	require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		for _, statement := range []string{
			`CREATE TABLE counts (name TEXT PRIMARY KEY, n BIGINT NOT NULL, writes BIGINT NOT NULL)`,
			`CREATE TABLE notes (name TEXT, n BIGINT)`,
			`INSERT INTO counts (name, n, writes) VALUES ('a', 10, 0), ('b', 10, 0)`,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}))
}

type count struct {
	N      int64 `db:"n"`
	Writes int64 `db:"writes"`
}

func countOf(t *testing.T, db *sqldb.DB, name string) (c count) {
	require.NoError(t, db.Get(t.Context(), &c, `SELECT n, writes FROM counts WHERE name = $1`, name))
	return c
}

func TestARowThatManyJobsChangeIsWrittenOnceAtTheEnd(t *testing.T) {
	dbtest.Each(t, "platform", func(t *testing.T, db *sqldb.DB) {
		withCounts(t, db)
		refused := errors.New("refused")
		change := func(total int64, err error) func(ctx context.Context, tx *sqldb.Tx) error {
			return func(_ context.Context, tx *sqldb.Tx) error {
				tx.Queue(&changeCount, "a", total)
				tx.Queue(&noteCount, "a")
				return err
			}
		}
		statement := func(ctx context.Context, tx *sqldb.Tx) error { // which writes what was queued before
			_, err := tx.Exec(ctx, `UPDATE counts SET n = n + 100 WHERE name = 'b'`)
			return err
		}
		errs := together(t, db, change(1, nil), statement, change(7, refused), change(3, nil))
		require.Equal(t, []error{nil, nil, refused, nil}, errs)
		require.Equal(t, count{N: 13, Writes: 1}, countOf(t, db, "a"))
		require.EqualValues(t, 110, countOf(t, db, "b").N)
		var notes []int64
		require.NoError(t, db.Select(t.Context(), &notes, `SELECT n FROM notes`))
		require.Equal(t, []int64{10}, notes, "the statement with the lower number goes first")
	})
}

func TestJobsRunAgainWhenAnotherTransactionWasFaster(t *testing.T) {
	dbtest.Each(t, "platform", func(t *testing.T, db *sqldb.DB) {
		withCounts(t, db)
		runs := 0
		errs := together(t, db,
			func(_ context.Context, tx *sqldb.Tx) error {
				if runs++; runs == 1 {
					tx.Queue(&changeCount, "a", int64(-11)) // as if it had read 11
					return nil
				}
				tx.Queue(&changeCount, "a", int64(-10))
				return nil
			},
			func(_ context.Context, tx *sqldb.Tx) error { tx.Queue(&changeCount, "b", int64(-1)); return nil },
		)
		require.Equal(t, []error{nil, nil}, errs)
		require.Equal(t, 2, runs)
		require.Equal(t, count{N: 0, Writes: 1}, countOf(t, db, "a"))
		require.Equal(t, count{N: 9, Writes: 1}, countOf(t, db, "b"))
		require.Zero(t, db.Stats().Alone.Load(), "the batch stays together")
	})
}

func TestAJobThatIsAlwaysTooLateFailsAlone(t *testing.T) {
	dbtest.Each(t, "platform", func(t *testing.T, db *sqldb.DB) {
		withCounts(t, db)
		errs := together(t, db,
			func(_ context.Context, tx *sqldb.Tx) error { tx.Queue(&changeCount, "a", int64(-11)); return nil },
			func(_ context.Context, tx *sqldb.Tx) error { tx.Queue(&changeCount, "b", int64(-1)); return nil },
		)
		require.ErrorIs(t, errs[0], sqldb.ErrStale)
		require.NotErrorIs(t, errs[0], sqldb.ErrUnavailable)
		require.NoError(t, errs[1])
		require.Equal(t, count{N: 10, Writes: 0}, countOf(t, db, "a"))
		require.Equal(t, count{N: 9, Writes: 1}, countOf(t, db, "b"))
	})
}

func TestAJobThatOnlyReadFailsAloneAlthoughItsReadingWroteWhatOthersHadQueued(t *testing.T) {
	dbtest.Each(t, "platform", func(t *testing.T, db *sqldb.DB) {
		withCounts(t, db)
		insert := &sqldb.Many{SQL: `INSERT INTO notes (name, n) SELECT r.name, r.n FROM {rows}`, Columns: "name text, n bigint"}
		refused := errors.New("refused")
		queue := func(_ context.Context, tx *sqldb.Tx) error { tx.Queue(insert, "a", int64(1)); return nil }
		errs := together(t, db, queue, func(ctx context.Context, tx *sqldb.Tx) error {
			var n int64
			require.NoError(t, tx.Get(ctx, &n, `SELECT count(*) FROM notes`))
			require.EqualValues(t, 1, n)
			return refused
		}, queue)
		require.Equal(t, []error{nil, refused, nil}, errs)
		require.Zero(t, db.Stats().Alone.Load())
		var n int64
		require.NoError(t, db.Get(t.Context(), &n, `SELECT count(*) FROM notes`))
		require.EqualValues(t, 2, n)
	})
}
