package sqldb

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// writeConn is a lane's own connection with its prepared statements.
type writeConn struct {
	*sqlx.Conn
	prepared map[string]*sqlx.Stmt
}

func (l *lane) dial(ctx context.Context) (*writeConn, error) {
	if l.conn != nil {
		return l.conn, nil
	}
	dctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := l.db.write.Connx(dctx)
	if err != nil {
		return nil, &dbError{ErrUnavailable, err}
	}
	l.conn = &writeConn{Conn: c, prepared: map[string]*sqlx.Stmt{}}
	return l.conn, nil
}

// hangUp gives up the connection: its state is unknown. The server rolls back what was open.
func (l *lane) hangUp() {
	if l.conn == nil {
		return
	}
	for _, s := range l.conn.prepared {
		_ = s.Close()
	}
	_ = l.conn.Raw(func(any) error { return errBadConn })
	_ = l.conn.Close()
	l.conn = nil
}

func (c *writeConn) exec(ctx context.Context, statement string) error {
	_, err := c.ExecContext(ctx, statement)
	return err
}

func (c *writeConn) prepare(ctx context.Context, query string, d Dialect, args []any) (*sqlx.Stmt, error) {
	if s := c.prepared[query]; s != nil {
		return s, nil
	}
	if len(c.prepared) >= maxPrepared {
		return nil, fmt.Errorf("sqldb: %d statements prepared: a text that is no constant?", maxPrepared)
	}
	s, err := c.PreparexContext(ctx, d.rewrite(query, args))
	if err != nil {
		return nil, err
	}
	c.prepared[query] = s
	return s, nil
}
