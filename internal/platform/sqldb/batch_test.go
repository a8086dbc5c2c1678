package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

var errRefused = errors.New("refused")

func eachKept(t *testing.T, test func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	dbtest.Each(t, "platform", func(t *testing.T, db *sqldb.DB) {
		withKept(t, db)
		test(t, db)
	})
}

func TestJobsThatWaitShareACommit(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		before := db.Stats().Commits.Load()
		var jobs []job
		for i := range 100 {
			jobs = append(jobs, queueing("k"+strconv.Itoa(i)))
		}
		for _, err := range together(t, db, jobs...) {
			require.NoError(t, err)
		}
		require.Len(t, kept(t, db), 100)
		require.EqualValues(t, 2, db.Stats().Commits.Load()-before, "one for the job that held the lane, one for all that waited meanwhile")
	})
}

func TestNobodyIsToldOfSuccessBeforeTheCommit(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		told := make(chan []string, 1)
		require.NoError(t, db.Submit(t.Context(), sqldb.Job{Run: queueing("a")}, func(err error) {
			require.NoError(t, err) // in the lane: what another connection sees now is durable
			told <- kept(t, db)
		}))
		require.Equal(t, []string{"a"}, <-told)
	})
}

func TestAJobThatFailsCleanlyLeavesItsNeighboursAlone(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		var hooks []string
		before := db.Stats().Commits.Load()
		errs := together(t, db, queueing("a"), func(ctx context.Context, tx *sqldb.Tx) error {
			tx.Queue(&keep, "lost", 1)
			tx.SetLocal("seen", true)
			tx.AfterCommit(func() { hooks = append(hooks, "after commit") })
			tx.AfterRollback(func() { hooks = append(hooks, "after rollback") })
			return errRefused
		}, func(ctx context.Context, tx *sqldb.Tx) error {
			if _, seen := tx.Local("seen"); seen {
				return errors.New("sees what a failed job left")
			}
			tx.Queue(&keep, "b", 1)
			return nil
		})
		require.Equal(t, []error{nil, errRefused, nil}, errs)
		require.Equal(t, []string{"a", "b"}, kept(t, db))
		require.Equal(t, []string{"after rollback"}, hooks)
		require.EqualValues(t, 2, db.Stats().Commits.Load()-before)
		require.Zero(t, db.Stats().Alone.Load())
	})
}

func TestAfterAJobFailedInTheMiddleOfItsWorkTheOthersAreRunAgainWithoutIt(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		undone := 0
		half := func(ctx context.Context, tx *sqldb.Tx) error {
			tx.AfterRollback(func() { undone++ })
			if err := keeping("half")(ctx, tx); err != nil {
				return err
			}
			return errRefused
		}
		errs := together(t, db, keeping("a"), queueing("b"), half, keeping("c"))
		require.Equal(t, []error{nil, nil, errRefused, nil}, errs)
		require.Equal(t, []string{"a", "b", "c"}, kept(t, db))
		require.EqualValues(t, 1, db.Stats().Alone.Load())
		require.Equal(t, 2, undone, "once with the batch, once alone")
	})
}

func TestAJobThatSpoilsItsBatchCostsTwoCommitsAndKeepsTheOrder(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		var order []int
		var jobs []job
		for i := range 100 {
			jobs = append(jobs, func(ctx context.Context, tx *sqldb.Tx) error {
				tx.AfterCommit(func() { order = append(order, i) })
				if err := keeping("k"+strconv.Itoa(i))(ctx, tx); err != nil || i == 60 {
					return errors.Join(err, errRefused)
				}
				return nil
			})
		}
		before := db.Stats().Commits.Load()
		errs := together(t, db, jobs...)
		require.EqualValues(t, 3, db.Stats().Commits.Load()-before, "one for the job that held the lane, one for those before, one for those after")
		require.ErrorIs(t, errs[60], errRefused)
		require.Len(t, order, 99)
		require.IsIncreasing(t, order)
		require.Len(t, kept(t, db), 99)
	})
}

func TestAPanicIsAnErrorOfTheJobAlone(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		errs := together(t, db, keeping("a"), func(context.Context, *sqldb.Tx) error { panic("boom") }, keeping("b"))
		require.NoError(t, errs[0])
		require.ErrorContains(t, errs[1], "panic: boom")
		require.ErrorContains(t, errs[1], "batch_test.go", "the stack says where")
		require.NoError(t, errs[2])
		require.Equal(t, []string{"a", "b"}, kept(t, db))
	})
}

