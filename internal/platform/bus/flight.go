package bus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"shop/internal/platform/failpoint"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// flight keeps account of the rows of a term that are under way: from reading until the row is deleted. The transport reports from its own goroutines.
type flight struct {
	depose func()
	news   chan struct{} // something arrived, or a topic may be tried again

	mu       sync.Mutex
	topics   map[string]*topic
	underWay map[int64]*shipment
	arrived  []int64     // acknowledged, to be deleted
	soon     *time.Timer // deletes them in a moment; nil when they need not be, or are being deleted
	deleting bool        // a job that deletes is on its way
	doubt    bool        // the last one found less than it wanted: another process may lead
}

// shipment is a parcel under way.
type shipment struct {
	id       int64
	topic    *topic
	messages int
	left     int  // messages that are neither acknowledged nor refused
	refused  bool // one of them was
}

// topic is what the relay knows of one topic.
type topic struct {
	name      string
	underWay  int // messages from reading until their row is deleted
	unsettled int // of these, neither acknowledged nor refused

	behind  bool      // rows between from and the cursor were not handed on
	from    int64     // all rows up to here were, as long as the topic is behind
	refused bool      // the transport did not take one
	until   time.Time // when it is tried again
	told    time.Time // when the log last heard of it
	run     *run      // since the last refusal

	counters topicCounters
}

func newFlight(depose func()) flight {
	return flight{depose: depose, news: make(chan struct{}, 1), topics: map[string]*topic{}, underWay: map[int64]*shipment{}}
}

// fallBehind makes the topic read again what lies above id.
func (p *topic) fallBehind(id int64) {
	if !p.behind || id < p.from {
		p.behind, p.from = true, id
	}
}

func (p *topic) full() bool { return p.underWay > relayTopicCap-parcelMessages }

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
	if p.refused {
		p.refused, p.run = false, &run{}
	}
	return p.from, relayTopicCap - p.underWay
}

func (t *term) caughtUp(p *topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !p.refused {
		p.behind = false
	}
}

// hand gives a parcel to the transport, unless its topic is behind or full. t.place is locked.
func (t *term) hand(p *parcel) {
	if !t.opened(p) {
		return
	}
	t.mu.Lock()
	to := t.topics[p.Topic]
	if to == nil {
		to = &topic{name: p.Topic, run: &run{}, counters: t.ep.metrics.topic(p.Topic)}
		t.topics[p.Topic] = to
	}
	if _, already := t.underWay[p.ID]; already {
		t.mu.Unlock()
		return
	}
	if to.behind || to.underWay+len(p.letters) > relayTopicCap {
		to.fallBehind(p.ID - 1)
		t.mu.Unlock()
		return
	}
	t.depart(to, p)
}

// handAgain gives the next parcel of a topic that is behind to the transport. t.place is locked.
func (t *term) handAgain(to *topic, p *parcel) {
	if !t.opened(p) {
		return
	}
	t.mu.Lock()
	if to.refused {
		t.mu.Unlock()
		return
	}
	to.from = p.ID
	if _, already := t.underWay[p.ID]; already { // it arrived and is about to be deleted
		t.mu.Unlock()
		return
	}
	t.depart(to, p)
}

// opened reports whether the parcel's letters can be read. Otherwise it stays, for an operator, and the audit reports it.
func (t *term) opened(p *parcel) bool {
	if p.letters != nil {
		return true
	}
	err := p.open()
	if err != nil {
		t.ep.cfg.Log.Error("a row of the outbox cannot be read", zap.Int64("row", p.ID), zap.Error(err))
	}
	return err == nil
}

// asyncPublisher is a transport that acknowledges each message by itself, later. Send returns at once; done is called once.
type asyncPublisher interface {
	Send(topic string, msg *message.Message, done func(error))
}

// depart takes the parcel into the account and sends its messages. It is called with mu locked and unlocks it.
func (t *term) depart(to *topic, p *parcel) {
	s := &shipment{id: p.ID, topic: to, messages: len(p.letters), left: len(p.letters)}
	t.underWay[p.ID] = s
	to.underWay += s.messages
	to.unsettled += s.messages
	run := to.run
	t.mu.Unlock()
	async, _ := t.ep.cfg.Transport.(asyncPublisher)
	_, local := t.ep.cfg.Transport.(attacher)
	for i := range p.letters {
		l := &p.letters[i]
		if t.wasRefused(to) { // nothing overtakes what has to be sent again
			t.settled(s, l, errWithheld)
			continue
		}
		msg := t.ep.message(l, p.CreatedAt)
		if !local {
			msg.SetContext(withRun(msg.Context(), run))
		}
		span := t.ep.sending(l, p, msg)
		if async != nil {
			async.Send(p.Topic, msg, func(err error) {
				sent(span, err)
				t.settled(s, l, err)
			})
			continue
		}
		err := t.ep.cfg.Transport.Publish(p.Topic, msg)
		sent(span, err)
		t.settled(s, l, err)
	}
}

// errWithheld: a message was not sent, because one before it was refused.
var errWithheld = errors.New("bus: a message before it was refused")

func (t *term) wasRefused(to *topic) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return to.refused
}

