package bus

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"shop/internal/platform/sqldb"
)

// message makes the Watermill message of a row.
func (e *Endpoint) message(row outboxRow) *message.Message {
	var h headers
	_ = json.Unmarshal(row.Headers, &h) // written by Publish; without them the message is still complete
	msg := message.NewMessage(row.MessageID, row.Body)
	msg.Metadata = message.Metadata{
		metaID: row.MessageID, metaType: row.Type, metaSource: "/shop/" + e.cfg.Context, metaSubject: row.Key,
		metaTime: sqldb.Time(row.CreatedAt).Format(time.RFC3339Nano), metaSpec: "1.0", metaContentType: "application/json",
		metaTraceparent: h.Traceparent, metaCorrelation: h.Correlation, metaCausation: h.Causation,
	}
	return msg
}

// UnderWay lists the topics with messages that are not acknowledged yet, for diagnosis.
func (e *Endpoint) UnderWay() map[string]int {
	topics := map[string]int{}
	if t := e.relay.current.Load(); t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		for name, p := range t.topics {
			if p.underWay > 0 {
				topics[name] = p.underWay
			}
		}
	}
	return topics
}

// Backlog is how many messages wait in the outbox, and since when the oldest does. Errors: sqldb.ErrUnavailable.
func (e *Endpoint) Backlog(ctx context.Context) (pending int64, oldest time.Duration, err error) {
	var row struct {
		N  int64 `db:"n"`
		At int64 `db:"at"`
	}
	if err := e.cfg.DB.Get(ctx, &row, `SELECT count(*) AS n, coalesce(min(created_at), 0) AS at FROM outbox`); err != nil || row.N == 0 {
		return 0, 0, err
	}
	return row.N, max(0, e.cfg.Clock.Now().Sub(sqldb.Time(row.At))), nil
}