func TestAPanicInAPreparationIsAnErrorOfItsJobs(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		kind := &sqldb.Kind{Name: "strange", Prepare: func(context.Context, *sqldb.Tx, []any) error { panic("boom") }}
		err := db.Do(t.Context(), sqldb.Job{Kind: kind, Run: keeping("a")})
		require.ErrorContains(t, err, "panic: boom")
		require.NoError(t, db.Write(t.Context(), "", keeping("b")))
		require.Equal(t, []string{"b"}, kept(t, db))
	})
}

func TestARowThatCannotBeWrittenIsAnErrorOfItsJob(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		err := db.Write(t.Context(), "", func(_ context.Context, tx *sqldb.Tx) error {
			tx.Queue(&keep, "a", struct{}{})
			return nil
		})
		require.Error(t, err, "queued rows are written when no job runs any more")
		require.NoError(t, db.Write(t.Context(), "", queueing("b")))
		require.Equal(t, []string{"b"}, kept(t, db))
	})
}

func TestAJobThatIgnoresAFailedStatementIsNotToldOfSuccess(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, db.Write(t.Context(), "", keeping("a")))
		careless := func(ctx context.Context, tx *sqldb.Tx) error {
			_ = keeping("before")(ctx, tx)
			_ = keeping("a")(ctx, tx) // fails
			_ = keeping("after")(ctx, tx)
			return nil
		}
		errs := together(t, db, careless, keeping("b"))
		require.ErrorIs(t, errs[0], sqldb.ErrDuplicate)
		require.NoError(t, errs[1])
		require.Equal(t, []string{"a", "b"}, kept(t, db), "and nothing of it stays")
	})
}

func TestAJobThatIgnoresStaleRowsIsNotToldOfSuccess(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		update := sqldb.Many{SQL: `UPDATE kept SET n = r.n FROM {rows} WHERE kept.key = r.key`, Columns: "key text, n bigint", Exact: true}
		err := db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			if err := keeping("a")(ctx, tx); err != nil {
				return err
			}
			_, _ = tx.ExecMany(ctx, &update, [][]any{{"a", 2}, {"b", 2}})
			return nil
		})
		require.ErrorIs(t, err, sqldb.ErrStale)
		require.Empty(t, kept(t, db))
	})
}

func TestAKindPreparesAllItsJobsAtOnce(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		var prepared [][]any
		kind := &sqldb.Kind{Name: "numbers", Prepare: func(_ context.Context, tx *sqldb.Tx, args []any) error {
			prepared = append(prepared, args)
			for _, a := range args {
				tx.SetLocal(a, fmt.Sprint("key ", a))
			}
			return nil
		}}
		run := func(n int) sqldb.Job {
			return sqldb.Job{Kind: kind, Arg: n, Run: func(_ context.Context, tx *sqldb.Tx) error {
				key, _ := tx.Local(n)
				tx.Queue(&keep, key, n)
				return nil
			}}
		}
		for _, err := range togetherJobs(t, db, run(1), sqldb.Job{Run: queueing("other")}, run(2), run(3)) {
			require.NoError(t, err)
		}
		require.Equal(t, [][]any{{1, 2, 3}}, prepared)
		require.Equal(t, []string{"key 1", "key 2", "key 3", "other"}, kept(t, db))
	})
}

func TestAClaimGoesWithTheJobThatFailed(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		kind := &sqldb.Kind{Name: "claims", Claims: true, Prepare: func(ctx context.Context, tx *sqldb.Tx, args []any) error {
			for _, a := range args {
				if err := keeping(a.(string))(ctx, tx); err != nil {
					return err
				}
			}
			return nil
		}}
		claiming := func(key string, err error) sqldb.Job {
			return sqldb.Job{Kind: kind, Arg: key, Run: func(context.Context, *sqldb.Tx) error { return err }}
		}
		errs := togetherJobs(t, db, claiming("a", nil), claiming("b", errRefused), claiming("c", nil))
		require.Equal(t, []error{nil, errRefused, nil}, errs)
		require.Equal(t, []string{"a", "c"}, kept(t, db))
	})
}

func TestARowThatFailsAtTheEndFailsItsJobAlone(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, db.Write(t.Context(), "", queueing("a")))
		errs := together(t, db, queueing("b"), queueing("a"), func(_ context.Context, tx *sqldb.Tx) error {
			tx.Queue(&keep, "c", -1)
			return nil
		}, queueing("d"))
		require.NoError(t, errs[0])
		require.ErrorIs(t, errs[1], sqldb.ErrDuplicate)
		require.ErrorIs(t, errs[2], sqldb.ErrCheck)
		require.NoError(t, errs[3])
		require.Equal(t, []string{"a", "b", "d"}, kept(t, db))
	})
}

