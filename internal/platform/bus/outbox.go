package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

const (
	insertOutbox = `INSERT INTO outbox (topic, messages, content, created_at)
		SELECT r.topic, r.messages, r.content, r.created_at FROM {rows}`
	outboxColumns = "topic text, messages bigint, content bytea, created_at bigint"
)

// selective is a transport that knows who hears what: nobody but this process can.
type selective interface {
	joinFor(group string, t Type) error
	heard(t Type) bool
}

// Publish writes messages into the outbox; they leave after the transaction is committed. Call it when the transaction holds the aggregate
// (its row lock, or its new version), so that the order of the outbox is the order of the aggregate.
func (e *Endpoint) Publish(ctx context.Context, tx *sqldb.Tx, bodies ...Body) error {
	audience, _ := e.cfg.Transport.(selective)
	cause, traceparent := CauseOf(ctx), telemetry.Traceparent(ctx)
	for _, b := range bodies {
		t := b.MessageType()
		if audience != nil && t.Kind == Event && !audience.heard(t) {
			continue // nobody in this process listens, and nobody outside can
		}
		body, err := json.Marshal(b)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", t, err)
		}
		tx.Queue(&e.outbox, letter{Type: t.String(), Key: b.MessageKey(), Traceparent: traceparent,
			Correlation: cause.Correlation, Causation: cause.MessageID, Body: body, topic: t.Topic(), value: b})
	}
	return nil
}

// context is what the letter is about, for a line of the log.
func (l *letter) context() context.Context {
	about := telemetry.SubjectOfMessage(l.ID, l.Key)
	ctx := telemetry.WithSubject(context.Background(), &about)
	if l.Traceparent != "" {
		ctx = telemetry.WithTraceparent(ctx, l.Traceparent)
	}
	return ctx
}

// written passes on, right after the commit, what a transaction of this process has put into the outbox.
func (e *Endpoint) written(rows [][]any, ids []int64) {
	if !e.leading.Load() {
		signal(e.notify) // somebody else leads
		return
	}
	if len(ids) != len(rows) || !e.relay.handOver(rows, ids) {
		e.relay.wakeUp()
	}
}

// message makes the Watermill message of a letter.
func (e *Endpoint) message(l *letter, createdAt int64) *message.Message {
	correlation := l.Correlation
	if correlation == "" {
		correlation = l.ID
	}
	msg := message.NewMessage(l.ID, message.Payload(l.Body))
	msg.Metadata = message.Metadata{
		metaID: l.ID, metaType: l.Type, metaSource: "/shop/" + e.cfg.Context, metaSubject: l.Key,
		metaTime: sqldb.Time(createdAt).Format(time.RFC3339Nano), metaSpec: "1.0", metaContentType: "application/json",
		metaTraceparent: l.Traceparent, metaCorrelation: correlation, metaCausation: l.Causation,
	}
	if l.value != nil {
		msg.SetContext(withBody(msg.Context(), l.value))
	}
	return msg
}

// Waiting is a message in an outbox: not delivered yet, or delivered and not deleted yet.
type Waiting struct {
	Row             int64
	ID, Topic       string
	Type, Key, Body string
	Since           time.Time // when it was written
}

// Outbox lists what waits in a context's outbox in rows above after, oldest first, for diagnosis. Errors: sqldb.ErrUnavailable.
func Outbox(ctx context.Context, db *sqldb.DB, after int64, rows int) ([]Waiting, error) {
	var parcels []parcel
	if err := db.Select(ctx, &parcels, `SELECT `+parcelFields+` FROM outbox WHERE id > $1 ORDER BY id LIMIT $2`, after, rows); err != nil {
		return nil, err
	}
	var list []Waiting
	for _, p := range parcels {
		if err := p.open(); err != nil {
			return nil, err
		}
		for _, l := range p.letters {
			list = append(list, Waiting{Row: p.ID, ID: l.ID, Topic: p.Topic, Type: l.Type, Key: l.Key, Body: string(l.Body), Since: sqldb.Time(p.CreatedAt)})
		}
	}
	return list, nil
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
	if err := e.cfg.DB.Get(ctx, &row, `SELECT CAST(coalesce(sum(messages), 0) AS bigint) AS n, coalesce(min(created_at), 0) AS at FROM outbox`); err != nil || row.N == 0 {
		return 0, 0, err
	}
	return row.N, max(0, e.cfg.Clock.Now().Sub(sqldb.Time(row.At))), nil
}
