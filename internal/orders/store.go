package orders

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/fault"
	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// ErrNotFound: there is no such order, or it is not the caller's.
var ErrNotFound = fault.New(fault.NotFound, "order_not_found", "there is no such order")

// store keeps orders as streams of events, with the projection that is read beside them.
type store struct {
	db        *sqldb.DB
	clock     clock.Clock
	deadlines Deadlines
	changed   func(*Order) // after a change is durable
	reads     *sqldb.Loader[string, summary]
	recent    *otter.Cache[string, seen]
	cache     *cache
	counters  *counters // nil: nothing is counted
}

func newStore(db *sqldb.DB, c clock.Clock, d Deadlines, changed func(*Order)) *store {
	s := &store{db: db, clock: c, deadlines: d, changed: changed, recent: newRecent(), cache: newCache()}
	s.reads = sqldb.NewLoader(s.findAll)
	return s
}

// orderKey names an order among the locals of a transaction.
type orderKey string

// view is an order as a transaction sees it. The order is never changed: a change makes another.
type view struct {
	*Order
	kept bool // a copy from memory, not changed in this transaction: another process may have changed the order since
}

// decide lets f look at an order and change it. A copy kept in memory may be old, because another process changed the order. If f appends events, their version then
// collides, the copy is forgotten, and the work runs again on what the database says. If f appends none there is nothing to collide, so the database is asked whether
// it knows more, and if so f decides again; what f has sent by then is sent too. Errors: ErrNotFound, those of f.
func (s *store) decide(ctx context.Context, tx *sqldb.Tx, id string, f func(o Order) error) error {
	v, err := s.load(ctx, tx, id)
	if err != nil {
		return err
	}
	err = f(*v.Order)
	if now, _ := tx.Local(orderKey(id)); !now.(view).kept {
		return err
	}
	if ferr := s.fetch(ctx, tx, []string{id}); ferr != nil {
		return cmp.Or(err, ferr)
	}
	now, _ := tx.Local(orderKey(id))
	if now.(view).Version == v.Version {
		return err
	}
	s.cache.forget(id)
	return f(*now.(view).Order)
}

// load gives the order as this transaction sees it. Errors: ErrNotFound.
func (s *store) load(ctx context.Context, tx *sqldb.Tx, id string) (view, error) {
	if v, ok := tx.Local(orderKey(id)); ok {
		return v.(view), nil
	}
	if o, ok := s.cache.get(id); ok {
		tx.AfterRollback(func() { s.cache.forget(id) })
		v := view{o, true}
		tx.SetLocal(orderKey(id), v)
		return v, nil
	}
	if err := s.fetch(ctx, tx, []string{id}); err != nil {
		return view{}, err
	}
	if v, ok := tx.Local(orderKey(id)); ok {
		return v.(view), nil
	}
	return view{}, ErrNotFound
}

// prefetch loads all the orders that are not in memory with one statement.
func (s *store) prefetch(ctx context.Context, tx *sqldb.Tx, ids []string) error {
	var missing []string
	for _, id := range ids {
		if _, ok := tx.Local(orderKey(id)); !ok && !s.cache.has(id) {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return s.fetch(ctx, tx, missing)
}

// fetch reads orders from the database into the transaction's view.
func (s *store) fetch(ctx context.Context, tx *sqldb.Tx, ids []string) error {
	var rows []record
	if err := tx.Select(ctx, &rows, `SELECT stream_id, version, type, data, recorded_at FROM events WHERE stream_id IN {$1} ORDER BY stream_id, version`, ids); err != nil {
		return err
	}
	orders, err := replay(rows)
	for i := range orders {
		tx.SetLocal(orderKey(orders[i].ID), view{&orders[i], false})
	}
	return err
}

// record is a stored event.
type record struct {
	StreamID   string     `db:"stream_id"`
	Version    int64      `db:"version"`
	Type       string     `db:"type"`
	Data       sqldb.JSON `db:"data"`
	RecordedAt int64      `db:"recorded_at"`
}

// replay makes orders out of records that are sorted by stream and version. Errors: a gap in a stream, an event it does not know.
func replay(rows []record) ([]Order, error) {
	var orders []Order
	for _, r := range rows {
		if len(orders) == 0 || orders[len(orders)-1].ID != r.StreamID {
			orders = append(orders, Order{ID: r.StreamID})
		}
		o := &orders[len(orders)-1]
		if r.Version != o.Version+1 {
			return nil, fmt.Errorf("orders: stream %s has version %d after %d", r.StreamID, r.Version, o.Version)
		}
		e, err := decodeEvent(r.Type, r.Data)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", r.StreamID, err)
		}
		*o = o.with(e, sqldb.Time(r.RecordedAt))
	}
	return orders, nil
}

// metadata is what an event remembers of why it was recorded.
type metadata struct {
	Trace string `json:"trace,omitempty"` // see telemetry.AbridgeID; empty: that of the order's first event
	Span  string `json:"span,omitempty"`  // in that trace, if it is recorded
	Cause string `json:"cause,omitempty"` // id of the message
}

func metadataOf(ctx context.Context) metadata {
	return metadata{Trace: telemetry.TraceID(ctx), Span: telemetry.SpanID(telemetry.ToStore(ctx)), Cause: bus.CauseOf(ctx).MessageID}
}

// append records events and brings the projection up to date, in the same transaction. The version in the events' key refuses it if another
// process was faster.
func (s *store) append(ctx context.Context, tx *sqldb.Tx, o Order, events ...event) (Order, error) {
	now := s.clock.Now()
	fresh, counts, why := o.Version == 0, tally{events: events}, metadataOf(ctx)
	if fresh {
		o.traceID, why.Trace = why.Trace, telemetry.AbridgeID(why.Trace, o.ID)
	} else if why.Trace == o.traceID {
		why.Trace = ""
	}
	meta, err := json.Marshal(why)
	if err != nil {
		return o, err
	}
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return o, err
		}
		next := o.with(e, now)
		counts.see(&o, &next)
		o = next
		tx.Queue(&appendEvents, o.ID, o.Version, nameOf(e), string(data), string(meta), sqldb.Micros(now))
	}
	sum := s.project(o)
	if s.expected(o, fresh) {
		sum.Open = false
	}
	if fresh {
		tx.Queue(&insertSummary, sum.row()...)
	} else {
		tx.Queue(&updateSummary, sum.changing()...)
	}
	s.tell(tx, &o, counts)
	return o, nil
}