func TestAStatementSeesWhatWasQueuedBefore(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		var seen []string
		var n int64
		errs := together(t, db, queueing("a"), func(ctx context.Context, tx *sqldb.Tx) error {
			tx.Queue(&keep, "b", 1)
			if err := tx.Select(ctx, &seen, `SELECT key FROM kept ORDER BY key`); err != nil {
				return err
			}
			tx.Queue(&keep, "c", 1)
			var err error
			n, err = tx.Exec(ctx, `UPDATE kept SET n = n + 1`)
			return err
		})
		require.Equal(t, []error{nil, nil}, errs)
		require.Equal(t, []string{"a", "b"}, seen, "those of an earlier job of the batch too")
		require.EqualValues(t, 3, n)
	})
}

func TestStatementsFollowOneAnotherInTheOrderOfTheirFirstRows(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		sign := sqldb.Many{SQL: `UPDATE kept SET writer = r.writer FROM {rows} WHERE kept.key = r.key`, Columns: "key text, writer text", Exact: true}
		var jobs []job
		for _, key := range []string{"a", "b", "c"} {
			jobs = append(jobs, func(_ context.Context, tx *sqldb.Tx) error {
				tx.Queue(&keep, key, 1)
				tx.Queue(&sign, key, "of "+key)
				return nil
			})
		}
		require.Equal(t, []error{nil, nil, nil}, together(t, db, jobs...))
		var signed []string
		require.NoError(t, db.Select(t.Context(), &signed, `SELECT writer FROM kept ORDER BY key`))
		require.Equal(t, []string{"of a", "of b", "of c"}, signed)
	})
}

func TestJobsOfOneKeyRunInTheOrderOfTheirSubmission(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		db := dbtest.OpenWith(t, sqldb.Config{Context: "platform", URL: url, Lanes: 4, Batch: 7})
		withKept(t, db)
		const keys, each = 10, 100
		order := make([][]int, keys) // each only touched by its key's lane
		left := make(chan error, keys*each)
		for i := range each {
			for k := range keys {
				run := func(_ context.Context, tx *sqldb.Tx) error {
					tx.AfterCommit(func() { order[k] = append(order[k], i) })
					tx.Queue(&keep, fmt.Sprintf("%d-%d", k, i), i)
					return nil
				}
				require.NoError(t, db.Submit(t.Context(), sqldb.Job{Key: strconv.Itoa(k), Run: run}, func(err error) { left <- err }))
			}
		}
		for range keys * each {
			require.NoError(t, <-left)
		}
		for k := range keys {
			require.Len(t, order[k], each)
			require.IsIncreasing(t, order[k])
		}
		require.Len(t, kept(t, db), keys*each)
	})
}

func TestAJobThatWaitsForAnotherIsRefusedInsteadOfWaitingForEver(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		err := db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error { return db.Write(ctx, "", keeping("a")) })
		require.ErrorContains(t, err, "waits for another job")
		require.Empty(t, kept(t, db))
	})
}

func TestAJobHasTheValuesOfItsCallersContext(t *testing.T) {
	type key struct{}
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.WithValue(t.Context(), key{}, "of the caller")
		require.NoError(t, db.Write(ctx, "", func(ctx context.Context, _ *sqldb.Tx) error {
			require.Equal(t, "of the caller", ctx.Value(key{}))
			require.Nil(t, ctx.Done(), "a caller that leaves does not cut the statement of its neighbours")
			return nil
		}))
	})
}

func TestAJobWhoseCallerHasLeftIsNotRun(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		begun, release, first := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		require.NoError(t, db.Submit(t.Context(), sqldb.Job{Run: func(context.Context, *sqldb.Tx) error { close(begun); <-release; return nil }},
			func(err error) { first <- err }))
		<-begun
		ctx, leave := context.WithCancel(t.Context())
		second := make(chan error, 1)
		require.NoError(t, db.Submit(ctx, sqldb.Job{Run: keeping("a")}, func(err error) { second <- err }))
		leave()
		close(release)
		require.NoError(t, <-first)
		require.ErrorIs(t, <-second, sqldb.ErrUnavailable)
		require.Empty(t, kept(t, db))
	})
}

