package bus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"shop/internal/platform/sqldb"
)

// The inbox has a row for each parcel, and in it a bit for each of its messages that was applied. Messages that left together mostly arrive together, and are applied in one
// transaction: a row for each would be most of what a consumer writes.

// placeOf says where the inbox keeps a message. An id that pack did not make has a row of its own, with a bit that no message of a parcel has.
func placeOf(messageID string) (parcel string, bit int64) {
	if dot := strings.LastIndexByte(messageID, '.'); dot > 0 {
		place := messageID[dot+1:]
		if i, err := strconv.ParseUint(place, 10, 8); err == nil && i < parcelMessages && (place[0] != '0' || place == "0") { // 07 is not 7, but another message
			return messageID[:dot], 1 << i
		}
	}
	return messageID, 1 << parcelMessages
}

// verdict says what is to be done with a message of a batch.
type verdict uint8

const (
	claimed   verdict = iota + 1 // the inbox had it not: apply it
	duplicate                    // it was applied before
	parked                       // its key waits behind a dead letter
)

type verdictKey struct{ consumer, message string }

// mark is what a transaction adds to the inbox: messages of one parcel.
type mark struct {
	bits int64
	keys []string
}

// marksOf gathers messages by parcel.
func marksOf(deliveries []*delivery) map[string]*mark {
	marks := make(map[string]*mark, 8)
	for _, d := range deliveries {
		m := marks[d.parcel]
		if m == nil {
			m = &mark{}
			marks[d.parcel] = m
		}
		m.bits |= d.bit
		m.keys = append(m.keys, d.key)
	}
	return marks
}

// parcelsOf are the parcels of marks. All processes claim in one order, so that they do not deadlock.
func parcelsOf(marks map[string]*mark) []string { return slices.Sorted(maps.Keys(marks)) }

const onlyNew = `ON CONFLICT (consumer, parcel) DO UPDATE SET applied = inbox.applied | excluded.applied WHERE (inbox.applied & excluded.applied) = 0`

// claimAll claims messages that are new and wait behind nothing, or fails: Exact sees that one was applied before, and a division by zero (on SQLite NULL, which the
// column refuses) that a key among them may have a dead letter. That there is no dead letter at all is found out once for all rows.
var claimAll = sqldb.Many{
	SQL: `INSERT INTO inbox (consumer, parcel, applied, applied_at)
		SELECT r.consumer, r.parcel, r.applied / CASE WHEN NOT EXISTS (SELECT 1 FROM dead_letters) OR NOT EXISTS (
			SELECT 1 FROM dead_letters d WHERE d.consumer = r.consumer AND (d.key = '' OR replace(r.keys, d.key, '') <> r.keys)) THEN 1 ELSE 0 END, r.applied_at
		FROM {rows} WHERE true ` + onlyNew,
	Columns: "consumer text, parcel text, applied bigint, keys text, applied_at bigint",
	Exact:   true,
}

// assume takes all messages for new ones that wait behind nothing.
func (c *consumer) assume(ctx context.Context, tx *sqldb.Tx, args []any) error {
	deliveries := deliveriesOf(args)
	for _, d := range deliveries {
		tx.SetLocal(verdictKey{c.ep.cfg.Context, d.id}, claimed)
	}
	if err := c.prefetch(ctx, tx, deliveries, true); err != nil { // before anything is queued, which would be written before what is read
		return err
	}
	now, marks := sqldb.Micros(c.ep.cfg.Clock.Now()), marksOf(deliveries)
	for _, parcel := range parcelsOf(marks) {
		m := marks[parcel]
		tx.Queue(&claimAll, c.ep.cfg.Context, parcel, m.bits, strings.Join(m.keys, "\n"), now)
	}
	return nil
}

func deliveriesOf(args []any) []*delivery {
	deliveries := make([]*delivery, len(args))
	for i, a := range args {
		deliveries[i] = a.(*delivery)
		deliveries[i].decode()
	}
	return deliveries
}

