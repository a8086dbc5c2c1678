package sqldb_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

func TestAReadCannotWrite(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, db.Write(t.Context(), "", keeping("a")))
		for _, statement := range []string{
			`INSERT INTO kept (key, n) VALUES ('b', 1)`,
			`INSERT INTO kept (key, n) VALUES ('b', 1) RETURNING key`,
			`UPDATE kept SET n = 2`,
			`DELETE FROM kept RETURNING key`,
			`DROP TABLE kept`,
			`CREATE TABLE more (id BIGINT)`,
		} {
			var out []string
			require.ErrorIs(t, db.Select(t.Context(), &out, statement), sqldb.ErrDenied, statement)
			require.ErrorIs(t, db.Get(t.Context(), new(string), statement), sqldb.ErrDenied, statement)
		}
		require.Equal(t, []string{"a"}, kept(t, db))
	})
}

func TestARowThatIsNotThereIsErrNoRows(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		require.ErrorIs(t, db.Get(t.Context(), new(string), `SELECT key FROM kept`), sqldb.ErrNoRows)
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			require.ErrorIs(t, tx.Get(ctx, new(string), `SELECT key FROM kept`), sqldb.ErrNoRows)
			return keeping("a")(ctx, tx) // nothing has failed
		}))
		require.Equal(t, []string{"a"}, kept(t, db))
	})
}

func TestSQLiteIsOpenedForDurability(t *testing.T) {
	db := dbtest.Open(t, "platform", "sqlite:"+t.TempDir())
	pragmas := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"}
	for name, want := range pragmas {
		var got string
		require.NoError(t, db.Get(t.Context(), &got, `PRAGMA `+name), name)
		require.Equal(t, want, got, name)
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			return tx.Get(ctx, &got, `PRAGMA `+name)
		}))
		require.Equal(t, want, got, name)
	}
}

func TestADirectoryMayHaveAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20é&_query_only=1")
	db := dbtest.Open(t, "platform", "sqlite:"+dir)
	withKept(t, db)
	require.FileExists(t, filepath.Join(dir, "platform.db"))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestPostgreSQLSessionsHaveTheirDeadlines(t *testing.T) {
	db := dbtest.Open(t, "platform", pgtest.NewDatabase(t))
	type session struct{ Role, Path, Statement, Lock, Idle, Name string }
	query := `SELECT current_user AS role, current_setting('search_path') AS path, current_setting('statement_timeout') AS statement,
		current_setting('lock_timeout') AS lock, current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('application_name') AS name`
	var s session
	require.NoError(t, db.Get(t.Context(), &s, query))
	require.Equal(t, session{"shop_platform", "platform", "5s", "0", "1min", "shop platform"}, s)
	require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error { return tx.Get(ctx, &s, query) }))
	require.Equal(t, session{"shop_platform", "platform", "5s", "3s", "10s", "shop platform"}, s)
}

func TestAURLThatIsNotUnderstoodIsRefused(t *testing.T) {
	for _, url := range []string{"", "mysql://x", "/var/lib/shop", "postgres://h:notaport/x"} {
		_, err := sqldb.Open(sqldb.Config{Context: "platform", URL: url})
		require.ErrorContains(t, err, "database_url", url)
	}
}

func TestAReadEndsWithItsContext(t *testing.T) {
	db := dbtest.Open(t, "platform", pgtest.NewDatabase(t))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.ErrorIs(t, db.Get(ctx, new(string), `SELECT pg_sleep(20)::text`), sqldb.ErrUnavailable)
	require.Less(t, time.Since(began), 4*time.Second)
	require.NoError(t, db.Ping(t.Context()), "the pool is not harmed")
}
