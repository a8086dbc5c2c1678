package sqldb_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

var unpleasant = []string{
	"", " ", "'", "''", `'''`, `\`, `\'`, `\\'`, `E'\x41'`, `"`, `\"`, "$1", "$$", "$tag$", "{}", "{", "}", ",", `{"a":"it's"}`, "NULL", "null", "--", "/*", ";", "); COMMIT; --",
	"'); DELETE FROM kept; --", "\n", "\r\n", "\t", "\x01", "é", "ﬀ", "日本語", "🙂", "\u2028", "'é'", "\\é'", "1/0", "-1", "{rows}", "IN {$1}", "{for update}",
}

func TestEveryTextArrivesAsItWasSent(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		write(t, db, `CREATE TABLE sent (way TEXT, n BIGINT, text TEXT)`)
		row := sqldb.Many{SQL: `INSERT INTO sent (way, n, text) SELECT r.way, r.n, r.text FROM {rows}`, Columns: "way text, n bigint, text text"}
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for i, text := range unpleasant {
				tx.Queue(&row, "alone", i, text) // what follows takes it along
				if _, err := tx.Exec(ctx, `INSERT INTO sent (way, n, text) VALUES ('executed', $1, $2)`, i, text); err != nil {
					return err
				}
				var echo string
				if err := tx.Get(ctx, &echo, `SELECT CAST($1 AS text)`, text); err != nil {
					return err
				}
				if echo != text {
					t.Errorf("%q came back as %q", text, echo)
				}
			}
			var found []string
			if err := tx.Select(ctx, &found, `SELECT text FROM sent WHERE way = 'alone' AND text IN {$1}`, unpleasant); err != nil {
				return err
			}
			require.Len(t, found, len(unpleasant))
			for i, text := range unpleasant {
				tx.Queue(&row, "together", i, text)
			}
			return nil
		}))
		for _, way := range []string{"alone", "executed", "together"} {
			var texts []string
			require.NoError(t, db.Select(t.Context(), &texts, `SELECT text FROM sent WHERE way = $1 ORDER BY n`, way))
			require.Equal(t, unpleasant, texts, way)
		}
	})
}

func TestAZeroByteIsRefusedAndTakesNobodyAlong(t *testing.T) {
	db := dbtest.Open(t, "platform", pgtest.NewDatabase(t))
	withKept(t, db)
	errs := together(t, db, queueing("a"), keeping("b\x00c"), queueing("d\x00e"), queueing("f"))
	require.NoError(t, errs[0])
	require.Error(t, errs[1])
	require.Error(t, errs[2])
	require.NoError(t, errs[3])
	require.Equal(t, []string{"a", "f"}, kept(t, db))
}

func TestAnyValueThatAColumnHasCanBeSent(t *testing.T) {
	type word string
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		write(t, db, `CREATE TABLE mixed (a TEXT, b BIGINT, c BOOLEAN, d TEXT)`)
		var none *int64
		n := int64(-7)
		write(t, db, `INSERT INTO mixed (a, b, c, d) VALUES ($1, $2, $3, $4)`, word("w"), &n, true, sqldb.JSON(`{"x":1}`))
		write(t, db, `INSERT INTO mixed (a, b, c, d) VALUES ($1, $2, $3, $4)`, nil, none, false, sqldb.JSON(nil))
		var rows []struct {
			A *string `db:"a"`
			B *int64  `db:"b"`
			C bool    `db:"c"`
			D *string `db:"d"`
		}
		require.NoError(t, db.Select(t.Context(), &rows, `SELECT a, b, c, d FROM mixed ORDER BY c DESC`))
		require.Equal(t, "w", *rows[0].A)
		require.Equal(t, n, *rows[0].B)
		require.True(t, rows[0].C)
		require.JSONEq(t, `{"x":1}`, *rows[0].D)
		require.Nil(t, rows[1].A)
		require.Nil(t, rows[1].B)
		require.Nil(t, rows[1].D)
	})
}