var (
	// lockParcels makes sure that there are the rows, holds them until the end of the transaction, and says what was applied.
	lockParcels = sqldb.Many{
		SQL: `INSERT INTO inbox (consumer, parcel, applied, applied_at) SELECT r.consumer, r.parcel, 0, r.applied_at FROM {rows} WHERE true
			ON CONFLICT (consumer, parcel) DO UPDATE SET applied = inbox.applied RETURNING parcel, applied`,
		Columns: "consumer text, parcel text, applied_at bigint",
	}
	markApplied = sqldb.Many{
		SQL: `UPDATE inbox SET applied = inbox.applied | r.applied FROM {rows} WHERE inbox.consumer = r.consumer AND inbox.parcel = r.parcel
			AND (inbox.applied & r.applied) = 0`,
		Columns: "consumer text, parcel text, applied bigint",
		Exact:   true,
	}
	findParked = sqldb.Many{
		SQL:     `SELECT DISTINCT d.key FROM {rows} JOIN dead_letters d ON d.consumer = r.consumer AND d.key = r.key`,
		Columns: "consumer text, key text",
	}
)

// prepare finds out which messages of the batch are new, claims them, then loads what their handlers will want.
func (c *consumer) prepare(ctx context.Context, tx *sqldb.Tx, args []any) error {
	deliveries := deliveriesOf(args)
	applied, err := c.lock(ctx, tx, marksOf(deliveries))
	if err != nil {
		return err
	}
	waiting, err := c.parkedKeys(ctx, tx, deliveries)
	if err != nil {
		return err
	}
	var fresh []*delivery
	for _, d := range deliveries {
		v := claimed
		switch {
		case applied[d.parcel]&d.bit != 0:
			v = duplicate
		case waiting[d.key]:
			v = parked
		default:
			fresh = append(fresh, d)
		}
		tx.SetLocal(verdictKey{c.ep.cfg.Context, d.id}, v)
	}
	if err := c.prefetch(ctx, tx, fresh, false); err != nil {
		return err
	}
	marks := marksOf(fresh)
	for _, parcel := range parcelsOf(marks) {
		tx.Queue(&markApplied, c.ep.cfg.Context, parcel, marks[parcel].bits)
	}
	return nil
}

// lock holds the rows of the parcels and returns what was applied of each.
func (c *consumer) lock(ctx context.Context, tx *sqldb.Tx, marks map[string]*mark) (map[string]int64, error) {
	now := sqldb.Micros(c.ep.cfg.Clock.Now())
	var rows [][]any
	for _, parcel := range parcelsOf(marks) {
		rows = append(rows, []any{c.ep.cfg.Context, parcel, now})
	}
	var found []struct {
		Parcel  string `db:"parcel"`
		Applied int64  `db:"applied"`
	}
	if err := sqldb.SelectMany(ctx, tx, &lockParcels, rows, &found); err != nil {
		return nil, err
	}
	applied := make(map[string]int64, len(found))
	for _, f := range found {
		applied[f.Parcel] = f.Applied
	}
	return applied, nil
}

// parkedKeys are those of the messages' keys that have dead letters.
func (c *consumer) parkedKeys(ctx context.Context, tx *sqldb.Tx, deliveries []*delivery) (map[string]bool, error) {
	rows := make([][]any, len(deliveries))
	for i, d := range deliveries {
		rows[i] = []any{c.ep.cfg.Context, d.key}
	}
	var found []string
	if err := sqldb.SelectMany(ctx, tx, &findParked, rows, &found); err != nil {
		return nil, err
	}
	waiting := make(map[string]bool, len(found))
	for _, key := range found {
		waiting[key] = true
	}
	return waiting, nil
}

// prefetch loads, or assumes, what the handlers of the messages will want.
func (c *consumer) prefetch(ctx context.Context, tx *sqldb.Tx, deliveries []*delivery, assume bool) error {
	bodies := map[*handler][]any{}
	var order []*handler
	for _, d := range deliveries {
		if d.body == nil || d.handler.prefetch == nil {
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
			return d.handler.apply(ctx, tx, d.body)
		case parked:
			return e.queueDeadLetter(tx, d, "parked", "parked behind a dead letter of the same key")
		}
		return nil
	}
}

// claimOne claims a message outside a batch, and reports whether it was new. Errors: those of the transaction.
func claimOne(ctx context.Context, tx *sqldb.Tx, consumer, messageID string, now int64) (bool, error) {
	parcel, bit := placeOf(messageID)
	n, err := tx.Exec(ctx, `INSERT INTO inbox (consumer, parcel, applied, applied_at) VALUES ($1, $2, $3, $4) `+onlyNew, consumer, parcel, bit, now)
	return n == 1, err
}
