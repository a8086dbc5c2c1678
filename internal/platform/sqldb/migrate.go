package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing/fstest"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migration is one step of a set of migrations and when it was applied; zero when it was not.
type Migration struct {
	Set       string    `json:"set"`
	Version   int64     `json:"version"`
	Name      string    `json:"name"`
	AppliedAt time.Time `json:"applied_at,omitzero"`
}

// Provision makes the schema and the role of this database's context on PostgreSQL, acting as the user of the URL. The role gets the context's
// schema and nothing else; the user becomes a member of it. What is there already is left alone, so a user who may create neither can use what somebody
// else provisioned. It may run in several processes at once. On SQLite there is nothing to provision. Errors: ErrDenied, ErrUnavailable.
func (db *DB) Provision(ctx context.Context) error {
	if db.dialect == SQLite {
		return nil
	}
	admin, err := postgresPool(db.cfg, nil)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }()
	role, schema := RoleName(db.cfg.Context), db.cfg.Context
	quotedRole, quotedSchema := pq.QuoteIdentifier(role), pq.QuoteIdentifier(schema)
	for _, step := range []struct{ there, name, make string }{
		{`SELECT count(*) FROM pg_roles WHERE rolname = $1`, role, "CREATE ROLE " + quotedRole + " NOLOGIN"},
		{`SELECT count(*) FROM pg_roles WHERE rolname = $1 AND pg_has_role(rolname, 'USAGE')`, role, "GRANT " + quotedRole + " TO CURRENT_USER"},
		{`SELECT count(*) FROM pg_namespace WHERE nspname = $1`, schema, "CREATE SCHEMA IF NOT EXISTS " + quotedSchema + " AUTHORIZATION " + quotedRole},
	} {
		if err := provision(ctx, admin, step.there, step.name, step.make); err != nil {
			return fmt.Errorf("provisioning %s: %w", db.cfg.Context, translate(err))
		}
	}
	return nil
}

// provision makes something that is not there yet. Roles belong to the whole cluster, where nothing can be locked against other databases, so whoever
// loses a race looks again.
func provision(ctx context.Context, admin *sqlx.DB, there, name, statement string) error {
	for try := 1; ; try++ {
		var n int
		if err := admin.GetContext(ctx, &n, there, name); err != nil || n > 0 {
			return err
		}
		err := inTransaction(ctx, admin.DB, statement)
		lost := pq.As(err, pqerror.DuplicateObject, pqerror.DuplicateSchema, pqerror.UniqueViolation, pqerror.InternalError) != nil // the last: "tuple concurrently updated"
		if !lost || try == 20 {
			return err
		}
		pause(ctx, 10*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func inTransaction(ctx context.Context, db *sql.DB, statement string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, statement); err != nil {
		return err
	}
	return tx.Commit()
}

// longestMigration is how long one statement of a migration may take: the index of a large table takes minutes.
const longestMigration = 30 * time.Minute

// Migrate applies what is missing of the sets, in the order given: directories of files, each with its own version table. Of two
// files NNNN_name.sql and NNNN_name.sqlite.sql SQLite takes the second. It may run in several processes at once. Errors: ErrDenied, ErrUnavailable.
func (db *DB) Migrate(ctx context.Context, files fs.FS, sets ...string) error {
	cfg := db.cfg
	cfg.Statement = longestMigration
	pool, err := writePool(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	for _, set := range sets {
		p, err := db.provider(pool.DB, files, set)
		if err != nil {
			return err
		}
		_, err = p.Up(ctx)
		for try := 1; err != nil && db.dialect == SQLite && try < 5; try++ { // another process may have been faster: nobody can lock it out between looking and applying
			pause(ctx, 20*time.Millisecond)
			_, err = p.Up(ctx)
		}
		if err != nil {
			return fmt.Errorf("migrating %s of %s: %w", set, db.cfg.Context, translate(err))
		}
	}
	return nil
}

// Migrations lists the sets' steps, those not applied with a zero time. Errors: ErrUnavailable.
func (db *DB) Migrations(ctx context.Context, files fs.FS, sets ...string) ([]Migration, error) {
	var all []Migration
	for _, set := range sets {
		applied := map[int64]int64{}
		var rows []struct {
			Version int64 `db:"version_id"`
			At      int64 `db:"at"`
		}
		query := `SELECT version_id, CAST(extract(epoch FROM max(tstamp)) * 1000000 AS BIGINT) AS at FROM ` + versionTable(set) + ` WHERE is_applied GROUP BY version_id`
		if db.dialect == SQLite {
			query = `SELECT version_id, CAST(unixepoch(max(tstamp)) AS INTEGER) * 1000000 AS at FROM ` + versionTable(set) + ` WHERE is_applied GROUP BY version_id`
		}
		// a version table that does not exist yet means that nothing was applied
		if err := db.Select(ctx, &rows, query); err != nil && (errors.Is(err, ErrUnavailable) || !db.fresh(err)) {
			return nil, err
		}
		for _, r := range rows {
			applied[r.Version] = r.At
		}
		p, err := db.provider(db.write.DB, files, set)
		if err != nil {
			return nil, err
		}
		for _, s := range p.ListSources() {
			all = append(all, Migration{Set: set, Version: s.Version, Name: path.Base(s.Path), AppliedAt: Time(applied[s.Version])})
		}
	}
	return all, nil
}

// fresh reports whether err says that the table, the schema or the role does not exist yet.
func (db *DB) fresh(err error) bool {
	if db.dialect == SQLite {
		return true // a missing table has no error code of its own; everything graver is ErrUnavailable
	}
	return pq.As(err, pqerror.UndefinedTable, pqerror.InvalidSchemaName, pqerror.InvalidParameterValue, pqerror.UndefinedObject) != nil
}

func versionTable(set string) string { return "schema_version_" + set }

func (db *DB) provider(pool *sql.DB, files fs.FS, set string) (*goose.Provider, error) {
	chosen, err := db.choose(files, set)
	if err != nil {
		return nil, err
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithTableName(versionTable(set)), goose.WithDisableGlobalRegistry(true)}
	if db.dialect == Postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 3600), // seconds, tries
			lock.WithLockID(int64(crc32.ChecksumIEEE([]byte("shop "+db.cfg.Context)))))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(dialect, pool, chosen, options...)
}

// textColumn: on PostgreSQL every text column sorts by bytes, as it does on SQLite. So pages of a list are the same on both, and a comparison of keys costs no call
// into the locale's rules.
var textColumn = regexp.MustCompile(`\bTEXT\b`)

// choose picks the files of a set for this dialect.
func (db *DB) choose(files fs.FS, set string) (fs.FS, error) {
	names, err := fs.Glob(files, set+"/*.sql")
	if err != nil {
		return nil, err
	}
	out := fstest.MapFS{}
	for _, name := range names {
		base, special := strings.CutSuffix(name, ".sqlite.sql")
		if special && db.dialect != SQLite {
			continue
		}
		if !special {
			base = strings.TrimSuffix(name, ".sql")
			if _, err := fs.Stat(files, base+".sqlite.sql"); err == nil && db.dialect == SQLite {
				continue
			}
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if db.dialect == Postgres {
			text = textColumn.ReplaceAll(text, []byte(`TEXT COLLATE "C"`))
		}
		out[path.Base(base)+".sql"] = &fstest.MapFile{Data: text, Mode: 0o444}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no migrations in %s", set)
	}
	return out, nil
}
