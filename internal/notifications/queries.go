package notifications

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"shop/internal/notifications/notificationsapi"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
)

// ErrNotFound: there is no notification with that id.
var ErrNotFound = fault.New(fault.NotFound, "notification_not_found", "there is no such notification")

const columns = `id, customer_id, state, channel, problem, attempts, claim, due_at, created_at, updated_at, sent_at`

// row is how an intent is stored, without what only its message needs. Times are microseconds; 0 is never.
type row struct {
	ID         string `db:"id"`
	CustomerID string `db:"customer_id"`
	State      state  `db:"state"`
	Channel    string `db:"channel"`
	Problem    string `db:"problem"`
	Attempts   int64  `db:"attempts"`
	Claim      string `db:"claim"`
	DueAt      int64  `db:"due_at"`
	CreatedAt  int64  `db:"created_at"`
	UpdatedAt  int64  `db:"updated_at"`
	SentAt     int64  `db:"sent_at"`
}

func (r row) orderID() string  { orderID, _, _ := partsOf(r.ID); return orderID }
func (r row) kind() kind       { _, k, _ := partsOf(r.ID); return k }
func (r row) occasion() string { _, _, occasion := partsOf(r.ID); return occasion }

// intent is what is due, with all that its message needs.
type intent struct {
	row
	Email       string     `db:"email"` // the order's, else the profile's; empty when there is none
	Name        string     `db:"name"`
	Erased      bool       `db:"erased"`
	Data        sqldb.JSON `db:"data"`
	Traceparent string     `db:"traceparent"` // of the event that it tells of; empty when its trace is not recorded
}

// due reads what is to be sent, or should have been over, oldest first. It costs one descent of an index of what is open. Errors: fault Unavailable.
func (m *Module) due(ctx context.Context, now time.Time, limit int) ([]intent, error) {
	var due []intent
	err := m.db.Select(ctx, &due, `SELECT i.id, i.customer_id, i.state, i.channel, i.problem, i.attempts, i.claim, i.due_at,
			i.created_at, i.updated_at, i.sent_at, i.data, i.traceparent, CASE WHEN i.email <> '' THEN i.email ELSE coalesce(c.email, '') END AS email,
			coalesce(c.name, '') AS name, coalesce(c.erased, false) AS erased
		FROM (SELECT * FROM intents WHERE due_at > 0 AND due_at <= $1 ORDER BY due_at, id LIMIT $2) AS i LEFT JOIN contacts c ON c.customer_id = i.customer_id
		ORDER BY i.due_at, i.id`, sqldb.Micros(now), limit)
	return due, err
}

func (in intent) news() (news, error) {
	n := news{kind: in.kind(), occasion: in.occasion()}
	if err := json.Unmarshal(in.Data, &n); err != nil {
		return n, fmt.Errorf("data of %s: %w", in.ID, err)
	}
	return n, nil
}

// view is the intent as an operator sees it.
func (r row) view() notificationsapi.Notification {
	v := notificationsapi.Notification{
		ID: r.ID, OrderID: r.orderID(), CustomerID: r.CustomerID, Kind: string(r.kind()), RefundID: r.occasion(), Status: string(r.State), Channel: r.Channel,
		Attempts: r.Attempts, Problem: r.Problem, CreatedAt: sqldb.Time(r.CreatedAt), UpdatedAt: sqldb.Time(r.UpdatedAt), SentAt: moment(r.SentAt),
	}
	if r.State == pending {
		v.NextAttemptAt = moment(r.DueAt)
	}
	return v
}

func moment(us int64) *time.Time {
	if us == 0 {
		return nil
	}
	t := sqldb.Time(us)
	return &t
}

// notification reads one intent. Errors: ErrNotFound, fault Unavailable.
func (m *Module) notification(ctx context.Context, id string) (row, error) {
	var r row
	err := m.db.Get(ctx, &r, `SELECT `+columns+` FROM intents WHERE id = $1`, id)
	if errors.Is(err, sqldb.ErrNoRows) {
		return row{}, ErrNotFound
	}
	return r, err
}

// filter says which intents a list shows.
type filter struct {
	orderID string
	state   state
	after   string // id of the last one seen
	limit   int
}

// list reads intents in the order of their ids, which is that of their orders, by the index that the filter has one for: an order's ids begin with its own, what failed or is
// unknown has an index, and so has what is open. What is sent or skipped is nearly everything, and is found on the way through all.
func (m *Module) list(ctx context.Context, f filter) ([]row, error) {
	const (
		all      = `SELECT ` + columns + ` FROM intents WHERE id > $1 AND ($3 = '' OR state = $3) ORDER BY id LIMIT $2`
		ofOrder  = `SELECT ` + columns + ` FROM intents WHERE id > $1 AND ($3 = '' OR state = $3) AND id > $4 AND id < $5 ORDER BY id LIMIT $2`
		troubled = `SELECT ` + columns + ` FROM intents WHERE state IN ('failed', 'unknown') AND state = $3 AND id > $1 ORDER BY id LIMIT $2`
		open     = `SELECT ` + columns + ` FROM intents WHERE due_at > 0 AND state = $3 AND id > $1 ORDER BY id LIMIT $2`
	)
	query, args := all, []any{f.after, f.limit, string(f.state)}
	switch {
	case strings.Contains(f.orderID, "."): // as no order's id does; the beginning of an intent's may
		return nil, nil
	case f.orderID != "":
		query, args = ofOrder, append(args, f.orderID+".", f.orderID+"/") // '/' follows '.'
	case f.state == failed || f.state == unknown:
		query = troubled
	case f.state == pending || f.state == sending:
		query = open
	}
	var rows []row
	err := m.db.Select(ctx, &rows, query, args...)
	return rows, err
}
