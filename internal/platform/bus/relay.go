package bus

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"shop/internal/platform/failpoint"
	"shop/internal/platform/sqldb"
)

const (
	relayBatch    = 256              // rows read at once
	relayTopicCap = 2048             // messages of one topic under way at most; the rest stays in the database
	relaySettled  = 60 * time.Second // longer than any transaction lives: an id that old has no younger neighbour to come
	relayMinPause = 100 * time.Millisecond
	leaseName     = "leader"
)

// relay hands the committed rows of one context's outbox to the transport, in id order, and deletes those that arrived. Rows of one key have ascending ids,
// because they are inserted while the transaction holds the aggregate; so whoever reads all rows that are there, in order, keeps the order of each key.
// Rows whose transaction commits late, with a lower id than others already read, are found because the relay reads everything that is not under way, not only what lies behind a cursor.
type relay struct {
	ep   *Endpoint
	wake chan struct{}

	mu       sync.Mutex
	underWay map[int64]string // id → topic, from reading until the row is deleted
	topics   map[string]int   // how many of each topic are under way
	arrived  []int64          // acknowledged, to be deleted
	again    map[string]time.Time
	failed   int64 // lowest id that must be read again; 0 when none
}

type outboxRow struct {
	ID        int64  `db:"id"`
	MessageID string `db:"message_id"`
	Topic     string `db:"topic"`
	Type      string `db:"type"`
	Key       string `db:"key"`
	Headers   []byte `db:"headers"`
	Body      []byte `db:"body"`
	CreatedAt int64  `db:"created_at"`
}

func newRelay(e *Endpoint) *relay { return &relay{ep: e, wake: make(chan struct{}, 1)} }