func TestBytesOfABinaryColumnArriveAsTheyWereSent(t *testing.T) {
	every := make(sqldb.Blob, 256)
	for i := range every {
		every[i] = byte(i)
	}
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		binary := "BLOB"
		if db.Dialect() == sqldb.Postgres {
			binary = "BYTEA"
		}
		write(t, db, `CREATE TABLE sent (n BIGINT, bytes `+binary+`)`)
		row := sqldb.Many{SQL: `INSERT INTO sent (n, bytes) SELECT r.n, r.bytes FROM {rows}`, Columns: "n bigint, bytes bytea"}
		sent := []sqldb.Blob{every, sqldb.Blob(`\x41"\`), {0}, {}}
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for i, b := range sent {
				tx.Queue(&row, i, b)
			}
			for i, b := range sent {
				if _, err := tx.ExecMany(ctx, &row, [][]any{{len(sent) + i, b}}); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, `INSERT INTO sent (n, bytes) VALUES ($1, $2)`, 2*len(sent), every)
			return err
		}))
		var found [][]byte
		require.NoError(t, db.Select(t.Context(), &found, `SELECT bytes FROM sent ORDER BY n`))
		require.Len(t, found, 2*len(sent)+1)
		for i, b := range append(append(sent, sent...), every) {
			require.Equal(t, []byte(b), append([]byte{}, found[i]...), i)
		}
	})
}

func TestARowThatIsAloneIsWrittenAsAmongOthers(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		doc := "TEXT"
		if db.Dialect() == sqldb.Postgres {
			doc = "json"
		}
		write(t, db, `CREATE TABLE sent (n BIGINT, flag BOOLEAN, doc `+doc+`, raw TEXT)`)
		row := sqldb.Many{SQL: `INSERT INTO sent (n, flag, doc, raw) SELECT r.n, r.flag, r.doc, r.raw FROM {rows}`, Columns: "n bigint, flag bool, doc json, raw text"}
		rows := [][]any{
			{int64(-7), true, sqldb.JSON(`{"a":"it's","b":"\"\\"}`), []byte("{}")},
			{nil, nil, sqldb.JSON(nil), []byte(nil)},
			{0, false, sqldb.JSON{}, nil},
		}
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			n, err := tx.ExecMany(ctx, &row, rows)
			require.EqualValues(t, len(rows), n)
			for _, r := range rows {
				if err == nil {
					n, err = tx.ExecMany(ctx, &row, [][]any{r})
					require.EqualValues(t, 1, n)
				}
			}
			return err
		}))
		var found []string
		require.NoError(t, db.Select(t.Context(), &found, `SELECT coalesce(CAST(n AS text), 'no n') || CASE WHEN flag THEN ' yes ' WHEN NOT flag THEN ' no ' ELSE ' no flag ' END ||
			coalesce(CAST(doc AS text), 'no doc') || ' ' || coalesce(raw, 'no raw') || ' ' || count(*) FROM sent GROUP BY n, flag, CAST(doc AS text), raw ORDER BY 1`))
		require.ElementsMatch(t, []string{`-7 yes {"a":"it's","b":"\"\\"} {} 2`, `0 no no doc no raw 2`, `no n no flag no doc no raw 2`}, found)
	})
}

func TestWhatNeedsNoAnswerTakesOneRoundTrip(t *testing.T) {
	db := dbtest.Open(t, "platform", pgtest.NewDatabase(t))
	withKept(t, db)
	before := db.Stats().RoundTrips.Load()
	require.NoError(t, db.Write(t.Context(), "", queueing("a")))
	require.EqualValues(t, 1, db.Stats().RoundTrips.Load()-before)

	before = db.Stats().RoundTrips.Load()
	require.NoError(t, db.Write(t.Context(), "", func(context.Context, *sqldb.Tx) error { return nil }))
	require.Zero(t, db.Stats().RoundTrips.Load()-before, "nothing was said")
}

// assuming is a job of a kind that takes its key for a new one, and asks when it was wrong.
func assuming(assumed, asked *int) func(key string) sqldb.Job {
	kind := &sqldb.Kind{Name: "keys",
		Assume: func(context.Context, *sqldb.Tx, []any) error { *assumed++; return nil },
		Prepare: func(ctx context.Context, tx *sqldb.Tx, args []any) error {
			*asked++
			for _, a := range args {
				var n int
				if err := tx.Get(ctx, &n, `SELECT count(*) FROM kept WHERE key = $1`, a); err != nil {
					return err
				}
				tx.SetLocal(a, n > 0)
			}
			return nil
		}}
	return func(key string) sqldb.Job {
		return sqldb.Job{Kind: kind, Arg: key, Run: func(_ context.Context, tx *sqldb.Tx) error {
			if there, _ := tx.Local(key); there == true {
				return nil
			}
			tx.Queue(&keep, key, 1)
			return nil
		}}
	}
}

func TestWhatWasAssumedIsAskedWhenItWasWrong(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		var assumed, asked int
		job := assuming(&assumed, &asked)
		require.NoError(t, db.Do(t.Context(), job("a")))
		require.Equal(t, []int{1, 0}, []int{assumed, asked}, "as usual")
		for _, err := range togetherJobs(t, db, job("b"), job("a"), job("c")) { // a is there
			require.NoError(t, err)
		}
		require.Equal(t, []string{"a", "b", "c"}, kept(t, db))
		require.Equal(t, 1, asked)
		require.EqualValues(t, 1, db.Stats().Wrong.Load())
		was := assumed
		require.NoError(t, db.Do(t.Context(), job("d")))
		require.Equal(t, was, assumed, "for a while nothing is assumed")
		require.Equal(t, 2, asked)
		for i := 0; assumed == was; i++ {
			require.Less(t, i, 100)
			require.NoError(t, db.Do(t.Context(), job("e")))
		}
	})
}

func TestWhoeverAsksIsToldWhichRowsWereWritten(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		id := "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
		if db.Dialect() == sqldb.SQLite {
			id = "INTEGER PRIMARY KEY AUTOINCREMENT"
		}
		write(t, db, `CREATE TABLE numbered (id `+id+`, text TEXT)`)
		told := make(chan [][]any, 10)
		many := sqldb.Many{
			SQL: `INSERT INTO numbered (text) SELECT r.text FROM {rows}`, Columns: "text text",
			Fold: func(rows [][]any) [][]any { // two by two
				var folded [][]any
				for i := 0; i < len(rows); i += 2 {
					folded = append(folded, []any{rows[i][0].(string) + rows[min(i+1, len(rows)-1)][0].(string), "beyond the columns"})
				}
				return folded
			},
			Written: func(rows [][]any, ids []int64) {
				for i, row := range rows {
					said := []any{row[0], row[1], nil}
					if ids != nil {
						said[2] = ids[i]
					}
					told <- [][]any{said}
				}
			},
		}
		exact := sqldb.Many{SQL: `UPDATE kept SET n = r.n FROM {rows} WHERE kept.key = r.key`, Columns: "key text, n bigint", Exact: true, Last: 1}
		require.NoError(t, db.Write(t.Context(), "", queueing("k")))
		require.NoError(t, db.Write(t.Context(), "", func(_ context.Context, tx *sqldb.Tx) error {
			for _, s := range []string{"a", "b", "c", "d"} {
				tx.Queue(&many, s)
			}
			tx.Queue(&exact, "k", 2) // another statement that answers
			return nil
		}))
		require.Equal(t, [][]any{{"ab", "beyond the columns", int64(1)}}, <-told)
		require.Equal(t, [][]any{{"cd", "beyond the columns", int64(2)}}, <-told)
		require.Error(t, db.Write(t.Context(), "", func(_ context.Context, tx *sqldb.Tx) error {
			tx.Queue(&many, "e")
			tx.Queue(&exact, "nobody", 2)
			return nil
		}))
		require.Empty(t, told, "nothing was written")
		var texts []string
		require.NoError(t, db.Select(t.Context(), &texts, `SELECT text FROM numbered ORDER BY id`))
		require.Equal(t, []string{"ab", "cd"}, texts)
	})
}

func TestAPatientJobGoesWithTheNextTransactionOrByItself(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		done := make(chan error, 2)
		patient := func(key string, patience time.Duration) {
			require.NoError(t, db.Push(t.Context(), sqldb.Job{Run: queueing(key), Patience: patience}, func(err error) { done <- err }))
		}
		before := db.Stats().Commits.Load()
		patient("a", time.Hour)
		require.NoError(t, db.Write(t.Context(), "", queueing("b")))
		require.NoError(t, <-done)
		require.EqualValues(t, 1, db.Stats().Commits.Load()-before)
		patient("c", time.Millisecond)
		require.NoError(t, <-done)
		patient("e", time.Hour)
		patient("f", time.Millisecond)
		require.NoError(t, <-done, "the least patient takes the others along")
		require.NoError(t, <-done)
		patient("d", time.Hour)
		require.NoError(t, db.Close(), "who closes waits for nobody's patience")
		require.NoError(t, <-done)
	})
}
