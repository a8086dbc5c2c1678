package main

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"shop/internal/platform/sqldb"
	"shop/migrations"
)

func (p *program) migrateCommand() *cobra.Command {
	up := &cobra.Command{
		Use:   "up",
		Short: "Bring the databases to the schema of this version",
		Long: `Up applies the migrations that are missing. On PostgreSQL it first makes the schema and the role of each context; the user of the database URL must be
allowed to. Migrations go forward only, and a running shop of the version before this one works on with the new schema.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			return p.migrateUp(cmd.Context(), cfg)
		},
	}
	status := &cobra.Command{
		Use:   "status",
		Short: "List the migrations and when they were applied",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			return p.migrateStatus(cmd.Context(), cfg)
		},
	}
	for _, cmd := range []*cobra.Command{up, status} {
		settingFlags(cmd, "contexts", "data", "database-url")
		p.outputFlag(cmd)
	}
	return group(&cobra.Command{Use: "migrate", Short: "Bring databases to the schema of this version"}, up, status)
}

// migration is one step of one database.
type migration struct {
	Database string `json:"database"`
	sqldb.Migration
}

func (p *program) migrateUp(ctx context.Context, cfg config) (err error) {
	databases, err := openDatabases(cfg, patientStatement)
	if err != nil {
		return err
	}
	defer func() { add(&err, databases.close()) }()
	before, err := databases.migrations(ctx)
	if err != nil {
		return err
	}
	if len(missing(before)) > 0 { // a shop that runs has migrated its SQLite databases itself
		locks, err := lockAll(sqliteDirectories(cfg))
		defer locks.release()
		if err != nil {
			return err
		}
	}
	shown := newQuietProgress(p.stderr)
	shown.Begin("databases", len(databases))
	err = databases.each(ctx, func(ctx context.Context, db *database) error {
		defer shown.Add(1)
		if err := db.Provision(ctx); err != nil {
			return err
		}
		return db.Migrate(ctx, migrations.Files, db.sets...)
	})
	shown.End()
	if err != nil {
		return err
	}
	applied := missing(before)
	return p.print(applied, func(t *text) {
		if len(applied) == 0 {
			t.linef("Nothing to do: all %d migrations were applied before.", len(before))
			return
		}
		t.linef("Applied %d migrations.", len(applied))
	})
}

func (p *program) migrateStatus(ctx context.Context, cfg config) (err error) {
	if err := mustExist(cfg); err != nil {
		return err
	}
	databases, err := openDatabases(cfg, patientStatement)
	if err != nil {
		return err
	}
	defer func() { add(&err, databases.close()) }()
	all, err := databases.migrations(ctx)
	if err != nil {
		return err
	}
	return p.print(all, func(t *text) {
		rows := make([][]string, len(all))
		for i, m := range all {
			at := "missing"
			if !m.AppliedAt.IsZero() {
				at = m.AppliedAt.Format(time.RFC3339)
			}
			rows[i] = []string{m.Database, m.Set, strconv.FormatInt(m.Version, 10), m.Name, at}
		}
		t.table([]string{"DATABASE", "SET", "VERSION", "NAME", "APPLIED"}, rows)
	})
}

// migrations lists those of all databases, in the order of the map.
func (d databases) migrations(ctx context.Context) ([]migration, error) {
	found := make([][]sqldb.Migration, len(d))
	index := map[*database]int{}
	for i, db := range d {
		index[db] = i
	}
	err := d.each(ctx, func(ctx context.Context, db *database) (err error) {
		found[index[db]], err = db.Migrations(ctx, migrations.Files, db.sets...)
		return err
	})
	all := []migration{}
	for i, list := range found {
		for _, m := range list {
			all = append(all, migration{d[i].name, m})
		}
	}
	return all, err
}

func missing(all []migration) []migration {
	list := []migration{}
	for _, m := range all {
		if m.AppliedAt.IsZero() {
			list = append(list, m)
		}
	}
	return list
}
