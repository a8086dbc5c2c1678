package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing/fstest"
	"time"

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

// Provision makes the schema and the role of this database's context on PostgreSQL, acting as the user of the URL, who must be allowed to create both. The
// role gets the context's schema and nothing else; the user becomes a member of it. On SQLite there is nothing to provision.
func (db *DB) Provision(ctx context.Context) error {
	if db.dialect == SQLite {
		return nil
	}
	admin, err := postgresPool(db.cfg, nil)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }()
	role, schema := pq.QuoteIdentifier(RoleName(db.cfg.Context)), pq.QuoteIdentifier(db.cfg.Context)
	steps := []string{
		"CREATE ROLE " + role + " NOLOGIN",
		"GRANT " + role + " TO CURRENT_USER",
		"CREATE SCHEMA IF NOT EXISTS " + schema + " AUTHORIZATION " + role,
		"REVOKE ALL ON SCHEMA " + schema + " FROM PUBLIC",
	}
	for i, step := range steps {
		err := inTransaction(ctx, admin.DB, step)
		roleExists := i == 0 && pq.As(err, pqerror.DuplicateObject, pqerror.UniqueViolation) != nil
		if err != nil && !roleExists && pq.As(err, pqerror.DuplicateSchema, pqerror.UniqueViolation) == nil {
			return fmt.Errorf("provisioning %s: %w", db.cfg.Context, translate(err))
		}
	}
	return nil
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

// Migrate applies what is missing of the sets, in the order given: directories of files, each with its own version table. Of two
// files NNNN_name.sql and NNNN_name.sqlite.sql SQLite takes the second. It may run in several processes at once.
func (db *DB) Migrate(ctx context.Context, files fs.FS, sets ...string) error {
	for _, set := range sets {
		p, err := db.provider(files, set)
		if err != nil {
			return err
		}
		if _, err := p.Up(ctx); err != nil {
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
		p, err := db.provider(files, set)
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

func (db *DB) provider(files fs.FS, set string) (*goose.Provider, error) {
	chosen, err := db.choose(files, set)
	if err != nil {
		return nil, err
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithTableName(versionTable(set)), goose.WithDisableGlobalRegistry(true)}
	if db.dialect == Postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(dialect, db.write.DB, chosen, options...)
}

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
		out[path.Base(base)+".sql"] = &fstest.MapFile{Data: text, Mode: 0o444}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no migrations in %s", set)
	}
	return out, nil
}
