package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, pgtest.IgnoreServer()) }

// withKept makes a table of keys, each of which can be kept once.
func withKept(t testing.TB, db *sqldb.DB) {
	t.Helper()
	write(t, db, `CREATE TABLE kept (key TEXT PRIMARY KEY, n BIGINT NOT NULL CHECK (n >= 0), writer TEXT)`)
}

// write runs a statement in a transaction.
func write(t testing.TB, db *sqldb.DB, statement string, args ...any) {
	t.Helper()
	require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, statement, args...)
		return err
	}))
}

var keep = sqldb.Many{
	SQL:     `INSERT INTO kept (key, n) SELECT r.key, r.n FROM {rows}`,
	Columns: "key text, n bigint",
}

type job = func(ctx context.Context, tx *sqldb.Tx) error

// keeping is a job that keeps a key with one statement.
func keeping(key string) job {
	return func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO kept (key, n) VALUES ($1, 1)`, key)
		return err
	}
}

// queueing is a job that keeps a key at the end of the transaction.
func queueing(key string) job {
	return func(_ context.Context, tx *sqldb.Tx) error {
		tx.Queue(&keep, key, 1)
		return nil
	}
}

func kept(t testing.TB, db *sqldb.DB) []string {
	t.Helper()
	keys := []string{}
	require.NoError(t, db.Select(t.Context(), &keys, `SELECT key FROM kept ORDER BY key`))
	return keys
}

// together runs the jobs in one batch and returns their outcomes.
func together(t *testing.T, db *sqldb.DB, runs ...job) []error {
	jobs := make([]sqldb.Job, len(runs))
	for i, run := range runs {
		jobs[i].Run = run
	}
	return togetherJobs(t, db, jobs...)
}

func togetherJobs(t *testing.T, db *sqldb.DB, jobs ...sqldb.Job) []error {
	begun, release := make(chan struct{}), make(chan struct{})
	results := make([]chan error, len(jobs)+1)
	submit := func(i int, j sqldb.Job) {
		results[i] = make(chan error, 1)
		require.NoError(t, db.Submit(t.Context(), j, func(err error) { results[i] <- err }))
	}
	submit(0, sqldb.Job{Run: func(context.Context, *sqldb.Tx) error { close(begun); <-release; return nil }})
	<-begun
	for i, j := range jobs {
		submit(i+1, j)
	}
	close(release)
	var errs []error
	for _, r := range results {
		errs = append(errs, <-r)
	}
	return errs[1:]
}

func isUnavailable(err error) bool { return errors.Is(err, sqldb.ErrUnavailable) }

// adminOf is a superuser's connection to a database.
func adminOf(t *testing.T, url string) *sql.DB {
	t.Helper()
	admin, err := sql.Open("postgres", url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close() })
	return admin
}
