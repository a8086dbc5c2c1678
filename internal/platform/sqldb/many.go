package sqldb

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Many is a statement over any number of rows at once. Its SQL says `{rows}` where the rows stand, as a table with the
// columns of Columns:
//
//	var appendEvents = sqldb.Many{
//		SQL:     `INSERT INTO events (stream_id, version, data) SELECT r.stream_id, r.version, r.data FROM {rows}`,
//		Columns: "stream_id text, version bigint, data json",
//	}
//
// The table is called r. PostgreSQL gets it as unnest of one array a column (a single round trip, 6.9 times as fast as a
// loop of 100 inserts); SQLite runs the prepared statement a row at a time, which costs no round trip. Write `WHERE true` before ON CONFLICT.
// Column types are text, bigint, bool, json, and bytea for a Blob.
type Many struct {
	SQL     string
	Columns string
	Exact   bool // every row given must change exactly one row, or the transaction fails with ErrStale
	Last    int  // when not 0: queued rows wait for the transaction's end, in the order of these numbers; see last.go

	Fold    func(rows [][]any) [][]any      // when set, makes of the rows that a transaction queued those that are written
	Written func(rows [][]any, ids []int64) // when set, is told after the commit what was written, with the rows' ids (the statement's table has a column id); nil when they are not known

	once     sync.Once
	columns  int
	postgres string
	ids      string // postgres, and it returns the ids
	exact    string // postgres, but it fails with a division by zero unless it changes as many rows as the last parameter says
	sqlite   string
}

func (m *Many) compile() {
	m.once.Do(func() {
		var names, unnest, values []string
		for i, col := range strings.Split(m.Columns, ",") {
			name, typ, ok := strings.Cut(strings.TrimSpace(col), " ")
			if !ok {
				panic("sqldb: column without a type in " + m.Columns)
			}
			names = append(names, name)
			param := "$" + strconv.Itoa(i+1)
			unnest = append(unnest, param+"::"+typ+"[]")
			values = append(values, param+" AS "+name)
		}
		m.columns = len(names)
		m.postgres = strings.ReplaceAll(m.SQL, "{rows}", "unnest("+strings.Join(unnest, ", ")+") AS r("+strings.Join(names, ", ")+")")
		m.ids = m.postgres + " RETURNING id AS written"
		m.exact = "WITH changed AS (" + m.postgres + " RETURNING 1) SELECT 1/(count(*) = $" + strconv.Itoa(m.columns+1) + ")::int FROM changed"
		m.sqlite = strings.ReplaceAll(m.SQL, "{rows}", "(SELECT "+strings.Join(values, ", ")+") AS r")
		if m.Written != nil {
			m.sqlite += " RETURNING id"
		}
	})
}

// arrays turns rows into one PostgreSQL array literal a column.
func (m *Many) arrays(rows [][]any) []any {
	args := make([]any, m.columns)
	for c := range args {
		lit := make([]byte, 0, 2+len(rows)*24)
		lit = append(lit, '{')
		for i, row := range rows {
			if i > 0 {
				lit = append(lit, ',')
			}
			lit = appendElement(lit, row[c])
		}
		args[c] = string(append(lit, '}'))
	}
	return args
}

func appendElement(lit []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(lit, "NULL"...)
	case int64:
		return strconv.AppendInt(lit, v, 10)
	case int:
		return strconv.AppendInt(lit, int64(v), 10)
	case bool:
		return strconv.AppendBool(lit, v)
	case string:
		return Postgres.appendString(lit, v)
	case []byte:
		if v == nil {
			return append(lit, "NULL"...)
		}
		return Postgres.appendString(lit, string(v))
	case JSON:
		if len(v) == 0 {
			return append(lit, "NULL"...)
		}
		return Postgres.appendString(lit, string(v))
	case Blob:
		return append(v.appendHex(append(lit, `"\\`...)), '"')
	}
	panic(fmt.Sprintf("sqldb: a row cannot carry %T", v))
}
