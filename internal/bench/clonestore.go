package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"shop/internal/platform/sqldb"
)

// A shop with a million orders would take the shop itself a quarter of an hour to make. So it carries some, and their rows, in whichever tables they
// are, are copied by SQL: what is stored has the shape and the sizes that the program gives it, also when that changes.
//
// A copy must have ids of its own that sort before those of the orders to come, as the ids of old orders do. Identifiers begin with their time, in
// characters of five bits (platform/id); the first seven of them are a window of 2¹⁵ ms. The orders that are copied were all carried within two
// windows; a copy has these two replaced by others further back, wherever they stand in a text or a document, and its times are set back by as much.

// windowLength is how long the first seven characters of new identifiers stay the same.
const windowLength = (1 << 15) * time.Millisecond

// window is the number of a window since 1970.
type window int64

func windowAt(t time.Time) window { return window(t.UnixMilli() >> 15) }

// mark is what stands in identifiers of the window: the underscore before the time, and its first seven characters.
func (w window) mark() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's
	var b [7]byte
	for i := range b {
		b[len(b)-1-i] = alphabet[w>>(5*i)&31]
	}
	return "_" + string(b[:])
}

// cloned are the databases in which an order leaves rows. The catalog knows no orders.
var cloned = []string{"orders", "inventory", "payments", "testpsp", "shipping", "notifications"}

