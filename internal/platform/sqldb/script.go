package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
)

// postgresConn sends scripts: several statements in one message of the simple protocol, so that a transaction takes one round trip for each answer it
// needs and one for all the rest. The BEGIN travels with the first statement, queued rows with the next one or with the COMMIT. The statements are
// prepared by the server once (PREPARE) and called by name (EXECUTE) with literals for parameters, so that nothing is planned twice. lib/pq has
// no pipelining of the extended protocol.
//
// A statement that fails ends the script: what follows, a COMMIT too, is not run.
type postgresConn struct {
	*sqlx.Conn
	stats    *Stats
	prepared map[string]string // names by the statement's text
	named    int               // names given, never twice: a PREPARE outlives the transaction
	begun    bool
	ending   bool // the script is the transaction's last before COMMIT
	script   []byte
	fresh    []string // texts that the present script prepares
}

func (c *postgresConn) begin(context.Context) error {
	c.begun = false
	return nil
}

func (c *postgresConn) exec(ctx context.Context, queued []manyRows, query string, args []any) (int64, error) {
	if err := c.compose(queued, query, args); err != nil {
		return 0, err
	}
	res, err := c.ExecContext(ctx, c.text())
	if err = c.sent(err); err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (c *postgresConn) get(ctx context.Context, queued []manyRows, dest any, query string, args []any) error {
	queued, err := c.writeExact(ctx, queued)
	if err != nil {
		return err
	}
	if err := c.compose(queued, query, args); err != nil {
		return err
	}
	return c.sent(sqlx.GetContext(ctx, c.Conn, dest, c.text()))
}

func (c *postgresConn) selectAll(ctx context.Context, queued []manyRows, dest any, query string, args []any) error {
	queued, err := c.writeExact(ctx, queued)
	if err != nil {
		return err
	}
	if err := c.compose(queued, query, args); err != nil {
		return err
	}
	return c.sent(sqlx.SelectContext(ctx, c.Conn, dest, c.text()))
}

// writeExact writes what is queued in a script of its own if it has an Exact statement, whose answer would stand before that of the statement that reads.
func (c *postgresConn) writeExact(ctx context.Context, queued []manyRows) ([]manyRows, error) {
	if !slices.ContainsFunc(queued, func(q manyRows) bool { return q.many.Exact }) {
		return queued, nil
	}
	if err := c.compose(queued, "", nil); err != nil {
		return nil, err
	}
	_, err := c.ExecContext(ctx, c.text())
	return nil, c.sent(err)
}

// commit writes what was queued and commits. A transaction that never said anything to the server ends in silence. When others want its turn, the COMMIT, which waits for the
// disk, takes a round trip of its own, without it.
func (c *postgresConn) commit(ctx context.Context, queued []manyRows, turn *turn) error {
	if !c.begun && len(queued) == 0 {
		return nil
	}
	apart := turn.wanted()
	if len(queued) > 0 || !apart {
		if err := c.write(ctx, queued, !apart); err != nil || !apart {
			return err
		}
	}
	turn.end()
	c.stats.RoundTrips.Add(1)
	_, err := c.ExecContext(ctx, "COMMIT")
	return err
}

// write writes what was queued, with the ids of rows where they are wanted, and a COMMIT if it is asked for.
func (c *postgresConn) write(ctx context.Context, queued []manyRows, commit bool) error {
	c.ending = true
	err := c.compose(queued, "", nil)
	c.ending = false
	if err != nil {
		return err
	}
	if commit {
		c.script = append(c.script, "COMMIT"...)
	}
	if i := slices.IndexFunc(queued, func(q manyRows) bool { return q.many.Written != nil }); i >= 0 {
		err = c.collect(ctx, queued[i:])
	} else {
		_, err = c.ExecContext(ctx, c.text())
	}
	return c.sent(err)
}

// collect sends the script and takes from its answers the ids of the rows that were written.
func (c *postgresConn) collect(ctx context.Context, queued []manyRows) error {
	rows, err := c.QueryContext(ctx, c.text())
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for more := true; more; more = rows.NextResultSet() {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		if len(columns) != 1 || columns[0] != "written" { // the answer of an Exact statement
			for rows.Next() {
			}
			continue
		}
		for queued[0].many.Written == nil {
			queued = queued[1:]
		}
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			queued[0].ids = append(queued[0].ids, id)
		}
		queued = queued[1:]
	}
	return rows.Err()
}

func (c *postgresConn) rollback(ctx context.Context) error {
	if !c.begun {
		return nil
	}
	c.stats.RoundTrips.Add(1)
	_, err := c.ExecContext(ctx, "ROLLBACK")
	return err
}

