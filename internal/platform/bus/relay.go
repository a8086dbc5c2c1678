package bus

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"shop/internal/platform/failpoint"
	"shop/internal/platform/sqldb"
)

const (
	relayBatch    = 64               // parcels read at once
	relayTopicCap = 2048             // messages of one topic under way at most; the rest stays in the database
	relayLate     = 60 * time.Second // longer than any transaction lives: an id that is missing for so long never comes
	relayGaps     = 64               // ranges of missing ids that are told apart
	relayPause    = 100 * time.Millisecond
	relayRefused  = 25               // backoffs until a topic that refused a message is tried again
	relayTold     = 30 * time.Second // how often the log is told of it: a broker may be away for hours
	leaseName     = "leader"

	relayTidy         = 50 * time.Millisecond // how long acknowledged rows may wait for others to be deleted with, and then again for a transaction to be deleted in
	relayTidyRows     = 48                    // so many, or
	relayTidyMessages = 768                   // with so many messages, do not wait for others
)

// relay hands the committed rows of one context's outbox to the transport, in id order, and deletes those that arrived. Rows of one key have ascending ids,
// because they are inserted while the transaction holds the aggregate, so the order of each key is kept.
type relay struct {
	ep      *Endpoint
	wake    chan struct{}        // something was committed
	current atomic.Pointer[term] // for diagnosis
}

// term is the relaying of one leadership. Every row is read once as the cursor passes it. What that misses is found again:
//   - a row whose transaction commits after a row with a higher id was read. The missing ids are noted as gaps and looked for until no transaction
//     can hold them any more.
//   - a row whose topic was full or had refused a message when the cursor passed. The topic is then behind, and catches up from its own cursor.
type term struct {
	ctx   context.Context
	ep    *Endpoint
	token int64

	fresh bool  // there may be rows above the cursor
	gaps  []gap // ascending

	place   sync.Mutex // held while the cursor moves and what it passes is handed on
	cursor  int64      // all rows up to here were read or handed over, but for gaps and topics that are behind
	reading bool       // what lies above the cursor is being read

	flight
}

// gap is a range of ids that were not there when a higher one was: of transactions that commit later, or never. It is settled when it was read after all transactions that ran when
// it was noticed had ended.
type gap struct {
	low, high int64
	since     time.Time
	horizon   int64 // first transaction id that was not given out when the gap had been noticed; 0: not known yet
	settled   bool
}

func newRelay(e *Endpoint) *relay { return &relay{ep: e, wake: make(chan struct{}, 1)} }

