package orders

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/maypok86/otter/v2"

	"shop/internal/platform/sqldb"
)

const summaryColumns = `s.order_id, s.version, s.status, s.payment_status, s.fulfillment_status, s.saga_state, s.cancellation_reason, s.cancellation_detail,
	s.updated_at, s.deadline_at, s.open, s.customer_id, s.placed_at, s.total_amount, s.currency, s.item_count`

// selectSummaries reads whole summaries; a condition on s follows.
const selectSummaries = `SELECT ` + summaryColumns + `, e.data AS placed FROM order_summaries s JOIN events e ON e.stream_id = s.order_id AND e.version = 1 `

// find reads the order as it is now. Errors: ErrNotFound.
func (s *store) find(ctx context.Context, id string) (summary, error) {
	sum, found, err := s.reads.Get(ctx, id)
	if err == nil && !found {
		err = ErrNotFound
	}
	return sum, err
}

// findAll reads orders. Of those that were read lately it asks the version alone, with a statement of their own.
func (s *store) findAll(ctx context.Context, ids []string) (map[string]summary, error) {
	found, missing, err := s.unchanged(ctx, ids)
	if err != nil || len(missing) == 0 {
		return found, err
	}
	var rows []summary
	if err := s.db.Select(ctx, &rows, selectSummaries+`WHERE s.order_id IN {$1}`, missing); err != nil {
		return nil, err
	}
	for _, sum := range rows {
		s.recent.Set(sum.ID, seen{sum, s.clock.Now()})
		found[sum.ID] = sum
	}
	return found, nil
}

// unchanged finds the orders that are in memory as they are in the database, and says which are not.
func (s *store) unchanged(ctx context.Context, ids []string) (found map[string]summary, missing []string, err error) {
	found = make(map[string]summary, len(ids))
	for _, id := range ids {
		if was, ok := s.recent.GetIfPresent(id); ok && s.clock.Now().Sub(was.at) < recentFor {
			found[id] = was.summary
		} else {
			missing = append(missing, id)
		}
	}
	if len(found) == 0 {
		return found, missing, nil
	}
	var rows []struct {
		ID      string `db:"order_id"`
		Version int64  `db:"version"`
	}
	if err := s.db.Select(ctx, &rows, `SELECT order_id, version FROM order_summaries WHERE order_id IN {$1}`, slices.Collect(maps.Keys(found))); err != nil {
		return nil, nil, err
	}
	now := make(map[string]int64, len(rows))
	for _, r := range rows {
		now[r.ID] = r.Version
	}
	for id, was := range found {
		if was.Version != now[id] {
			delete(found, id)
			missing = append(missing, id)
		}
	}
	return found, missing, nil
}

// What was read lately is kept for the next who asks: whoever waits for an order asks again and again. A version says all there is to know of an order, since its summary is a function of
// its events; only when a rebuild mends a summary that was wrong, that is seen after recentFor.
const (
	recentFor   = time.Minute
	recentBytes = 8 << 20
)

// seen is an order as it was read.
type seen struct {
	summary
	at time.Time
}

func newRecent() *otter.Cache[string, seen] {
	return otter.Must(&otter.Options[string, seen]{
		MaximumWeight: recentBytes,
		Weigher:       func(_ string, s seen) uint32 { return uint32(512 + len(s.Placed)) }, // with the struct and its place in the cache
	})
}

// history reads an order's events, oldest first. Errors: ErrNotFound.
func (s *store) history(ctx context.Context, id string) ([]record, error) {
	var rows []record
	if err := s.db.Select(ctx, &rows, `SELECT stream_id, version, type, data, recorded_at FROM events WHERE stream_id = $1 ORDER BY version`, id); err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, ErrNotFound
	}
	return rows, nil
}

// traced is a stored event with its metadata.
type traced struct {
	record
	Metadata sqldb.JSON `db:"metadata"`
}

// readTraced reads an order's events with what led to them, oldest first, and when somebody has to do something about the order; nil when nobody has. Errors: ErrNotFound,
// sqldb.ErrUnavailable.
func readTraced(ctx context.Context, db *sqldb.DB, id string) (events []traced, deadline *int64, err error) {
	if err := db.Select(ctx, &events, `SELECT stream_id, version, type, data, metadata, recorded_at FROM events WHERE stream_id = $1 ORDER BY version`, id); err != nil {
		return nil, nil, err
	}
	if len(events) == 0 {
		return nil, nil, ErrNotFound
	}
	err = db.Get(ctx, &deadline, `SELECT deadline_at FROM order_summaries WHERE order_id = $1`, id)
	return events, deadline, err
}

// asPlaced is the order as it was when it had just been placed. Errors: ErrNotFound.
func (s *store) asPlaced(ctx context.Context, id string) (Order, error) {
	var rows []record
	if err := s.db.Select(ctx, &rows, `SELECT stream_id, version, type, data, recorded_at FROM events WHERE stream_id = $1 AND version = 1`, id); err != nil {
		return Order{}, err
	}
	orders, err := replay(rows)
	if err == nil && len(orders) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Order{}, err
	}
	return orders[0], nil
}

// findAsOf is the order as it was at that time. Errors: ErrNotFound, also when it had not been placed yet.
func (s *store) findAsOf(ctx context.Context, id string, at time.Time) (summary, error) {
	rows, err := s.history(ctx, id)
	if err != nil {
		return summary{}, err
	}
	n := 0
	for n < len(rows) && rows[n].RecordedAt <= sqldb.Micros(at) {
		n++
	}
	orders, err := replay(rows[:n])
	if err != nil {
		return summary{}, err
	}
	if len(orders) == 0 {
		return summary{}, ErrNotFound
	}
	return wholeSummaryOf(orders[0]), nil
}

// filter narrows a list of orders. Empty means any.
type filter struct {
	status, customer string
	placedAfter      time.Time
	after            string // order id: the last one of the page before
	limit            int
}

// behindAll is behind every order id, in whatever way the database sorts text: ids go on with a digit below 8.
const behindAll = "ord_8"

// list reads summaries, the newest order first; ids sort by the time of placing. One more than limit is read, to know whether there is more.
func (s *store) list(ctx context.Context, f filter) ([]summary, error) {
	if f.after == "" {
		f.after = behindAll
	}
	var rows []summary
	err := s.db.Select(ctx, &rows, `SELECT `+summaryColumns+` FROM order_summaries s
		WHERE s.order_id < $1 AND ($2 = '' OR s.status = $2) AND s.placed_at > $3 ORDER BY s.order_id DESC LIMIT $4`,
		f.after, f.status, sqldb.Micros(f.placedAfter), f.limit+1)
	return rows, err
}

// listOf is list for one customer.
func (s *store) listOf(ctx context.Context, f filter) ([]summary, error) {
	if f.after == "" {
		f.after = behindAll
	}
	var rows []summary
	err := s.db.Select(ctx, &rows, `SELECT `+summaryColumns+` FROM order_summaries s
		WHERE s.customer_id = $5 AND s.order_id < $1 AND ($2 = '' OR s.status = $2) AND s.placed_at > $3 ORDER BY s.order_id DESC LIMIT $4`,
		f.after, f.status, sqldb.Micros(f.placedAfter), f.limit+1, f.customer)
	return rows, err
}
