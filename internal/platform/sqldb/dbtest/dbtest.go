// Package dbtest gives a test a migrated database of a context, on SQLite and on PostgreSQL.
package dbtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/pgtest"
	"shop/migrations"
)

// Each runs the test once on each kind of database, with the tables of the context.
func Each(t *testing.T, context string, test func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { test(t, Open(t, context, url)) })
}

// EachURL runs the test once with the URL of an empty SQLite directory and once with that of an empty PostgreSQL database.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+t.TempDir()) })
	t.Run("postgres", func(t *testing.T) { test(t, pgtest.NewDatabase(t)) })
}

// Open opens and migrates the database of a context at url, and closes it when the test ends.
func Open(t testing.TB, context, url string) *sqldb.DB {
	t.Helper()
	return OpenWith(t, sqldb.Config{Context: context, URL: url})
}

// OpenWith is Open with more to say.
func OpenWith(t testing.TB, cfg sqldb.Config) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Provision(t.Context()))
	sets := []string{"platform"}
	if cfg.Context != "platform" {
		sets = append(sets, cfg.Context)
	}
	require.NoError(t, db.Migrate(t.Context(), migrations.Files, sets...))
	return db
}
