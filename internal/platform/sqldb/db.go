package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// DB is the database of one context. Reads and writes go over separate connections: a read cannot write, and a flood of reads
// cannot keep a write from its connection.
type DB struct {
	cfg     Config
	dialect Dialect
	write   *sqlx.DB
	read    *sqlx.DB
	lanes   []*lane
	turns   *turnstile
	stats   Stats
	metrics dbMetrics

	mu       sync.RWMutex
	prepared map[string]*sqlx.Stmt // read statements by their text

	closing sync.Once
	done    sync.WaitGroup // the lanes
}

// maxPrepared bounds the statements kept; texts are constants, so it is reached only by a defect.
const maxPrepared = 500

func start(cfg Config, d Dialect, write, read *sqlx.DB) *DB {
	db := &DB{cfg: cfg, dialect: d, write: write, read: read, turns: cfg.Turns.of(d), metrics: newMetrics(cfg.Context), prepared: map[string]*sqlx.Stmt{}}
	for range cfg.Lanes {
		l := newLane(db)
		db.lanes = append(db.lanes, l)
		db.done.Go(l.run)
	}
	return db
}

// Dialect says which kind of database this is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Context is the name of the context whose database this is.
func (db *DB) Context() string { return db.cfg.Context }

// Close finishes the jobs that wait, then closes all connections. Later writes fail with ErrUnavailable.
func (db *DB) Close() (err error) {
	db.closing.Do(func() {
		for _, l := range db.lanes {
			l.close()
		}
		db.done.Wait()
		db.mu.Lock()
		for _, s := range db.prepared {
			_ = s.Close()
		}
		db.prepared = nil
		db.mu.Unlock()
		err = errors.Join(db.read.Close(), db.write.Close())
	})
	return err
}

// Ping asks the database for a sign of life. Errors: ErrUnavailable.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return db.Get(ctx, &one, `SELECT 1`)
}

// Get reads one row into dest. Errors: ErrNoRows, ErrDenied, ErrUnavailable.
func (db *DB) Get(ctx context.Context, dest any, query string, args ...any) error {
	return db.reading(ctx, query, args, func(s *sqlx.Stmt, args []any) error { return s.GetContext(ctx, dest, args...) })
}

// Select reads all rows into dest, a pointer to a slice. Errors: ErrDenied, ErrUnavailable.
func (db *DB) Select(ctx context.Context, dest any, query string, args ...any) error {
	return db.reading(ctx, query, args, func(s *sqlx.Stmt, args []any) error { return s.SelectContext(ctx, dest, args...) })
}

func (db *DB) reading(ctx context.Context, query string, args []any, read func(*sqlx.Stmt, []any) error) error {
	span := db.readSpan(ctx, query)
	s, err := db.prepare(ctx, query, args)
	if err == nil {
		db.stats.Reads.Add(1)
		err = read(s, db.dialect.bind(args))
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		err = db.readError(translate(err))
	}
	end(span, err)
	return err
}

func (db *DB) readError(err error) error {
	switch {
	case errors.Is(err, errReadOnly):
		return &dbError{ErrDenied, err}
	case !errors.Is(err, ErrUnavailable) && db.readsClosed():
		return &dbError{ErrUnavailable, err}
	}
	return err
}

func (db *DB) readsClosed() bool {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.prepared == nil
}

func (db *DB) prepare(ctx context.Context, query string, args []any) (*sqlx.Stmt, error) {
	db.mu.RLock()
	s, open := db.prepared[query], db.prepared != nil
	db.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	if !open {
		return nil, &dbError{ErrUnavailable, fmt.Errorf("database of %s is closed", db.cfg.Context)}
	}
	s, err := db.read.PreparexContext(ctx, db.dialect.rewrite(query, args))
	if err != nil {
		return nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	switch other := db.prepared[query]; {
	case db.prepared == nil:
		_ = s.Close()
		return nil, net.ErrClosed
	case len(db.prepared) >= maxPrepared:
		_ = s.Close()
		return nil, fmt.Errorf("sqldb: %d statements prepared in %s: a text that is no constant?", maxPrepared, db.cfg.Context)
	case other != nil:
		_ = s.Close()
		return other, nil
	}
	db.prepared[query] = s
	return s, nil
}

// jitter is a random part of d, so that those who collided do not meet again.
func jitter(d time.Duration, r float64) time.Duration { return time.Duration(float64(d) * (0.5 + r)) }
