package bus

import (
	"context"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"shop/internal/platform/failpoint"
	"shop/internal/platform/sqldb"
)

// flight keeps account of the rows of a term that are under way: from reading until the row is deleted. The transport reports from its own goroutines.
type flight struct {
	depose func()
	news   chan struct{} // something arrived, or a topic may be tried again

	mu       sync.Mutex
	topics   map[string]*topic
	underWay map[int64]*topic
	arrived  []int64 // acknowledged, to be deleted
	deleting bool    // a job that deletes is on its way
}

// topic is what the relay knows of one topic.
type topic struct {
	name      string
	underWay  int // rows from reading until deleted
	unsettled int // of these, neither acknowledged nor refused

	behind  bool      // rows between from and the cursor were not handed on
	from    int64     // all rows up to here were, as long as the topic is behind
	refused bool      // the transport did not take one
	until   time.Time // when it is tried again
}

func newFlight(depose func()) flight {
	return flight{depose: depose, news: make(chan struct{}, 1), topics: map[string]*topic{}, underWay: map[int64]*topic{}}
}

// fallBehind makes the topic read again what lies above id.
func (p *topic) fallBehind(id int64) {
	if !p.behind || id < p.from {
		p.behind, p.from = true, id
	}
}

func (p *topic) full() bool { return relayTopicCap-p.underWay < relayBatch }

// ready reports whether a topic that is behind may be read. One that refused a message waits until all that was sent is settled, so that nothing overtakes what is sent again.
func (p *topic) ready(now time.Time) bool {
	return !p.full() && (!p.refused || p.unsettled == 0 && !now.Before(p.until))
}

func (t *term) readyToCatchUp() []*topic {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ready []*topic
	for _, p := range t.topics {
		if p.behind && p.ready(time.Now()) {
			ready = append(ready, p)
		}
	}
	return ready
}

// allFull reports whether nothing that could be read could be handed on. (Of a topic that refuses, another one must not suffer.)
func (t *term) allFull() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.topics {
		if !p.full() || p.refused {
			return false
		}
	}
	return len(t.topics) > 0
}

// placeOf says from where a topic that is ready catches up, and how many rows it can take.
func (t *term) placeOf(p *topic) (from int64, room int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.refused = false
	return p.from, relayTopicCap - p.underWay
}

func (t *term) caughtUp(p *topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !p.refused {
		p.behind = false
	}
}

// hand gives a row to the transport, unless its topic is behind or full.
func (t *term) hand(row outboxRow) {
	t.mu.Lock()
	p := t.topics[row.Topic]
	if p == nil {
		p = &topic{name: row.Topic}
		t.topics[row.Topic] = p
	}
	if _, already := t.underWay[row.ID]; already {
		t.mu.Unlock()
		return
	}
	if p.behind || p.underWay >= relayTopicCap {
		p.fallBehind(row.ID - 1)
		t.mu.Unlock()
		return
	}
	t.depart(p, row)
}

// handAgain gives the next row of a topic that is behind to the transport.
func (t *term) handAgain(p *topic, row outboxRow) {
	t.mu.Lock()
	if p.refused {
		t.mu.Unlock()
		return
	}
	p.from = row.ID
	if _, already := t.underWay[row.ID]; already { // it arrived and is about to be deleted
		t.mu.Unlock()
		return
	}
	t.depart(p, row)
}

// asyncPublisher is a transport that acknowledges each message by itself, later. Send returns at once; done is called once.
type asyncPublisher interface {
	Send(topic string, msg *message.Message, done func(error))
}

// depart takes the row into the account and sends it. It is called with mu locked and unlocks it.
func (t *term) depart(p *topic, row outboxRow) {
	t.underWay[row.ID] = p
	p.underWay++
	p.unsettled++
	t.mu.Unlock()
	msg := t.ep.message(row)
	if async, ok := t.ep.cfg.Transport.(asyncPublisher); ok {
		id, messageID := row.ID, row.MessageID // the row's body need not outlive the sending
		async.Send(row.Topic, msg, func(err error) { t.settled(p, id, messageID, err) })
		return
	}
	t.settled(p, row.ID, row.MessageID, t.ep.cfg.Transport.Publish(row.Topic, msg))
}

// settled notes what became of a row.
func (t *term) settled(p *topic, id int64, messageID string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.unsettled--
	if err == nil {
		if t.arrived = append(t.arrived, id); !t.deleting {
			signal(t.news)
		}
		return
	}
	t.release(id)
	p.fallBehind(id - 1)
	if !p.refused {
		wait := relayRefused * t.ep.cfg.Backoff
		p.refused, p.until = true, time.Now().Add(wait)
		t.ep.cfg.Log.Warn("a message was not taken; it is sent again", zap.String("topic", p.name), zap.String("message_id", messageID), zap.Error(err))
		time.AfterFunc(wait, func() { signal(t.news) })
	}
	if p.unsettled == 0 {
		signal(t.news)
	}
}

// release takes a row out of the account. mu is locked.
func (t *term) release(id int64) {
	if p, ok := t.underWay[id]; ok {
		delete(t.underWay, id)
		p.underWay--
	}
}

// deleteArrived deletes the acknowledged rows, sharing a commit with whatever the context writes next. What arrives until the job's turn comes goes with
// it. A deposed leader deletes nothing.
func (t *term) deleteArrived(ctx context.Context) {
	t.mu.Lock()
	idle := !t.deleting && len(t.arrived) > 0
	t.deleting = t.deleting || idle
	t.mu.Unlock()
	if !idle {
		return
	}
	failpoint.Hit("before_delete")
	var ids []int64
	var deposed bool
	run := func(ctx context.Context, tx *sqldb.Tx) error {
		t.mu.Lock()
		ids, t.arrived = append(ids, t.arrived...), nil
		t.mu.Unlock()
		n, err := tx.Exec(ctx, `DELETE FROM outbox WHERE id IN {$1} AND EXISTS (SELECT 1 FROM leases WHERE name = $2 AND token = $3)`, ids, leaseName, t.token)
		if deposed = false; err != nil || n == int64(len(ids)) {
			return err
		}
		var mine int
		err = tx.Get(ctx, &mine, `SELECT count(*) FROM leases WHERE name = $1 AND token = $2`, leaseName, t.token)
		deposed = mine == 0
		return err
	}
	done := func(err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.deleting = false
		switch {
		case err != nil: // they stay, and are deleted with the next ones
			t.arrived = append(t.arrived, ids...)
			time.AfterFunc(relayPause, func() { signal(t.news) })
		case deposed:
			t.depose()
		default:
			for _, id := range ids {
				t.release(id)
			}
			signal(t.news)
		}
	}
	if err := t.ep.cfg.DB.Submit(ctx, sqldb.Job{Key: "outbox", Run: run, Patience: relayTidy}, done); err != nil {
		done(err)
	}
}
