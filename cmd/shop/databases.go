package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"shop/internal/platform/sqldb"
	"shop/migrations"
)

// database is one database of a hosted context, with the migrations that it needs.
type database struct {
	*sqldb.DB
	name string
	sets []string // directories of migrations, in their order
	own  bool     // it has its context's name, and the tables of the bus
}

type databases []*database

// openDatabases opens what the hosted contexts need, without speaking to a server. statement is the longest that a statement may take; 0 is what suits requests.
// Errors: exitError with exitConfiguration.
func openDatabases(cfg config, statement time.Duration) (databases, error) {
	var opened databases
	turns := sqldb.NewTurns(0)
	for _, c := range hostedSpecs(cfg.hosted) {
		for _, name := range c.databaseNames() {
			db, err := sqldb.Open(sqldb.Config{Context: name, URL: cfg.databases[name], Statement: statement, Turns: turns})
			if err != nil {
				return nil, errors.Join(configError("%s: %w", databaseVariable(name), err), opened.close())
			}
			d := &database{DB: db, name: name, own: name == c.name, sets: []string{name}}
			if d.own {
				d.sets = []string{"platform", name}
			}
			opened = append(opened, d)
		}
	}
	return opened, nil
}

// patientStatement is for commands that an operator waits for: one that counts millions of rows takes its time.
const patientStatement = 5 * time.Minute

// openMigrated opens databases that are in use already, for a command that looks at them from outside. Errors: that there is nothing yet or that it is
// behind, with exitConfiguration; sqldb.ErrUnavailable.
func openMigrated(ctx context.Context, cfg config) (databases, error) {
	if err := mustExist(cfg); err != nil {
		return nil, err
	}
	d, err := openDatabases(cfg, patientStatement)
	if err != nil {
		return nil, err
	}
	if err := d.mustBeMigrated(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// mustExist refuses SQLite files that are not there: opening would make them.
func mustExist(cfg config) error {
	for _, c := range hostedSpecs(cfg.hosted) {
		for _, name := range c.databaseNames() {
			dir, sqlite := strings.CutPrefix(cfg.databases[name], sqlitePrefix)
			file := filepath.Join(dir, name+".db")
			if _, err := os.Stat(file); sqlite && errors.Is(err, fs.ErrNotExist) {
				return configError("there is no %s: no shop has run with this data directory", file)
			}
		}
	}
	return nil
}

// sqliteDirectories are those of the hosted contexts' SQLite databases, each once.
func sqliteDirectories(cfg config) []string {
	var dirs []string
	for _, c := range hostedSpecs(cfg.hosted) {
		for _, name := range c.databaseNames() {
			if dir, sqlite := strings.CutPrefix(cfg.databases[name], sqlitePrefix); sqlite {
				dirs = append(dirs, filepath.Clean(dir))
			}
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// each runs do for all databases at the same time and returns the first error, which names the database.
func (d databases) each(ctx context.Context, do func(context.Context, *database) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, db := range d {
		g.Go(func() error {
			if err := do(ctx, db); err != nil {
				return fmt.Errorf("database of %s: %w", db.name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// prepare brings SQLite to the schema of this program. PostgreSQL may serve others, so it must be there already. Errors: those of mustBeMigrated.
func (d databases) prepare(ctx context.Context) error {
	return d.each(ctx, func(ctx context.Context, db *database) error {
		pending, err := db.pending(ctx)
		switch {
		case err != nil || len(pending) == 0:
			return err
		case db.Dialect() == sqldb.SQLite:
			return db.Migrate(ctx, migrations.Files, db.sets...)
		}
		return errBehind(pending)
	})
}

// mustBeMigrated refuses databases without the schema of this program. Errors: exitError with exitConfiguration; sqldb.ErrUnavailable.
func (d databases) mustBeMigrated(ctx context.Context) error {
	return d.each(ctx, func(ctx context.Context, db *database) error {
		pending, err := db.pending(ctx)
		if err != nil || len(pending) == 0 {
			return err
		}
		return errBehind(pending)
	})
}

func errBehind(pending []sqldb.Migration) error {
	return configError("%d migrations are missing, from %s/%s on: run shop migrate up", len(pending), pending[0].Set, pending[0].Name)
}

// pending are the migrations that were not applied. A database that is ahead, because a newer release migrated it, is fine: every release runs on the schema of the next.
func (db *database) pending(ctx context.Context) ([]sqldb.Migration, error) {
	all, err := db.Migrations(ctx, migrations.Files, db.sets...)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(m sqldb.Migration) bool { return !m.AppliedAt.IsZero() }), nil
}

func (d databases) close() error {
	return d.each(context.Background(), func(_ context.Context, db *database) error { return db.Close() })
}
