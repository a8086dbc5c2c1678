package sqldb

import (
	"context"
	"net/url"
	"os"
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
	l := pq.NewDialListener(deadlineDialer{Config{Statement: 2 * time.Minute, Dial: db.cfg.Dial}}, listenURL(db.cfg.URL), 100*time.Millisecond, 5*time.Second, nil)
	defer func() { _ = l.Close() }()
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