// tell lets the rest of the transaction, and once it is durable everybody, know what became of the order.
func (s *store) tell(tx *sqldb.Tx, o *Order, counts tally) {
	now := new(*o)
	tx.SetLocal(orderKey(o.ID), view{now, false})
	tx.AfterCommit(func() {
		s.cache.put(now)
		s.counters.count(now, &counts)
		s.changed(now)
	})
}

var appendEvents = sqldb.Many{
	SQL: `INSERT INTO events (stream_id, version, type, data, metadata, recorded_at)
		SELECT r.stream_id, r.version, r.type, r.data, r.metadata, r.recorded_at FROM {rows}`,
	Columns: "stream_id text, version bigint, type text, data json, metadata json, recorded_at bigint",
}

var insertSummary = sqldb.Many{
	SQL: `INSERT INTO order_summaries (order_id, version, status, payment_status, fulfillment_status, saga_state, cancellation_reason, cancellation_detail,
			updated_at, deadline_at, open, customer_id, placed_at, total_amount, currency, item_count)
		SELECT r.order_id, r.version, r.status, r.payment_status, r.fulfillment_status, r.saga_state, r.cancellation_reason, r.cancellation_detail,
			r.updated_at, r.deadline_at, r.open, r.customer_id, r.placed_at, r.total_amount, r.currency, r.item_count FROM {rows}`,
	Columns: `order_id text, version bigint, status text, payment_status text, fulfillment_status text, saga_state text, cancellation_reason text, cancellation_detail text,
		updated_at bigint, deadline_at bigint, open bool, customer_id text, placed_at bigint, total_amount bigint, currency text, item_count bigint`,
}

var updateSummary = sqldb.Many{
	SQL: `UPDATE order_summaries SET version = r.version, status = r.status, payment_status = r.payment_status, fulfillment_status = r.fulfillment_status,
			saga_state = r.saga_state, cancellation_reason = r.cancellation_reason, cancellation_detail = r.cancellation_detail,
			updated_at = r.updated_at, deadline_at = r.deadline_at,
			open = CASE WHEN r.deadline_at IS NULL THEN r.open ELSE r.open OR order_summaries.open END
		FROM {rows} WHERE order_summaries.order_id = r.order_id`,
	Columns: `order_id text, version bigint, status text, payment_status text, fulfillment_status text, saga_state text, cancellation_reason text, cancellation_detail text,
		updated_at bigint, deadline_at bigint, open bool`,
	Last:  1,
	Exact: true,
}

// deadline is when somebody has to do something about the order; zero when nobody has.
func (s *store) deadline(o Order) time.Time {
	if o.final() {
		return time.Time{}
	}
	if c := o.compensatingStep(); c < stepCount {
		if o.Steps[c].State == compensationFailed {
			return time.Time{} // an operator's turn
		}
		return o.UpdatedAt.Add(s.deadlines.Compensate * time.Duration(min(o.Steps[c].Attempts, 30)))
	}
	switch {
	case o.waitsFor(reserveStock):
		return o.UpdatedAt.Add(s.deadlines.Reserve)
	case o.waitsFor(takePayment):
		return o.UpdatedAt.Add(s.deadlines.Pay)
	case o.waitsFor(createShipment):
		return o.UpdatedAt.Add(s.deadlines.Ship * time.Duration(min(o.Steps[createShipment].Attempts, 30)))
	}
	return time.Time{}
}

