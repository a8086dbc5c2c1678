package bus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// A row of the outbox is a parcel: messages of one transaction that go to one topic, in their order. Jobs share transactions, so a parcel often has many messages; a row
// and its index entry for each would be most of what is written.

const (
	insertOutbox = `INSERT INTO outbox (topic, messages, content, created_at)
		SELECT r.topic, r.messages, r.content, r.created_at FROM {rows}`
	outboxColumns = "topic text, messages bigint, content text, created_at bigint"
)

// A parcel has no more than so many messages, and is not much larger than so many bytes.
const (
	parcelMessages = 62 // one bit each in the inbox, and one for messages that came in no parcel
	parcelBytes    = 32 << 10
)

// parcel is a row of the outbox.
type parcel struct {
	ID        int64  `db:"id"`
	Topic     string `db:"topic"`
	Content   []byte `db:"content"` // letters, as JSON
	CreatedAt int64  `db:"created_at"`

	letters []letter
	name    string // of a parcel that is being packed
}

const parcelFields = `id, topic, content, created_at`

// letter is a message on its way, and a part of a parcel. Its body is JSON, and so is all of it in the outbox.
type letter struct {
	ID          string          `json:"i,omitempty"` // empty: that of the parcel's first message, with its own place
	Type        string          `json:"t"`
	Key         string          `json:"k"`
	Traceparent string          `json:"tp,omitempty"` // in the outbox, of a trace that is not recorded: its id alone
	Correlation string          `json:"co,omitempty"` // empty: its own id
	Causation   string          `json:"ca,omitempty"`
	Body        json.RawMessage `json:"b"`
	topic       string
	value       Body // what Body is the JSON of; nil when it was read from the outbox
}

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

var (
	processID  = strings.ToLower(rand.Text()[:9])
	lastParcel atomic.Uint64
)

// newParcelID names a parcel: 45 random bits of this process's start, and a number. Ids are in each row of an inbox, twice in each event, and so they are short.
func newParcelID() string {
	return processID + "." + strconv.FormatUint(lastParcel.Add(1), 36)
}

// messageID names a message by its parcel and its place there, from 0.
func messageID(parcel string, place int) string { return parcel + "." + strconv.Itoa(place) }

// pack makes parcels of the letters that a transaction wrote. Each row keeps its letters as a fifth value, for written.
func (e *Endpoint) pack(rows [][]any) [][]any {
	now := sqldb.Micros(e.cfg.Clock.Now())
	open := map[string]*parcel{}
	var parcels []*parcel
	for _, row := range rows {
		l := row[0].(letter)
		p := open[l.topic]
		if p == nil || len(p.letters) == parcelMessages || len(p.Content) >= parcelBytes {
			p = &parcel{Topic: l.topic, Content: []byte{'['}, CreatedAt: now, name: newParcelID()}
			open[l.topic] = p
			parcels = append(parcels, p)
		}
		if len(p.letters) > 0 {
			p.Content = append(p.Content, ',')
		}
		l.ID = messageID(p.name, len(p.letters))
		p.Content = l.append(p.Content, len(p.letters) == 0)
		p.letters = append(p.letters, l)
	}
	packed := make([][]any, len(parcels))
	for i, p := range parcels {
		packed[i] = []any{p.Topic, int64(len(p.letters)), string(append(p.Content, ']')), p.CreatedAt, p.letters}
	}
	return packed
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

// append writes the letter as JSON, with its id if it is the first of its parcel. Its body is JSON already.
func (l letter) append(b []byte, first bool) []byte {
	b = append(b, '{')
	if first {
		b = append(appendString(append(b, `"i":`...), l.ID), ',')
	}
	b = appendString(append(b, `"t":`...), l.Type)
	b = appendString(append(b, `,"k":`...), l.Key)
	for _, field := range [...]struct{ name, value string }{{`,"tp":`, telemetry.Abridge(l.Traceparent)}, {`,"co":`, l.Correlation}, {`,"ca":`, l.Causation}} {
		if field.value != "" {
			b = appendString(append(b, field.name...), field.value)
		}
	}
	return append(append(append(b, `,"b":`...), l.Body...), '}')
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// open reads the letters of a parcel that came from the database.
func (p *parcel) open() error {
	if err := json.Unmarshal(p.Content, &p.letters); err != nil {
		return fmt.Errorf("outbox row %d: %w", p.ID, err)
	}
	for i := range p.letters {
		l := &p.letters[i]
		l.Traceparent = telemetry.Unabridged(l.Traceparent)
		if l.ID == "" {
			parcel, _ := placeOf(p.letters[0].ID)
			l.ID = messageID(parcel, i)
		}
	}
	return nil
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
