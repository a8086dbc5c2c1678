package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"shop/internal/platform/id"
)

// Lease is leadership of one name among the processes that share a database.
//
// On PostgreSQL the leader holds a session-level advisory lock, so that its death frees the name as soon as the server sees the connection
// break, and a row with an expiry and a token, so that a leader that froze without dying is succeeded when the row expires. The
// token grows with each change of leader: a write that must be the leader's own carries it (fencing, see Kleppmann, "How to do
// distributed locking", 2016), and one that comes from a deposed leader changes nothing. On SQLite the process that holds the data directory leads.
type Lease struct {
	db    *DB
	name  string
	owner string
	ttl   time.Duration
}

// NewLease names a leadership. ttl is how long a frozen leader keeps it; it renews three times in that time.
func (db *DB) NewLease(name string, ttl time.Duration) *Lease {
	return &Lease{db: db, name: name, owner: id.New("own"), ttl: ttl}
}

// ErrDeposed ends the context of a leader whose lease another process took.
var ErrDeposed = errors.New("sqldb: another process leads")

// Run calls lead whenever this process becomes the leader, with a context that ends when it is the leader no more, and the fencing
// token. It returns when ctx ends, after lead returned and the lease was given back.
func (l *Lease) Run(ctx context.Context, lead func(ctx context.Context, token int64)) {
	for ctx.Err() == nil {
		l.try(ctx, lead)
		select {
		case <-ctx.Done():
		case <-time.After(l.ttl / 12):
		}
	}
}

func (l *Lease) try(ctx context.Context, lead func(ctx context.Context, token int64)) {
	unlock, free, err := l.lock(ctx)
	if err != nil {
		return
	}
	defer unlock()
	token, err := l.take(ctx, free)
	if err != nil || token == 0 {
		return
	}
	lctx, depose := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		lead(lctx, token)
	}()
	defer func() {
		depose(ErrDeposed)
		<-done
		l.giveBack(token)
	}()
	l.renew(lctx, token, done)
}

// lock tries for the advisory lock. free reports that no living process holds it.
func (l *Lease) lock(ctx context.Context) (unlock func(), free bool, err error) {
	if l.db.dialect == SQLite {
		return func() {}, true, nil
	}
	conn, err := l.db.read.Connx(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := conn.GetContext(ctx, &free, `SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '.' || $1, 0))`, l.name); err != nil {
		_ = conn.Close()
		return nil, false, err
	}
	if !free {
		_ = conn.Close()
		return func() {}, false, nil
	}
	return func() { breakOff(conn) }, true, nil
}

// breakOff closes the session itself, and with it whatever it locks.
func breakOff(conn *sqlx.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}

// take makes this process the owner of the row if nobody is: the lock was free, or the row expired. The token is 0 if it is
// somebody else's.
func (l *Lease) take(ctx context.Context, free bool) (int64, error) {
	var token int64 // belongs to the job while Write has not returned nil
	err := l.db.Write(ctx, l.name, func(ctx context.Context, tx *Tx) error {
		token = 0
		now, err := l.now(ctx, tx)
		if err != nil {
			return err
		}
		// A new row expires like any other, so that it goes to who holds the lock, and not to who happens to write first.
		if _, err := tx.Exec(ctx, `INSERT INTO leases (name, owner, token, expires_at) VALUES ($1, '', 0, $2) ON CONFLICT (name) DO NOTHING`, l.name, now+l.ttl.Microseconds()); err != nil {
			return err
		}
		err = tx.Get(ctx, &token, `UPDATE leases SET owner = $2, token = token + 1, expires_at = $3
			WHERE name = $1 AND (expires_at < $4 OR $5 = 1 OR owner = $2) RETURNING token`, l.name, l.owner, now+l.ttl.Microseconds(), now, boolInt(free))
		if errors.Is(err, ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return token, nil
}

// renew keeps the row until the lease is lost, lead returned, or ctx ends.
func (l *Lease) renew(ctx context.Context, token int64, done <-chan struct{}) {
	tick := time.NewTicker(l.ttl / 3)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			return
		case <-tick.C:
		}
		n, err := l.extend(ctx, token)
		switch {
		case err == nil && n == 0, err != nil && time.Since(last) > l.ttl:
			return
		case err == nil:
			last = time.Now()
		}
	}
}

// extend moves the expiry of the row, if it is still ours, and says how many rows that changed.
func (l *Lease) extend(ctx context.Context, token int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.ttl)
	defer cancel()
	var n int64 // belongs to the job while Write has not returned nil
	err := l.db.Write(ctx, l.name, func(ctx context.Context, tx *Tx) error {
		now, err := l.now(ctx, tx)
		if err != nil {
			return err
		}
		n, err = tx.Exec(ctx, `UPDATE leases SET expires_at = $3 WHERE name = $1 AND token = $2`, l.name, token, now+l.ttl.Microseconds())
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (l *Lease) giveBack(token int64) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = l.db.Write(ctx, l.name, func(ctx context.Context, tx *Tx) error { // the lock, freed next, makes the successor; whoever has none waits for the expiry
		_, err := tx.Exec(ctx, `UPDATE leases SET owner = '' WHERE name = $1 AND token = $2`, l.name, token)
		return err
	})
}

// now is the database's time: the clocks of two machines may differ.
func (l *Lease) now(ctx context.Context, tx *Tx) (us int64, err error) {
	query := `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`
	if l.db.dialect == SQLite {
		query = `SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)`
	}
	err = tx.Get(ctx, &us, query)
	return us, err
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