func TestCloseFinishesWhatWaitsAndRefusesTheRest(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		db := dbtest.Open(t, "platform", url)
		withKept(t, db)
		begun, release, results := make(chan struct{}), make(chan struct{}), make(chan error, 101)
		require.NoError(t, db.Submit(t.Context(), sqldb.Job{Run: func(context.Context, *sqldb.Tx) error { close(begun); <-release; return nil }},
			func(err error) { results <- err }))
		<-begun
		for i := range 100 {
			require.NoError(t, db.Submit(t.Context(), sqldb.Job{Run: queueing(strconv.Itoa(i))}, func(err error) { results <- err }))
		}
		closed := make(chan error, 1)
		go func() { closed <- db.Close() }()
		close(release)
		require.NoError(t, <-closed)
		require.Len(t, results, 101)
		for range 101 {
			require.NoError(t, <-results)
		}
		require.ErrorIs(t, db.Write(t.Context(), "", keeping("late")), sqldb.ErrUnavailable)
		require.ErrorIs(t, db.Ping(t.Context()), sqldb.ErrUnavailable)
		require.ErrorIs(t, db.Get(t.Context(), new(string), `SELECT key FROM kept`), sqldb.ErrUnavailable)
		require.NoError(t, db.Close())
		require.Len(t, kept(t, dbtest.Open(t, "platform", url)), 100)
	})
}

func TestTooManyDifferentStatementsAreADefectThatIsNamed(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		var err error
		for i := 0; err == nil; i++ {
			require.Less(t, i, 600)
			err = db.Get(t.Context(), new(int), fmt.Sprintf(`SELECT %d`, i))
		}
		require.ErrorContains(t, err, "a text that is no constant?")
		err = nil
		for i := 0; err == nil; i++ {
			require.Less(t, i, 600)
			err = db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				return tx.Get(ctx, new(int), fmt.Sprintf(`SELECT CAST($1 AS bigint) + %d`, i), 1)
			})
		}
		require.ErrorContains(t, err, "a text that is no constant?")
	})
}

func TestEveryKindOfTextArrivesAsItWasGiven(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		texts := []string{"", " ", "NULL", "{a,b}", `"quoted"`, `back\slash`, "two\nlines", "Grüße 🐘", "'); DROP TABLE kept; --", strings.Repeat("long ", 1000), "<&>"}
		require.NoError(t, db.Write(t.Context(), "", func(_ context.Context, tx *sqldb.Tx) error {
			for i, text := range texts {
				tx.Queue(&keep, text, i)
			}
			return nil
		}))
		require.ElementsMatch(t, texts, kept(t, db))
		var found []string
		require.NoError(t, db.Select(t.Context(), &found, `SELECT key FROM kept WHERE key IN {$1} ORDER BY n`, texts))
		require.Equal(t, texts, found)
		require.NoError(t, db.Select(t.Context(), &found, `SELECT key FROM kept WHERE n IN {$2} AND key IN {$1} ORDER BY n`, texts, []int64{2, 3, 99}))
		require.Equal(t, texts[2:4], found)
		require.NoError(t, db.Select(t.Context(), &found, `SELECT key FROM kept WHERE key IN {$1}`, []string{}))
		require.Empty(t, found)
	})
}

func TestBytesAndDocumentsAreTextOnBothDialects(t *testing.T) {
	dbtest.Each(t, "platform", func(t *testing.T, db *sqldb.DB) {
		write(t, db, `CREATE TABLE documents (id BIGINT, doc jsonb, raw TEXT)`)
		insert := sqldb.Many{SQL: `INSERT INTO documents (id, doc, raw) SELECT r.id, r.doc, r.raw FROM {rows}`, Columns: "id bigint, doc jsonb, raw text"}
		args := []any{1, sqldb.JSON(`{"a":1}`), []byte(`raw`)}
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			tx.Queue(&insert, args...)
			_, err := tx.Exec(ctx, `INSERT INTO documents (id, doc, raw) VALUES ($1, $2, $3)`, 2, sqldb.JSON(`{"a":1}`), []byte(`raw`))
			tx.Queue(&insert, 3, sqldb.JSON(nil), []byte(nil))
			return err
		}))
		require.Equal(t, []any{1, sqldb.JSON(`{"a":1}`), []byte(`raw`)}, args, "the caller's arguments stay as they are")
		var rows []struct {
			A    *string    `db:"a"`
			Doc  sqldb.JSON `db:"doc"`
			Raw  *string    `db:"raw"`
			Same bool       `db:"same"`
		}
		require.NoError(t, db.Select(t.Context(), &rows, `SELECT doc ->> 'a' AS a, doc, raw, coalesce(raw = 'raw', false) AS same FROM documents ORDER BY id`))
		for _, r := range rows[:2] {
			require.Equal(t, "1", *r.A)
			require.JSONEq(t, `{"a":1}`, string(r.Doc))
			require.True(t, r.Same, "text, not a blob")
		}
		require.Nil(t, rows[2].Raw)
		require.Nil(t, rows[2].Doc)
	})
}
