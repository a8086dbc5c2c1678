package main

import (
	"context"

	"shop/internal/platform/sqldb"
)

// letterCount is how many dead letters are in a state: dead, parked or replay.
type letterCount struct {
	State string `db:"state"`
	N     int64  `db:"n"`
}

func countDeadLetters(ctx context.Context, db *sqldb.DB) ([]letterCount, error) {
	var counts []letterCount
	err := db.Select(ctx, &counts, `SELECT state, count(*) AS n FROM dead_letters GROUP BY state ORDER BY state`)
	return counts, err
}

// countRows counts the rows of each table of a database, whatever tables it has.
func countRows(ctx context.Context, db *sqldb.DB) (map[string]int64, error) {
	list := `SELECT relname AS name FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r'`
	if db.Dialect() == sqldb.SQLite {
		list = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
	}
	var tables []string
	if err := db.Select(ctx, &tables, list); err != nil {
		return nil, err
	}
	counts := make(map[string]int64, len(tables))
	for _, table := range tables {
		var n int64
		if err := db.Get(ctx, &n, `SELECT count(*) FROM "`+table+`"`); err != nil {
			return nil, err
		}
		counts[table] = n
	}
	return counts, nil
}
