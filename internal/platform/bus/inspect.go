package bus

import (
	"context"
	"errors"
	"time"

	"shop/internal/platform/sqldb"
)

// TopicState is what a broker has of a topic.
type TopicState struct {
	Exists  bool
	Waiting map[string]uint64 // for each group that has a place on the topic, the messages that it has not acknowledged
	At      time.Time         // the broker's clock when it answered; zero where it does not tell
}

// Inspector is a transport of a broker that can be looked at: it changes nothing there.
type Inspector interface {
	// Inspect tells of a topic, and which of the groups have a place on it. Errors: ctx ended; the broker does not answer.
	Inspect(ctx context.Context, topic string, groups ...string) (TopicState, error)
}

// Led reports whether a process leads a context, and so relays its messages and does what is due: whether its lease is held and has not expired. Another process may ask, as long as it
// can read the context's database. Errors: sqldb.ErrUnavailable.
func Led(ctx context.Context, db *sqldb.DB) (bool, error) {
	query := `SELECT owner <> '' AND expires_at > CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) FROM leases WHERE name = $1`
	if db.Dialect() == sqldb.SQLite {
		query = `SELECT owner <> '' AND expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM leases WHERE name = $1`
	}
	var led bool
	err := db.Get(ctx, &led, query, leaseName)
	if errors.Is(err, sqldb.ErrNoRows) { // nobody ever did
		err = nil
	}
	return led, err
}