// expected reports whether the order goes its usual way, on which nobody need look after it: most orders are through before the first deadline. The rounds open those that are not.
// They go by the time in its identifier, and so an order that says another time, or comes late, is open from the start.
func (s *store) expected(o Order, fresh bool) bool {
	if !o.forward() || fresh && !id.Near("ord", o.ID, s.clock.Now(), sqldb.AtOnce) {
		return false
	}
	for _, step := range o.Steps {
		if step.Attempts > 1 {
			return false
		}
	}
	return true
}

// openOverdue opens the orders named within the span that nobody has ended. Errors: sqldb.ErrUnavailable.
func (s *store) openOverdue(ctx context.Context, span sqldb.Span) error {
	const page = 500
	for {
		var ids []string
		err := s.db.Select(ctx, &ids, `SELECT order_id FROM order_summaries WHERE order_id >= $1 AND order_id < $2 AND deadline_at IS NOT NULL AND NOT open ORDER BY order_id LIMIT $3`,
			id.At("ord", span.From), id.At("ord", span.To), page)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := s.db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE order_summaries SET open = true WHERE order_id IN {$1} AND deadline_at IS NOT NULL`, ids)
			return err
		}); err != nil || len(ids) < page {
			return err
		}
	}
}

// due lists orders whose deadline has passed, those that wait longest first.
func (s *store) due(ctx context.Context, now time.Time) ([]string, error) {
	var ids []string
	err := s.db.Select(ctx, &ids, `SELECT order_id FROM order_summaries WHERE open AND deadline_at <= $1 ORDER BY deadline_at LIMIT 200`, sqldb.Micros(now))
	return ids, err
}

// traces are the traceparents in which orders were placed; one of which nobody knows it is left out. Errors: sqldb.ErrUnavailable.
func (s *store) traces(ctx context.Context, ids []string) (map[string]string, error) {
	var rows []struct {
		StreamID string     `db:"stream_id"`
		Metadata sqldb.JSON `db:"metadata"`
	}
	if err := s.db.Select(ctx, &rows, `SELECT stream_id, metadata FROM events WHERE version = 1 AND stream_id IN {$1}`, ids); err != nil {
		return nil, err
	}
	found := make(map[string]string, len(rows))
	for _, r := range rows {
		var m metadata
		if err := json.Unmarshal(r.Metadata, &m); err == nil && m.Trace != "" { // nothing that has to be done waits for it
			found[r.StreamID] = telemetry.TraceparentOf(telemetry.UnabridgedID(m.Trace, r.StreamID), m.Span)
		}
	}
	return found, nil
}

// change lets f decide about an order, in a transaction of its own. Errors: ErrNotFound, those of f, and a fault of kind Unavailable when others are faster each time.
func (s *store) change(ctx context.Context, id string, f func(ctx context.Context, tx *sqldb.Tx, o Order) error) error {
	for tries := 1; ; tries++ {
		err := s.db.Write(ctx, id, func(ctx context.Context, tx *sqldb.Tx) error {
			return s.decide(ctx, tx, id, func(o Order) error { return f(ctx, tx, o) })
		})
		switch {
		case !errors.Is(err, sqldb.ErrDuplicate):
			return err
		case tries == 5: // another process appended an event each time
			return fault.Wrap(err, fault.Unavailable, "order_busy", "the order is being changed by somebody else; try again")
		}
	}
}

// cacheSize is how many orders are kept in memory: those whose process is under way. At some 2 KiB each that is 16 MiB. An order with more than maxKeptItems
// items or maxKeptMetadata bytes of metadata is read each time instead: a few customers must not fill the memory.
const (
	cacheSize       = 8192
	maxKeptItems    = 100
	maxKeptMetadata = 8 << 10
)

// cache keeps orders between the messages of their process, so that a step reads nothing.
type cache struct {
	mu     sync.Mutex
	orders map[string]*Order // which nobody changes
}

func newCache() *cache { return &cache{orders: map[string]*Order{}} }

func (c *cache) get(id string) (*Order, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.orders[id]
	return o, ok
}

func (c *cache) has(id string) bool {
	_, ok := c.get(id)
	return ok
}

func (c *cache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.orders, id)
}

func (c *cache) put(o *Order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state := o.SagaState(); state == "completed" || state == "compensated" || large(&o.Placed) {
		delete(c.orders, o.ID)
		return
	}
	if _, kept := c.orders[o.ID]; !kept && len(c.orders) >= cacheSize {
		for id := range c.orders { // any: the order of a map is as good as random
			delete(c.orders, id)
			break
		}
	}
	c.orders[o.ID] = o
}

// large reports whether an order takes too much memory to be kept there.
func large(p *placed) bool {
	bytes := 0
	for k, v := range p.Metadata {
		bytes += len(k) + len(v)
	}
	return len(p.Items) > maxKeptItems || bytes > maxKeptMetadata
}
