package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// conn is a lane's own connection and the transaction that is open on it. Rows that were queued go out ahead of the next statement, or of the COMMIT.
type conn interface {
	begin(ctx context.Context) error
	exec(ctx context.Context, queued []manyRows, query string, args []any) (changed int64, err error)
	get(ctx context.Context, queued []manyRows, dest any, query string, args []any) error
	selectAll(ctx context.Context, queued []manyRows, dest any, query string, args []any) error
	commit(ctx context.Context, queued []manyRows, turn *turn) error // ends the turn when all that is left is to wait for the disk
	rollback(ctx context.Context) error
	close() // its state is unknown; the server rolls back what was open
}

// manyRows is a statement with its rows.
type manyRows struct {
	many *Many
	rows [][]any
	ids  []int64 // of the rows, where the statement wants them and they came back
}

func (l *lane) dial(ctx context.Context) (conn, error) {
	if l.conn != nil {
		return l.conn, nil
	}
	dctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := l.db.write.Connx(dctx)
	if err != nil {
		return nil, &dbError{ErrUnavailable, err}
	}
	if l.db.dialect == Postgres {
		l.conn = &postgresConn{Conn: c, stats: &l.db.stats, prepared: map[string]string{}}
	} else {
		l.conn = &sqliteConn{Conn: c, stats: &l.db.stats, prepared: map[string]*sqlx.Stmt{}}
	}
	return l.conn, nil
}

// hangUp gives up the connection.
func (l *lane) hangUp() {
	if l.conn != nil {
		l.conn.close()
		l.conn = nil
	}
}

// discard closes a connection for good, instead of giving it back to its pool.
func discard(c *sqlx.Conn) {
	_ = c.Raw(func(any) error { return errBadConn })
	_ = c.Close()
}

// errTooMany: texts of statements are constants, so that many are a defect.
func errTooMany() error {
	return fmt.Errorf("%w: %d are prepared; a text that is no constant?", errDefect, maxPrepared)
}

// sqliteConn runs prepared statements one by one: there is no server between them and the file.
type sqliteConn struct {
	*sqlx.Conn
	stats    *Stats
	prepared map[string]*sqlx.Stmt
}

func (c *sqliteConn) begin(ctx context.Context) error {
	_, err := c.ExecContext(ctx, "BEGIN IMMEDIATE")
	return err
}

func (c *sqliteConn) commit(ctx context.Context, queued []manyRows, turn *turn) error {
	if err := c.write(ctx, queued); err != nil {
		return err
	}
	turn.end()
	_, err := c.ExecContext(ctx, "COMMIT")
	return err
}

func (c *sqliteConn) rollback(ctx context.Context) error {
	_, err := c.ExecContext(ctx, "ROLLBACK")
	return err
}

func (c *sqliteConn) close() {
	for _, s := range c.prepared {
		_ = s.Close()
	}
	discard(c.Conn)
}

func (c *sqliteConn) exec(ctx context.Context, queued []manyRows, query string, args []any) (int64, error) {
	if err := c.write(ctx, queued); err != nil {
		return 0, err
	}
	res, err := c.run(ctx, query, args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (c *sqliteConn) get(ctx context.Context, queued []manyRows, dest any, query string, args []any) error {
	s, err := c.ready(ctx, queued, query, args)
	if err != nil {
		return err
	}
	return s.GetContext(ctx, dest, SQLite.bind(args)...)
}

func (c *sqliteConn) selectAll(ctx context.Context, queued []manyRows, dest any, query string, args []any) error {
	s, err := c.ready(ctx, queued, query, args)
	if err != nil {
		return err
	}
	return s.SelectContext(ctx, dest, SQLite.bind(args)...)
}

// ready writes what was queued and prepares the statement.
func (c *sqliteConn) ready(ctx context.Context, queued []manyRows, query string, args []any) (*sqlx.Stmt, error) {
	if err := c.write(ctx, queued); err != nil {
		return nil, err
	}
	return c.prepare(ctx, query, args)
}

func (c *sqliteConn) write(ctx context.Context, queued []manyRows) error {
	for i := range queued {
		if err := c.writeRows(ctx, &queued[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *sqliteConn) writeRows(ctx context.Context, q *manyRows) error {
	m := q.many
	m.compile()
	for _, row := range q.rows {
		res, err := c.run(ctx, m.sqlite, row[:m.columns])
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || m.Exact && n != 1 {
			return cmp.Or(err, ErrStale)
		}
		if m.Written != nil {
			id, err := res.LastInsertId()
			if err != nil {
				return err
			}
			q.ids = append(q.ids, id)
		}
	}
	return nil
}

// run prepares a statement and executes it.
func (c *sqliteConn) run(ctx context.Context, query string, args []any) (sql.Result, error) {
	s, err := c.prepare(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, SQLite.bind(args)...)
}

func (c *sqliteConn) prepare(ctx context.Context, query string, args []any) (*sqlx.Stmt, error) {
	c.stats.Statements.Add(1)
	if s := c.prepared[query]; s != nil {
		return s, nil
	}
	if len(c.prepared) >= maxPrepared {
		return nil, errTooMany()
	}
	s, err := c.PreparexContext(ctx, SQLite.rewrite(query, args))
	if err != nil {
		return nil, err
	}
	c.prepared[query] = s
	return s, nil
}
