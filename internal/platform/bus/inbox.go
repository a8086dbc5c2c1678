package bus

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"shop/internal/platform/sqldb"
)

// verdict says what is to be done with a message of a batch.
type verdict uint8

const (
	claimed   verdict = iota + 1 // its inbox row was written just now: apply it
	duplicate                    // it was applied before
	parked                       // its key waits behind a dead letter
)

type verdictKey struct{ consumer, message string }

// noDeadLetter is true of rows whose key has none; that there is none at all is found out once for all rows.
const noDeadLetter = `(NOT EXISTS (SELECT 1 FROM dead_letters) OR NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.consumer = r.consumer AND d.key = r.key))`

const insertInbox = `INSERT INTO inbox (consumer, message_id, applied_at) SELECT r.consumer, r.message_id, r.applied_at FROM {rows}
	WHERE ` + noDeadLetter

const inboxColumns = "consumer text, message_id text, key text, applied_at bigint"

var (
	claimInbox = sqldb.Many{SQL: insertInbox + ` ON CONFLICT (consumer, message_id) DO NOTHING RETURNING message_id`, Columns: inboxColumns}
	claimAll   = sqldb.Many{SQL: `INSERT INTO inbox (consumer, message_id, applied_at)
		SELECT r.consumer, r.message_id, r.applied_at / CASE WHEN ` + noDeadLetter + ` THEN 1 ELSE 0 END FROM {rows}`, Columns: inboxColumns}  // a division by zero is an error, or NULL, which applied_at refuses
)

// inboxRows are the rows that claim the messages. All processes claim in one order, so that they do not deadlock.
func (c *consumer) inboxRows(args []any) [][]any {
	rows, now := make([][]any, len(args)), sqldb.Micros(c.ep.cfg.Clock.Now())
	for i, a := range args {
		d := a.(*delivery)
		d.decode()
		rows[i] = []any{c.ep.cfg.Context, d.id, d.key, now}
	}
	slices.SortFunc(rows, func(a, b []any) int { return cmp.Compare(a[1].(string), b[1].(string)) })
	return rows
}

// assume takes all messages for new ones that wait behind nothing.
func (c *consumer) assume(ctx context.Context, tx *sqldb.Tx, args []any) error {
	rows := c.inboxRows(args)
	for _, row := range rows {
		tx.SetLocal(verdictKey{c.ep.cfg.Context, row[1].(string)}, claimed)
	}
	if err := c.prefetch(ctx, tx, args, true); err != nil { // before anything is queued, which would be written before what is read
		return err
	}
	for _, row := range rows {
		tx.Queue(&claimAll, row...)
	}
	return nil
}

// prepare claims the inbox rows of all messages in the batch with one statement, then loads what their handlers will want.
func (c *consumer) prepare(ctx context.Context, tx *sqldb.Tx, args []any) error {
	var fresh []string
	if err := sqldb.SelectMany(ctx, tx, &claimInbox, c.inboxRows(args), &fresh); err != nil {
		return err
	}
	for _, id := range fresh {
		tx.SetLocal(verdictKey{c.ep.cfg.Context, id}, claimed)
	}
	if len(fresh) < len(args) {
		if err := c.judgeRest(ctx, tx, args); err != nil {
			return err
		}
	}
	return c.prefetch(ctx, tx, args, false)
}

// A join, because PostgreSQL plans `message_id = ANY (…)` behind a column of one value as a walk through the whole index.
var findInbox = sqldb.Many{
	SQL:     `SELECT i.message_id FROM {rows} JOIN inbox i ON i.consumer = r.consumer AND i.message_id = r.message_id`,
	Columns: "consumer text, message_id text",
}

// judgeRest tells duplicates from messages that must park.
func (c *consumer) judgeRest(ctx context.Context, tx *sqldb.Tx, args []any) error {
	var rest [][]any
	var known []string
	for _, a := range args {
		key := verdictKey{c.ep.cfg.Context, a.(*delivery).id}
		if _, judged := tx.Local(key); !judged {
			tx.SetLocal(key, parked)
			rest = append(rest, []any{key.consumer, key.message})
		}
	}
	if err := sqldb.SelectMany(ctx, tx, &findInbox, rest, &known); err != nil {
		return err
	}
	for _, id := range known {
		tx.SetLocal(verdictKey{c.ep.cfg.Context, id}, duplicate)
	}
	return nil
}

func (c *consumer) prefetch(ctx context.Context, tx *sqldb.Tx, args []any, assume bool) error {
	bodies := map[*handler][]any{}
	var order []*handler
	for _, a := range args {
		d := a.(*delivery)
		if v, _ := tx.Local(verdictKey{c.ep.cfg.Context, d.id}); v != claimed || d.body == nil || d.handler.prefetch == nil {
			continue
		}
		if bodies[d.handler] == nil {
			order = append(order, d.handler)
		}
		bodies[d.handler] = append(bodies[d.handler], d.body)
	}
	for _, h := range order {
		if assume && h.assume != nil {
			h.assume(tx, bodies[h])
			continue
		}
		if err := h.prefetch(ctx, tx, bodies[h]); err != nil {
			return fmt.Errorf("prefetching for %s: %w", h.typ, err)
		}
	}
	return nil
}

// run applies the message in the batch's transaction.
func (d *delivery) run(e *Endpoint) func(ctx context.Context, tx *sqldb.Tx) error {
	return func(ctx context.Context, tx *sqldb.Tx) error {
		if d.broken != nil {
			return d.broken
		}
		v, _ := tx.Local(verdictKey{e.cfg.Context, d.id})
		switch v {
		case claimed:
			tx.SetLocal(verdictKey{e.cfg.Context, d.id}, duplicate) // for a second copy in this batch, with whatever key
			return d.handler.apply(d.context(ctx), tx, d.body)
		case parked:
			return e.queueDeadLetter(tx, d, "parked", "parked behind a dead letter of the same key")
		}
		return nil
	}
}