// settled notes what became of a message. A parcel of which one message was refused is sent again as a whole: who has a message already knows it by its id.
func (t *term) settled(s *shipment, l *letter, err error) {
	s.topic.counters.count(err)
	t.mu.Lock()
	to := s.topic
	to.unsettled--
	s.left--
	if err != nil {
		s.refused = true
		to.fallBehind(s.id - 1)
		if !to.refused {
			wait := relayRefused * t.ep.cfg.Backoff
			to.refused, to.until = true, time.Now().Add(wait)
			if now := time.Now(); now.Sub(to.told) > relayTold {
				to.told = now
				t.ep.cfg.Log.Warn("a message was not taken; it is sent again", zap.String("topic", to.name), telemetry.Fields(l.context()), zap.Error(err))
			}
			time.AfterFunc(wait, func() { signal(t.news) })
		}
	}
	if s.left == 0 && s.refused {
		t.release(s.id)
	}
	if to.refused && to.unsettled == 0 {
		signal(t.news)
	}
	arrived := s.left == 0 && !s.refused
	if arrived {
		t.arrived = append(t.arrived, s.id)
	}
	t.mu.Unlock()
	if arrived {
		t.tidy()
	}
}

// release takes a parcel out of the account. mu is locked.
func (t *term) release(id int64) {
	if s, ok := t.underWay[id]; ok {
		delete(t.underWay, id)
		s.topic.underWay -= s.messages
	}
}

var deleteParcels = sqldb.Many{
	SQL:     `DELETE FROM outbox WHERE id IN (SELECT r.id FROM {rows} WHERE EXISTS (SELECT 1 FROM leases l WHERE l.name = r.name AND l.token = r.token))`,
	Columns: "id bigint, name text, token bigint",
	Exact:   true,
}

// tidy sees to it that the acknowledged rows are deleted: at once if they are many, otherwise soon, so that not every transaction has the rows of the last one to delete.
func (t *term) tidy() {
	t.mu.Lock()
	many := len(t.arrived) >= relayTidyRows || t.messagesOf(t.arrived) >= relayTidyMessages
	if !many && !t.deleting && t.soon == nil && len(t.arrived) > 0 {
		t.soon = time.AfterFunc(relayTidy, t.deleteArrived)
	}
	t.mu.Unlock()
	if many {
		t.deleteArrived()
	}
}

// messagesOf is how many messages are in parcels under way. mu is locked.
func (t *term) messagesOf(ids []int64) (n int) {
	for _, id := range ids {
		n += t.underWay[id].messages
	}
	return n
}

// deleteArrived deletes the acknowledged rows, sharing a commit with whatever the context writes next. What arrives until the job's turn comes goes with
// it. A deposed leader deletes nothing.
func (t *term) deleteArrived() {
	t.mu.Lock()
	if t.soon != nil {
		t.soon.Stop()
		t.soon = nil
	}
	idle := !t.deleting && len(t.arrived) > 0
	t.deleting = t.deleting || idle
	doubt := t.doubt
	t.mu.Unlock()
	if !idle {
		return
	}
	failpoint.Hit("before_delete")
	d := &deletion{term: t}
	job := sqldb.Job{Key: "outbox", Run: d.run, Patience: relayTidy}
	if doubt {
		job.Run = d.runInDoubt
	}
	if err := t.ep.cfg.DB.Push(t.ctx, job, d.done); err != nil {
		d.done(err)
	}
}

// deletion is a job that deletes parcels.
type deletion struct {
	term    *term
	ids     []int64
	deposed bool
}

func (d *deletion) take() {
	d.term.mu.Lock()
	d.ids, d.term.arrived = append(d.ids, d.term.arrived...), nil
	d.term.mu.Unlock()
}

func (d *deletion) run(_ context.Context, tx *sqldb.Tx) error {
	d.take()
	for _, id := range d.ids {
		tx.Queue(&deleteParcels, id, leaseName, d.term.token)
	}
	return nil
}

// runInDoubt deletes what is still there, and finds out whether this process leads at all.
func (d *deletion) runInDoubt(ctx context.Context, tx *sqldb.Tx) error {
	d.take()
	if _, err := tx.Exec(ctx, `DELETE FROM outbox WHERE id IN {$1} AND EXISTS (SELECT 1 FROM leases WHERE name = $2 AND token = $3)`,
		d.ids, leaseName, d.term.token); err != nil {
		return err
	}
	var mine int
	err := tx.Get(ctx, &mine, `SELECT count(*) FROM leases WHERE name = $1 AND token = $2`, leaseName, d.term.token)
	d.deposed = mine == 0
	return err
}

func (d *deletion) done(err error) {
	t := d.term
	t.mu.Lock()
	t.deleting = false
	t.doubt = errors.Is(err, sqldb.ErrStale)
	switch {
	case err != nil: // they stay, and are deleted with the next ones
		t.arrived = append(t.arrived, d.ids...)
		if t.ctx.Err() == nil {
			time.AfterFunc(relayPause, t.deleteArrived)
		}
	case d.deposed:
		t.depose()
	default:
		behind := false
		for _, id := range d.ids {
			behind = behind || t.underWay[id].topic.behind
			t.release(id)
		}
		if behind {
			signal(t.news)
		}
	}
	t.mu.Unlock()
	if err == nil {
		t.tidy()
	}
}
