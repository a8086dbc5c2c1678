package sqldb

import (
	"context"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/lib/pq"
)

// Notify wakes the processes that Listen for the name in this context. It is a hint that may get lost. On SQLite, where there is
// no other process, it does nothing.
func (db *DB) Notify(ctx context.Context, name string) error {
	if db.dialect == SQLite {
		return nil
	}
	var nothing string
	return db.Get(ctx, &nothing, `SELECT pg_notify(current_schema() || '.' || $1, '')::text`, name)
}

// Listen calls wake for each Notify of another process, and after a connection that was lost is back, until ctx ends.
func (db *DB) Listen(ctx context.Context, name string, wake func()) {
	if db.dialect == SQLite {
		<-ctx.Done()
		return
	}
	t := &tether{dial: db.cfg.Dial}
	dialer := deadlineDialer{Config{Statement: 2 * time.Minute, Dial: t.connect}}
	l := pq.NewDialListener(dialer, listenURL(db.cfg.URL), 100*time.Millisecond, time.Second, nil)
	defer func() {
		t.cut()
		go func() {
			_ = l.Close() // waits for a connection that is being made
			for range l.Notify {
			}
		}()
	}()
	go func() { _ = l.Listen(db.cfg.Context + "." + name) }() // waits for the first connection; Close ends it
	ping := time.NewTicker(time.Minute)                       // notices a connection that died in silence
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.Notify:
			wake()
		case <-ping.C:
			go func() { _ = l.Ping() }()
		}
	}
}

// tether holds on to the listener's connection, so that it can be cut: the listener itself would wait for a server that is frozen.
type tether struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	conn   net.Conn
	cancel context.CancelFunc // ends the dialing
	loose  bool
}

func (t *tether) connect(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.mu.Lock()
	t.cancel = cancel
	loose := t.loose
	t.mu.Unlock()
	if loose {
		return nil, net.ErrClosed
	}
	c, err := t.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.loose {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	t.conn = c
	return c, nil
}

func (t *tether) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loose = true
	if t.cancel != nil {
		t.cancel()
	}
	if t.conn != nil {
		_ = t.conn.Close()
	}
}

func listenURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Query().Has("sslmode") || os.Getenv("PGSSLMODE") != "" {
		return raw
	}
	q := u.Query()
	q.Set("sslmode", string(pq.SSLModePrefer))
	u.RawQuery = q.Encode()
	return u.String()
}