func (r *relay) wakeUp() { signal(r.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run relays until ctx ends or another process turns out to lead.
func (r *relay) run(ctx context.Context, token int64) {
	ctx, depose := context.WithCancel(ctx)
	defer depose()
	t := &term{ctx: ctx, ep: r.ep, token: token, fresh: true, flight: newFlight(depose)}
	r.current.Store(t)
	defer r.current.Store(nil)
	poll := time.NewTicker(r.ep.cfg.Poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		again, err := t.round(ctx)
		if err != nil && ctx.Err() == nil {
			r.ep.cfg.Log.Warn("the relay cannot read the outbox", zap.Error(err))
			pause(ctx, relayPause)
		}
		if again || err != nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-t.news:
		case <-r.wake:
			t.fresh = true
		case <-poll.C:
			t.fresh = true
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// round reads what there is to be read and hands it on. It reports whether there may be more.
func (t *term) round(ctx context.Context) (again bool, err error) {
	for _, topic := range t.readyToCatchUp() {
		if err := t.catchUp(ctx, topic); err != nil {
			return false, err
		}
	}
	if !t.fresh || t.allFull() {
		return len(t.readyToCatchUp()) > 0, nil
	}
	t.setReading(true)
	rows, err := t.above(ctx)
	var late []parcel
	var now snapshot
	if err == nil {
		now, err = t.snapshot(ctx)
	}
	if err == nil {
		late, err = t.inGaps(ctx) // read after the rows above, and sent before them: none of these is there without the late ones that it follows
	}
	t.place.Lock()
	defer t.place.Unlock()
	t.reading = false
	if err != nil {
		return false, err
	}
	t.fresh = len(rows) == relayBatch
	failpoint.Hit("before_publish")
	for i := range late {
		t.hand(&late[i])
	}
	t.settleGaps(now)
	t.noteGaps(rows)
	for i := range rows {
		t.hand(&rows[i])
	}
	failpoint.Hit("after_publish")
	return t.fresh || len(t.readyToCatchUp()) > 0, nil
}

func (t *term) setReading(reading bool) {
	t.place.Lock()
	t.reading = reading
	t.place.Unlock()
}

// handOver takes parcels that were committed a moment ago straight to the transport, without reading them. That is possible if they are the next ones, and none that another
// process has committed meanwhile may be before them; it reports whether it was.
func (r *relay) handOver(rows [][]any, ids []int64) bool {
	t := r.current.Load()
	if _, async := r.ep.cfg.Transport.(asyncPublisher); t == nil || !async { // whoever committed must not wait for a broker
		return false
	}
	t.place.Lock()
	defer t.place.Unlock()
	if t.uncertain() {
		return false
	}
	for i := range ids {
		if t.reading || ids[i] != t.cursor+1+int64(i) {
			return false
		}
	}
	failpoint.Hit("before_publish")
	for i, row := range rows {
		t.cursor = ids[i]
		t.hand(&parcel{ID: ids[i], Topic: row[0].(string), CreatedAt: row[3].(int64), letters: row[4].([]letter)})
	}
	failpoint.Hit("after_publish")
	return true
}

// above reads the next rows above the cursor.
func (t *term) above(ctx context.Context) (rows []parcel, err error) {
	err = t.ep.cfg.DB.Select(ctx, &rows, `SELECT `+parcelFields+` FROM outbox
		WHERE id > $1 ORDER BY id LIMIT $2`, t.cursor, relayBatch)
	return rows, err
}

// noteGaps moves the cursor behind the rows and notes the ids that are missing among them. On SQLite, with its single writer, ids are committed in
// their order.
func (t *term) noteGaps(rows []parcel) {
	now := time.Now()
	for _, row := range rows {
		if row.ID > t.cursor+1 && t.ep.cfg.DB.Dialect() == sqldb.Postgres {
			t.gaps = append(t.gaps, gap{low: t.cursor + 1, high: row.ID - 1, since: now})
		}
		t.cursor = row.ID
	}
	for len(t.gaps) > relayGaps { // what lies between the two is under way or gone, and is not sent again
		t.gaps[1].low = t.gaps[0].low
		t.gaps[1].settled = t.gaps[1].settled && t.gaps[0].settled
		t.gaps = t.gaps[1:]
	}
	for len(t.gaps) > 0 && now.Sub(t.gaps[0].since) > relayLate {
		t.gaps = t.gaps[1:]
	}
}

// snapshot says which transactions run: those with lower ids than oldest have ended, and none has the id next or a higher one yet.
type snapshot struct {
	Oldest int64 `db:"oldest"`
	Next   int64 `db:"next"`
}

// snapshot is asked for, if a gap is not settled, before the gaps are read.
func (t *term) snapshot(ctx context.Context) (s snapshot, err error) {
	if t.uncertain() {
		err = t.ep.cfg.DB.Get(ctx, &s, `SELECT pg_snapshot_xmin(s)::text::bigint AS oldest, pg_snapshot_xmax(s)::text::bigint AS next FROM pg_current_snapshot() AS s`)
	}
	return s, err
}

// uncertain reports whether there is a gap that is not settled: rows may be in it that were committed since it was read, and what follows them must not be sent before.
func (t *term) uncertain() bool {
	return slices.ContainsFunc(t.gaps, func(g gap) bool { return !g.settled })
}

// settleGaps notes of gaps that were read after the snapshot what that says. An id is given out a moment before its transaction has one, so a gap that is settled is read again
// all the same, until it is old.
func (t *term) settleGaps(now snapshot) {
	for i := range t.gaps {
		switch g := &t.gaps[i]; {
		case now.Next == 0 || g.settled:
		case g.horizon == 0:
			g.horizon = now.Next
		default:
			g.settled = now.Oldest >= g.horizon
		}
	}
}

// inGaps reads rows that were committed late. On PostgreSQL only.
func (t *term) inGaps(ctx context.Context) (rows []parcel, err error) {
	if len(t.gaps) == 0 {
		return nil, nil
	}
	low, high := make([]int64, len(t.gaps)), make([]int64, len(t.gaps))
	for i, g := range t.gaps {
		low[i], high[i] = g.low, g.high
	}
	err = t.ep.cfg.DB.Select(ctx, &rows, `SELECT o.id, o.topic, o.content, o.created_at
		FROM unnest($1::bigint[], $2::bigint[]) AS g(low, high) JOIN outbox o ON o.id BETWEEN g.low AND g.high ORDER BY o.id`, low, high)
	return rows, err
}

// catchUp reads the next rows of a topic up to the cursor, and hands them on.
func (t *term) catchUp(ctx context.Context, topic *topic) error {
	from, room := t.placeOf(topic)
	t.place.Lock()
	upTo := t.cursor
	t.place.Unlock()
	limit := min(room/parcelMessages, relayBatch)
	var rows []parcel
	if err := t.ep.cfg.DB.Select(ctx, &rows, `SELECT `+parcelFields+` FROM outbox
		WHERE topic = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $4`, topic.name, from, upTo, limit); err != nil {
		return err
	}
	t.place.Lock()
	defer t.place.Unlock()
	for i := range rows {
		t.handAgain(topic, &rows[i])
	}
	if len(rows) < limit && t.cursor == upTo {
		t.caughtUp(topic)
	}
	return nil
}
