package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	_ "modernc.org/sqlite" // the embedded database

	"shop/internal/platform/fault"
)

// Config says which database a context has. A zero field takes its default.
type Config struct {
	Context string // the context's name: the schema and role on PostgreSQL, the file on SQLite
	URL     string // sqlite:DIRECTORY or postgres://…

	Turns *Turns // shared by databases of one process; nil: its transactions do not wait for those of others

	Lanes     int           // transactions that write at the same time (1; always 1 on SQLite)
	Batch     int           // jobs that share a transaction at most (128)
	Readers   int           // connections for reading (4)
	Statement time.Duration // longest statement (5 s)
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c Config) withDefaults() Config {
	if c.Lanes <= 0 || !isPostgres(c.URL) {
		c.Lanes = 1
	}
	if c.Batch <= 0 {
		c.Batch = 128
	}
	if c.Readers <= 0 {
		c.Readers = 4
	}
	if c.Statement <= 0 {
		c.Statement = 5 * time.Second
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	return c
}

func isPostgres(u string) bool {
	return strings.HasPrefix(u, "postgres://") || strings.HasPrefix(u, "postgresql://")
}

// RoleName is the PostgreSQL role that acts for a context.
func RoleName(context string) string { return "shop_" + context }

func init() { sqlx.BindDriver("sqlite", sqlx.DOLLAR) }

// Open prepares the database of a context and starts its write lanes. It does not migrate; on PostgreSQL it does not even connect. Errors:
// a fault of kind Invalid for a URL it does not understand; what the operating system says of the SQLite directory.
func Open(cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	switch {
	case isPostgres(cfg.URL):
		return openPostgres(cfg)
	case strings.HasPrefix(cfg.URL, "sqlite:"):
		return openSQLite(cfg)
	}
	return nil, fault.Newf(fault.Invalid, "database_url", "the database URL must begin with sqlite: or postgres://")
}

func openSQLite(cfg Config) (*DB, error) {
	if err := os.MkdirAll(sqliteDirectory(cfg), 0o700); err != nil {
		return nil, err
	}
	write, err := writePool(cfg)
	if err != nil {
		return nil, err
	}
	read, err := sqlitePool(cfg, "&_query_only=1")
	if err != nil {
		return nil, err
	}
	read.SetMaxOpenConns(cfg.Readers)
	read.SetMaxIdleConns(cfg.Readers)
	return start(cfg, SQLite, write, read), nil
}

func sqliteDirectory(cfg Config) string { return strings.TrimPrefix(cfg.URL, "sqlite:") }

func sqlitePool(cfg Config, extra string) (*sqlx.DB, error) {
	file := url.URL{Path: filepath.Join(sqliteDirectory(cfg), cfg.Context+".db")}
	return sqlx.Open("sqlite", (&url.URL{Scheme: "file", Opaque: file.EscapedPath()}).String()+
		"?_busy_timeout=10000&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1&_dqs=0"+extra)
}

func openPostgres(cfg Config) (*DB, error) {
	write, err := writePool(cfg)
	if err != nil {
		return nil, err
	}
	read, err := postgresPool(cfg, map[string]string{
		"role": RoleName(cfg.Context), "search_path": cfg.Context, "default_transaction_read_only": "on",
		"idle_in_transaction_session_timeout": "60000",
	})
	if err != nil {
		return nil, err
	}
	read.SetMaxOpenConns(cfg.Readers + 1) // one more for leadership
	read.SetMaxIdleConns(cfg.Readers + 1)
	return start(cfg, Postgres, write, read), nil
}

// writePool opens a connection for each lane.
func writePool(cfg Config) (pool *sqlx.DB, err error) {
	if isPostgres(cfg.URL) {
		pool, err = postgresPool(cfg, map[string]string{
			"role": RoleName(cfg.Context), "search_path": cfg.Context, "lock_timeout": "3000",
			"idle_in_transaction_session_timeout": "10000",
			// All we do in a transaction is to find rows by their keys. A planner that saw the tables when they were small would read them from end to end
			// until the next ANALYZE: 3.4 ms instead of 0.3 for the stock of a batch.
			"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off", "plan_cache_mode": "force_generic_plan",
		})
	} else {
		pool, err = sqlitePool(cfg, "&_txlock=immediate")
	}
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(cfg.Lanes)
	pool.SetMaxIdleConns(cfg.Lanes)
	return pool, nil
}

// postgresPool opens a pool whose sessions start with the given settings.
func postgresPool(cfg Config, settings map[string]string) (*sqlx.DB, error) {
	pc, err := pq.NewConfig(cfg.URL)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "database_url", "the PostgreSQL URL cannot be read")
	}
	if u, err := url.Parse(cfg.URL); err == nil && !u.Query().Has("sslmode") && os.Getenv("PGSSLMODE") == "" {
		pc.SSLMode = pq.SSLModePrefer
	}
	if pc.ApplicationName == "" {
		pc.ApplicationName = "shop " + cfg.Context
	}
	if pc.ConnectTimeout == 0 {
		pc.ConnectTimeout = 5 * time.Second
	}
	if pc.Runtime == nil {
		pc.Runtime = map[string]string{}
	}
	pc.Runtime["standard_conforming_strings"] = "on" // see appendLiteral
	pc.Runtime["statement_timeout"] = strconv.FormatInt(cfg.Statement.Milliseconds(), 10)
	for k, v := range settings {
		pc.Runtime[k] = v
	}
	connector, err := pq.NewConnectorConfig(pc)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "database_url", "the PostgreSQL URL cannot be used")
	}
	connector.Dialer(deadlineDialer{cfg})
	return sqlx.NewDb(sql.OpenDB(connector), "postgres"), nil
}

// deadlineDialer makes connections that give up: a server that is frozen, or gone without a word, answers no statement
// timeout, so every read and write of the socket has a deadline of its own.
type deadlineDialer struct{ cfg Config }

func (d deadlineDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d deadlineDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

func (d deadlineDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.cfg.Dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	return &deadlineConn{Conn: c, limit: d.cfg.Statement + 2*time.Second}, nil
}

type deadlineConn struct {
	net.Conn
	limit time.Duration
}

func (c *deadlineConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *deadlineConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