func (c *postgresConn) close() { discard(c.Conn) }

// compose begins a script: BEGIN if that was not said yet, the queued rows, and a statement unless query is empty.
func (c *postgresConn) compose(queued []manyRows, query string, args []any) error {
	c.script, c.fresh = c.script[:0], c.fresh[:0]
	if !c.begun {
		c.script = append(c.script, "BEGIN;"...)
	}
	for _, q := range queued {
		texts, args := q.many.call(q.rows)
		text := texts.plain
		switch {
		case q.many.Exact:
			text, args = texts.exact, append(args, len(q.rows))
		case q.many.Written != nil && c.ending: // before, the ids would stand in front of another statement's answer
			text = texts.ids
		}
		if err := c.call(text, args); err != nil {
			return err
		}
	}
	if query == "" {
		return nil
	}
	return c.call(query, args)
}

// call adds the call of a statement, and its preparation if this is the first.
func (c *postgresConn) call(query string, args []any) error {
	c.stats.Statements.Add(1)
	if len(args) == 0 { // may be of a kind that cannot be prepared
		c.script = append(append(c.script, Postgres.rewrite(query, nil)...), ';')
		return nil
	}
	name, known := c.prepared[query]
	if !known {
		if len(c.prepared) >= maxPrepared {
			return errTooMany()
		}
		c.named++
		name = "s" + strconv.Itoa(c.named)
		c.prepared[query] = name
		c.fresh = append(c.fresh, query)
		c.script = append(append(append(append(append(c.script, "PREPARE "...), name...), " AS "...), Postgres.rewrite(query, args)...), ';')
	}
	c.script = append(append(c.script, "EXECUTE "...), name...)
	separator := byte('(')
	for _, arg := range args {
		c.script = append(c.script, separator)
		separator = ','
		var err error
		if c.script, err = appendLiteral(c.script, arg); err != nil {
			c.forget()
			return err
		}
	}
	c.script = append(c.script, ");"...)
	return nil
}

// text is the script to be sent.
func (c *postgresConn) text() string {
	c.stats.RoundTrips.Add(1)
	return string(c.script)
}

// sent notes what became of a script. What it prepared is prepared again after a failure, which may have come before it or after.
func (c *postgresConn) sent(err error) error {
	c.begun = true
	if err != nil && !errors.Is(err, ErrNoRows) {
		c.forget()
	}
	return err
}

func (c *postgresConn) forget() {
	for _, query := range c.fresh {
		delete(c.prepared, query)
	}
}

// errDefect: nothing was sent, because of a defect on this side.
var errDefect = errors.New("sqldb: defect")

// appendLiteral writes a value as an SQL literal of no type yet: EXECUTE gives it its parameter's. Every connection has standard_conforming_strings on and UTF-8, in which
// no part of a character is a quote; so doubling the quotes is all there is to do.
func appendLiteral(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "NULL"...), nil
	case string:
		return appendQuoted(b, v)
	case int64:
		return appendInt(b, v), nil
	case int:
		return appendInt(b, int64(v)), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case column:
		return v.appendLiteral(b)
	case []string, []int64, []byte, JSON, Blob:
		return appendLiteral(b, Postgres.bind([]any{v})[0])
	case driver.Valuer:
		plain, err := v.Value()
		if err != nil {
			return b, err
		}
		return appendLiteral(b, plain)
	}
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.String:
		return appendQuoted(b, rv.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(b, rv.Int()), nil
	case reflect.Bool:
		return strconv.AppendBool(b, rv.Bool()), nil
	case reflect.Pointer:
		if rv.IsNil() {
			return append(b, "NULL"...), nil
		}
		return appendLiteral(b, rv.Elem().Interface())
	default:
		return b, fmt.Errorf("%w: it cannot carry %T", errDefect, v)
	}
}

// appendInt puts a number in quotes too: a literal without would be of a type of its own, and - an operator.
func appendInt(b []byte, n int64) []byte {
	return append(strconv.AppendInt(append(b, '\''), n, 10), '\'')
}

func errZeroByte() error { return fmt.Errorf("%w: PostgreSQL's text has no zero byte", errDefect) }

func appendQuoted(b []byte, s string) ([]byte, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return b, errZeroByte()
	}
	b = append(b, '\'')
	for {
		i := strings.IndexByte(s, '\'')
		if i < 0 {
			return append(append(b, s...), '\''), nil
		}
		b = append(append(b, s[:i+1]...), '\'')
		s = s[i+1:]
	}
}
