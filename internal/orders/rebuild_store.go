package orders

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"shop/internal/platform/sqldb"
)

// The projection is rebuilt in a table beside the live one, which then takes its name. Orders change meanwhile: an order that did has a higher version in the live table than in
// the other, or is only in the live one, since whoever appends an event writes its summary in the same transaction. So those are derived once more, the last ones while no summary can be
// written. Who waits then writes to the new table: both databases look the name up again.

const nextTable = "order_summaries_next"

var insertNext = sqldb.Many{SQL: strings.Replace(insertSummary.SQL, "order_summaries", nextTable, 1), Columns: insertSummary.Columns}

// definition is an index and the statement that makes it.
type definition struct {
	Name string `db:"name"`
	SQL  string `db:"sql"`
}

// liveIndexes are those of the live table beside its primary key.
func liveIndexes(ctx context.Context, tx *sqldb.Tx) ([]definition, error) {
	query := `SELECT indexname AS name, indexdef AS sql FROM pg_indexes
		WHERE schemaname = current_schema() AND tablename = 'order_summaries' AND indexname NOT LIKE '%pkey' ORDER BY 1`
	if tx.Dialect() == sqldb.SQLite {
		query = `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'order_summaries' AND sql IS NOT NULL ORDER BY 1`
	}
	var all []definition
	err := tx.Select(ctx, &all, query)
	return all, err
}

// beside is the statement that makes the index on the other table, under another name.
func (d definition) beside() string {
	s := strings.Replace(d.SQL, "INDEX "+d.Name+" ON", "INDEX "+d.Name+"_next ON", 1)
	return strings.Replace(s, "order_summaries USING", nextTable+" USING", 1)
}

var createdTable = regexp.MustCompile(`^CREATE TABLE "?order_summaries"?`)

// beginNext makes the other table, empty, like the live one. One that is left from a rebuild that was ended is thrown away.
func (s *store) beginNext(ctx context.Context) error {
	return s.db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
		steps := []string{`DROP TABLE IF EXISTS ` + nextTable}
		if tx.Dialect() == sqldb.SQLite {
			var live string
			if err := tx.Get(ctx, &live, `SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'order_summaries'`); err != nil {
				return err
			}
			steps = append(steps, createdTable.ReplaceAllString(live, "CREATE TABLE "+nextTable))
		} else {
			steps = append(steps, `CREATE TABLE `+nextTable+` (LIKE order_summaries INCLUDING ALL EXCLUDING INDEXES) WITH (fillfactor = 50)`,
				`ALTER TABLE `+nextTable+` ADD CONSTRAINT order_summaries_pkey_next PRIMARY KEY (order_id)`)
			indexes, err := liveIndexes(ctx, tx)
			if err != nil {
				return err
			}
			for _, i := range indexes {
				steps = append(steps, i.beside())
			}
		}
		return execAll(ctx, tx, steps)
	})
}

func execAll(ctx context.Context, tx *sqldb.Tx, statements []string) error {
	for _, s := range statements {
		if _, err := tx.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// countStreams is how many orders there are.
func (s *store) countStreams(ctx context.Context) (n int, err error) {
	err = s.db.Get(ctx, &n, `SELECT count(*) FROM events WHERE version = 1`)
	return n, err
}

// streamsAfter lists the next orders by their ids.
func (s *store) streamsAfter(ctx context.Context, after string, limit int) ([]string, error) {
	var ids []string
	err := s.db.Select(ctx, &ids, `SELECT stream_id FROM events WHERE version = 1 AND stream_id > $1 ORDER BY stream_id LIMIT $2`, after, limit)
	return ids, err
}

// behindLive finds orders that changed since they were derived.
const behindLive = `SELECT s.order_id FROM order_summaries s LEFT JOIN ` + nextTable + ` n ON n.order_id = s.order_id
	WHERE n.order_id IS NULL OR n.version < s.version ORDER BY s.order_id`

// changedMeanwhile lists orders that changed since they were derived.
func (s *store) changedMeanwhile(ctx context.Context) ([]string, error) {
	var ids []string
	err := s.db.Select(ctx, &ids, behindLive)
	return ids, err
}

// deriveNext writes the summaries of some orders, as their events are now, to the other table.
func (s *store) deriveNext(ctx context.Context, ids []string) error {
	return s.db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error { return s.derive(ctx, tx, ids) })
}

func (s *store) derive(ctx context.Context, tx *sqldb.Tx, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var rows []record
	if err := tx.Select(ctx, &rows, `SELECT stream_id, version, type, data, recorded_at FROM events WHERE stream_id IN {$1} ORDER BY stream_id, version`, ids); err != nil {
		return err
	}
	orders, err := replay(rows)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM `+nextTable+` WHERE order_id IN {$1}`, ids); err != nil {
		return err
	}
	for _, o := range orders {
		sum := s.project(o)
		tx.Queue(&insertNext, sum.row()...)
	}
	return nil
}

// swapNext derives what changed last, while nobody can write a summary, and lets the other table take the place of the live one. caughtUp is how many orders that were.
func (s *store) swapNext(ctx context.Context) (caughtUp int, err error) {
	err = s.db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
		if there, err := nextIsThere(ctx, tx); err != nil || !there { // else this was committed, and the answer got lost
			return err
		}
		if tx.Dialect() == sqldb.Postgres {
			if err := execAll(ctx, tx, []string{`LOCK TABLE order_summaries IN SHARE ROW EXCLUSIVE MODE`,
				`SET LOCAL enable_seqscan = on`, `SET LOCAL enable_hashjoin = on`, `SET LOCAL enable_mergejoin = on`}); err != nil {
				return err
			}
		}
		var ids []string
		if err := tx.Select(ctx, &ids, behindLive); err != nil {
			return err
		}
		for part := range slices.Chunk(ids, rebuildPage) {
			if err := s.derive(ctx, tx, part); err != nil {
				return err
			}
		}
		caughtUp = len(ids)
		return replaceLive(ctx, tx)
	})
	return caughtUp, err
}

func nextIsThere(ctx context.Context, tx *sqldb.Tx) (there bool, err error) {
	query := `SELECT to_regclass('` + nextTable + `') IS NOT NULL`
	if tx.Dialect() == sqldb.SQLite {
		query = `SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = '` + nextTable + `'`
	}
	err = tx.Get(ctx, &there, query)
	return there, err
}

// replaceLive drops the live table and gives its names to the other and to its indexes. SQLite cannot rename an index, so there they are made now.
func replaceLive(ctx context.Context, tx *sqldb.Tx) error {
	indexes, err := liveIndexes(ctx, tx)
	if err != nil {
		return err
	}
	steps := []string{`DROP TABLE order_summaries`, `ALTER TABLE ` + nextTable + ` RENAME TO order_summaries`}
	if tx.Dialect() == sqldb.SQLite {
		for _, i := range indexes {
			steps = append(steps, i.SQL)
		}
		return execAll(ctx, tx, steps)
	}
	steps = append(steps, `ALTER INDEX order_summaries_pkey_next RENAME TO order_summaries_pkey`)
	for _, i := range indexes {
		steps = append(steps, `ALTER INDEX `+i.Name+`_next RENAME TO `+i.Name)
	}
	return execAll(ctx, tx, append(steps, `ANALYZE order_summaries`))
}