// clone adds copies of each order that was carried in the window first and the next one. No shop may run on the place. rand8 gives eight random
// hexadecimal digits.
func (p *place) clone(ctx context.Context, first window, copies int, rand8 func() string) error {
	salts := make([]string, copies)
	for i := range salts {
		salts[i] = rand8()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for _, name := range cloned {
		g.Go(func() error {
			db, err := sqldb.Open(sqldb.Config{Context: name, URL: p.url, Statement: 10 * time.Minute})
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }() // what matters is committed
			if err := cloneDatabase(ctx, db, first, salts); err != nil {
				return fmt.Errorf("copying the orders of %s: %w", name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func cloneDatabase(ctx context.Context, db *sqldb.DB, first window, salts []string) error {
	tables, err := tablesOf(ctx, db)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := t.clone(ctx, db, first, salts); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	if db.Context() != "inventory" {
		return nil
	}
	// Before the orders that were copied nothing was reserved, so all that is belongs to them.
	return db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE stock SET reserved = reserved * $1 WHERE reserved > 0`, len(salts)+1)
		return err
	})
}

// table is a table with its columns, of the kinds that matter here.
type table struct {
	name     string
	postgres bool
	columns  []column
}

type column struct {
	Table    string `db:"table_name"`
	Name     string `db:"column_name"`
	Type     string `db:"type"`
	Identity bool   `db:"identity"` // numbered by the database
}

// tablesOf reads what tables a context has.
func tablesOf(ctx context.Context, db *sqldb.DB) ([]table, error) {
	query := `SELECT table_name, column_name, data_type AS type, is_identity = 'YES' AS identity FROM information_schema.columns
		WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`
	if db.Dialect() == sqldb.SQLite {
		query = `SELECT m.name AS table_name, c.name AS column_name, lower(c.type) AS type, c.pk = 1 AND c.type = 'INTEGER' AS identity
			FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid`
	}
	var columns []column
	if err := db.Select(ctx, &columns, query); err != nil {
		return nil, err
	}
	var tables []table
	for _, c := range columns {
		if n := len(tables); n == 0 || tables[n-1].name != c.Table {
			tables = append(tables, table{name: c.Table, postgres: db.Dialect() == sqldb.Postgres})
		}
		t := &tables[len(tables)-1]
		t.columns = append(t.columns, c)
	}
	return tables, nil
}

func (c column) text() bool     { return c.Type == "text" }
func (c column) document() bool { return strings.HasPrefix(c.Type, "json") }
func (c column) moment() bool   { return c.Type == "bigint" && strings.HasSuffix(c.Name, "_at") }

const cloneTemplate = "bench_template" // the rows to copy, while it lasts

// clone copies the rows of the table that hold an identifier of the two windows, once for each salt.
func (t table) clone(ctx context.Context, db *sqldb.DB, first window, salts []string) error {
	if !slices.ContainsFunc(t.columns, column.text) {
		return nil
	}
	marks := []any{first.mark(), (first + 1).mark()}
	var rows int64
	err := db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		if _, err = tx.Exec(ctx, t.makeTemplate()); err != nil {
			return err
		}
		rows, err = tx.Exec(ctx, t.takeTemplate(), marks...)
		return err
	})
	if err != nil {
		return err
	}
	insert := t.insert()
	const perTransaction = 20
	for from := 0; from < len(salts) && rows > 0; from += perTransaction {
		err := db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
			for i := from; i < min(from+perTransaction, len(salts)); i++ {
				back := window(2 * (len(salts) - i)) // the oldest first: rows come in the order of their ids, as they did when they were made
				_, err := tx.Exec(ctx, insert, marks[0], (first - back).mark(), marks[1], (first + 1 - back).mark(), int64(back)*windowLength.Microseconds(), salts[i])
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `DROP TABLE `+cloneTemplate)
		return err
	})
}

func (t table) makeTemplate() string {
	return `CREATE TABLE ` + cloneTemplate + ` AS SELECT * FROM ` + t.name + ` WHERE false`
}

// takeTemplate is the statement that picks the rows; $1 and $2 are the marks of the windows.
func (t table) takeTemplate() string {
	find := "instr"
	if t.postgres {
		find = "strpos"
	}
	var holds []string
	order := t.columns[0].Name
	for _, c := range t.columns {
		if c.text() {
			holds = append(holds, fmt.Sprintf("%[1]s(%[2]s, $1) > 0 OR %[1]s(%[2]s, $2) > 0", find, c.Name))
		}
		if c.Identity || c.Name == "recorded_at" { // as they were written, not as an index has them
			order = c.Name
		}
	}
	return `INSERT INTO ` + cloneTemplate + ` SELECT * FROM ` + t.name + ` WHERE ` + strings.Join(holds, " OR ") + ` ORDER BY ` + order
}

// insert is the statement that makes one copy of each row: $1 → $2 and $3 → $4 in identifiers, moments $5 earlier, and $6 in what is random.
func (t table) insert() string {
	var names, values []string
	for _, c := range t.columns {
		if c.Identity {
			continue
		}
		names = append(names, c.Name)
		values = append(values, t.value(c))
	}
	// A statement must know all of its parameters, whether this table has a use for them or not.
	use := `$1 <> $2 AND $3 <> $4 AND $5 > 0 AND $6 <> ''`
	if t.postgres {
		use = `$1::text <> $2::text AND $3::text <> $4::text AND $5::bigint > 0 AND $6::text <> ''`
	}
	return `INSERT INTO ` + t.name + ` (` + strings.Join(names, ", ") + `) SELECT ` + strings.Join(values, ", ") + ` FROM ` + cloneTemplate + ` WHERE ` + use
}

func (t table) value(c column) string {
	replaced := func(text string) string { return `replace(replace(` + text + `, $1, $2), $3, $4)` }
	switch {
	case c.document() && t.postgres:
		return replaced(c.Name+`::text`) + `::` + c.Type
	case c.document():
		return replaced(c.Name)
	case c.text() && c.Name == "id" && t.name == "idempotency_keys":
		// A digest, which is as good as random; so are those of the copies, which is dearer for an index than ids that ascend.
		return `substr(id, 1, 3) || $6 || substr(id, 12)`
	case c.text():
		return replaced(c.Name)
	case c.moment():
		return `CASE WHEN ` + c.Name + ` = 0 THEN 0 ELSE ` + c.Name + ` - $5 END`
	}
	return c.Name
}