func (r *relay) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run relays until ctx ends.
func (r *relay) run(ctx context.Context, token int64) {
	r.mu.Lock()
	r.underWay, r.topics, r.again, r.arrived, r.failed = map[int64]string{}, map[string]int{}, map[string]time.Time{}, nil, 0
	r.mu.Unlock()
	ctx, depose := context.WithCancel(ctx)
	defer depose()
	poll := time.NewTicker(r.ep.cfg.Poll)
	defer poll.Stop()
	var low, highest, settling int64 // ids up to low are settled; see relaySettled
	settle := time.Now()
	for ctx.Err() == nil {
		r.deleteArrived(ctx, token, depose)
		if r.ep.cfg.DB.Dialect() == sqldb.SQLite {
			low = highest // one writer: ids are committed in their order
		} else if time.Since(settle) > relaySettled {
			low, settling, settle = settling, highest, time.Now()
		}
		n, last, err := r.dispatch(ctx, low)
		highest = max(highest, last)
		switch {
		case err != nil && ctx.Err() == nil:
			r.ep.cfg.Log.Warn("the relay cannot read the outbox", zap.Error(err))
			pause(ctx, relayMinPause)
			continue
		case n == relayBatch:
			continue
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-poll.C:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// dispatch reads a batch and hands it on. It returns how many rows it read and the highest id among them.
func (r *relay) dispatch(ctx context.Context, low int64) (n int, last int64, err error) {
	skip, busy, low := r.exclusions(low)
	var rows []outboxRow
	if err := r.ep.cfg.DB.Select(ctx, &rows, `SELECT id, message_id, topic, type, key, headers, body, created_at FROM outbox
		WHERE id > $1 AND NOT (id IN {$2}) AND NOT (topic IN {$3}) ORDER BY id LIMIT $4`, low, skip, busy, relayBatch); err != nil {
		return 0, 0, err
	}
	if len(rows) == 0 {
		return 0, 0, nil
	}
	r.mu.Lock()
	for _, row := range rows {
		r.underWay[row.ID] = row.Topic
		r.topics[row.Topic]++
	}
	r.mu.Unlock()
	failpoint.Hit("before_publish")
	for _, row := range rows {
		r.send(row)
	}
	failpoint.Hit("after_publish")
	return len(rows), rows[len(rows)-1].ID, nil
}

// exclusions says what not to read: rows under way, topics that are full or that refused a moment ago.
func (r *relay) exclusions(low int64) (skip []int64, busy []string, from int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed > 0 && r.failed <= low {
		low = r.failed - 1
	}
	r.failed = 0
	now := time.Now()
	for topic, n := range r.topics {
		if n >= relayTopicCap {
			busy = append(busy, topic)
		}
	}
	for topic, at := range r.again {
		if now.Before(at) {
			busy = append(busy, topic)
		} else {
			delete(r.again, topic)
		}
	}
	if len(busy) > 0 { // what is left unread now must be found later
		r.failed = low + 1
	}
	for id := range r.underWay {
		if id > low {
			skip = append(skip, id)
		}
	}
	return skip, busy, low
}

// asyncPublisher is a transport that acknowledges each message by itself, later. Send returns at once; done is called once.
type asyncPublisher interface {
	Send(topic string, msg *message.Message, done func(error))
}

// send hands one row on, unless its topic refused one a moment ago: then it waits, so that it does not overtake.
func (r *relay) send(row outboxRow) {
	r.mu.Lock()
	_, refused := r.again[row.Topic]
	r.mu.Unlock()
	if refused {
		r.settled(row, ErrRefused)
		return
	}
	msg := r.ep.message(row)
	if async, ok := r.ep.cfg.Transport.(asyncPublisher); ok {
		async.Send(row.Topic, msg, func(err error) { r.settled(row, err) })
		return
	}
	r.settled(row, r.ep.cfg.Transport.Publish(row.Topic, msg))
}

// settled notes what became of a row.
func (r *relay) settled(row outboxRow, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.arrived = append(r.arrived, row.ID)
		r.wakeUp()
		return
	}
	r.release(row.ID)
	if r.failed == 0 || row.ID < r.failed {
		r.failed = row.ID
	}
	if _, known := r.again[row.Topic]; !known {
		r.again[row.Topic] = time.Now().Add(5 * relayMinPause)
		time.AfterFunc(5*relayMinPause, r.wakeUp)
		r.ep.cfg.Log.Warn("a message was not taken; it is sent again", zap.String("topic", row.Topic), zap.String("message_id", row.MessageID), zap.Error(err))
	}
}

func (r *relay) release(id int64) {
	if topic, ok := r.underWay[id]; ok {
		delete(r.underWay, id)
		r.topics[topic]--
	}
}

// deleteArrived deletes the acknowledged rows, sharing a commit with whatever the context writes at the moment. A deposed leader deletes nothing.
func (r *relay) deleteArrived(ctx context.Context, token int64, depose func()) {
	r.mu.Lock()
	ids := r.arrived
	r.arrived = nil
	r.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	failpoint.Hit("before_delete")
	deposed := false
	run := func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM outbox WHERE id IN {$1} AND EXISTS (SELECT 1 FROM leases WHERE name = $2 AND token = $3)`, ids, leaseName, token)
		if err != nil || n == int64(len(ids)) {
			return err
		}
		var mine int
		err = tx.Get(ctx, &mine, `SELECT count(*) FROM leases WHERE name = $1 AND token = $2`, leaseName, token)
		deposed = mine == 0
		return err
	}
	done := func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil { // they stay, and are deleted with the next ones
			r.arrived = append(r.arrived, ids...)
			time.AfterFunc(relayMinPause, r.wakeUp)
			return
		}
		if deposed {
			depose()
			return
		}
		for _, id := range ids {
			r.release(id)
		}
	}
	if err := r.ep.cfg.DB.Submit(ctx, sqldb.Job{Key: "outbox", Run: run}, done); err != nil {
		done(err)
	}
}

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
	e.relay.mu.Lock()
	defer e.relay.mu.Unlock()
	topics := maps.Clone(e.relay.topics)
	maps.DeleteFunc(topics, func(_ string, n int) bool { return n == 0 })
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

// Topics are those from which the endpoint consumes.
func (e *Endpoint) Topics() []string {
	var topics []string
	for _, h := range e.handlers {
		if !slices.Contains(topics, h.typ.Topic()) {
			topics = append(topics, h.typ.Topic())
		}
	}
	slices.Sort(topics)
	return topics
}
