package bus

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"shop/internal/platform/clock"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// DeadLetter is a message that could not be applied (dead), or one that waits behind such a message of its key (parked), or one that an operator
// sent again (replay).
type DeadLetter struct {
	ID        int64      `db:"id" json:"id"`
	Consumer  string     `db:"consumer" json:"consumer"`
	MessageID string     `db:"message_id" json:"message_id"`
	Type      string     `db:"type" json:"type"`
	Key       string     `db:"key" json:"key"`
	Headers   sqldb.JSON `db:"headers" json:"headers"`
	Body      sqldb.JSON `db:"body" json:"body"`
	State     string     `db:"state" json:"state"`
	Error     string     `db:"error" json:"error"`
	Attempts  int64      `db:"attempts" json:"attempts"`
	CreatedAt int64      `db:"created_at" json:"created_at_us"` // microseconds since 1970
}

const deadLetterColumns = `id, consumer, message_id, type, key, headers, body, state, error, attempts, created_at`

// ErrNoDeadLetter: there is no dead letter of that number.
var ErrNoDeadLetter = fault.New(fault.NotFound, "dead_letter_not_found", "there is no such dead letter")

// DeadLetters lists up to limit messages with a number above after. Errors: sqldb.ErrUnavailable.
func DeadLetters(ctx context.Context, db *sqldb.DB, after int64, limit int) ([]DeadLetter, error) {
	var list []DeadLetter
	err := db.Select(ctx, &list, `SELECT `+deadLetterColumns+` FROM dead_letters WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	return list, err
}

// FindDeadLetter reads one. Errors: ErrNoDeadLetter.
func FindDeadLetter(ctx context.Context, db *sqldb.DB, id int64) (DeadLetter, error) {
	var d DeadLetter
	err := db.Get(ctx, &d, `SELECT `+deadLetterColumns+` FROM dead_letters WHERE id = $1`, id)
	if errors.Is(err, sqldb.ErrNoRows) {
		return d, ErrNoDeadLetter
	}
	return d, err
}

// Replay asks the process that leads the context to apply the message again, and those parked behind it. It happens soon after. Errors: ErrNoDeadLetter.
func Replay(ctx context.Context, db *sqldb.DB, id int64) error {
	err := db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE dead_letters SET state = 'replay' WHERE id = $1`, id)
		if err == nil && n == 0 {
			return ErrNoDeadLetter
		}
		return err
	})
	return err
}

// Discard gives a message up for good: no copy of it that comes later is applied. Those parked behind it are. Errors: ErrNoDeadLetter.
func Discard(ctx context.Context, db *sqldb.DB, id int64) error {
	d, err := FindDeadLetter(ctx, db, id)
	if err != nil {
		return err
	}
	return db.Write(ctx, d.Key, func(ctx context.Context, tx *sqldb.Tx) error {
		if fresh, err := claimOne(ctx, tx, d.Consumer, d.MessageID, sqldb.Micros(clock.System.Now())); err != nil || !fresh {
			return err // discarded or applied already
		}
		_, err = tx.Exec(ctx, `DELETE FROM dead_letters WHERE id = $1`, id)
		return err
	})
}

// MarshalJSON shows a body that is not JSON, which may be why the message is here, as a string.
func (d DeadLetter) MarshalJSON() ([]byte, error) {
	type plain DeadLetter
	if !json.Valid(d.Body) {
		d.Body = sqldb.Marshal(string(d.Body))
	}
	return json.Marshal(plain(d))
}

var insertDeadLetter = sqldb.Many{
	SQL: `INSERT INTO dead_letters (consumer, message_id, parcel, bit, type, key, headers, body, state, error, attempts, created_at)
		SELECT r.consumer, r.message_id, r.parcel, r.bit, r.type, r.key, r.headers, r.body, r.state, r.error, r.attempts, r.created_at FROM {rows}
		WHERE NOT EXISTS (SELECT 1 FROM inbox i WHERE i.consumer = r.consumer AND i.parcel = r.parcel AND (i.applied & r.bit) <> 0)
		ON CONFLICT (consumer, message_id) DO NOTHING`,
	Columns: "consumer text, message_id text, parcel text, bit bigint, type text, key text, headers text, body text, state text, error text, attempts bigint, created_at bigint",
}

// queueDeadLetter stores the message, unless a copy of it was applied meanwhile.
func (e *Endpoint) queueDeadLetter(tx *sqldb.Tx, d *delivery, state, why string) error {
	head, err := json.Marshal(d.headers())
	if err != nil {
		return err
	}
	tx.Queue(&insertDeadLetter, e.cfg.Context, d.id, d.parcel, d.bit, d.typ, d.key, string(head), storable(string(d.msg.Payload)), state, storable(why), d.attempts,
		sqldb.Micros(e.cfg.Clock.Now()))
	return nil
}

// storable is s as both databases can store it: valid UTF-8 without NUL. What encoding/json makes of the rest is the same.
func storable(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// replayPolls is how rarely dead letters are looked at, in times that the outbox is: an operator has sent them again, and a shop at rest costs little.
const replayPolls = 2

// replayLoop applies what an operator sent again, and what is parked behind nothing any more, key by key in order.
func (e *Endpoint) replayLoop(ctx context.Context) {
	tick := time.NewTicker(replayPolls * e.cfg.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var first []DeadLetter // the first of each key, if it is not dead
		err := e.cfg.DB.Select(ctx, &first, `SELECT `+deadLetterColumns+` FROM dead_letters WHERE state <> 'dead' AND consumer = $1
			AND NOT EXISTS (SELECT 1 FROM dead_letters b WHERE b.consumer = dead_letters.consumer AND b.key = dead_letters.key AND b.id < dead_letters.id)
			ORDER BY id LIMIT 100`, e.cfg.Context)
		if err != nil && ctx.Err() == nil {
			e.cfg.Log.Warn("dead letters cannot be read", zap.Error(err))
		}
		for _, d := range first {
			e.replayKey(ctx, d)
		}
	}
}

// replayKey applies a message and what is parked behind it, until one fails.
func (e *Endpoint) replayKey(ctx context.Context, d DeadLetter) {
	for ctx.Err() == nil {
		if err := e.replayOne(ctx, d); err != nil {
			about := telemetry.SubjectOfMessage(d.MessageID, d.Key)
			e.cfg.Log.Warn("replay failed", telemetry.Fields(telemetry.WithSubject(ctx, &about)), zap.Int64("dead_letter", d.ID), zap.String("type", d.Type), zap.Error(err))
			return
		}
		err := e.cfg.DB.Get(ctx, &d, `SELECT `+deadLetterColumns+` FROM dead_letters WHERE consumer = $1 AND key = $2 ORDER BY id LIMIT 1`, d.Consumer, d.Key)
		if err != nil || d.State == "dead" {
			return
		}
	}
}

// replayOne applies one dead letter in one transaction with its inbox row and its removal. A failure makes it dead again, with the new error.
func (e *Endpoint) replayOne(ctx context.Context, d DeadLetter) error {
	err := e.applyAgain(ctx, d)
	if err == nil || errors.Is(err, sqldb.ErrUnavailable) {
		return err
	}
	return errors.Join(err, e.cfg.DB.Write(ctx, d.Key, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE dead_letters SET state = 'dead', error = $2, attempts = attempts + 1 WHERE id = $1`, d.ID, storable(err.Error()))
		return err
	}))
}

func (e *Endpoint) applyAgain(ctx context.Context, d DeadLetter) (err error) {
	h := e.handlers[d.Type]
	if h == nil || h.apply == nil {
		return errors.New("no handler for " + d.Type)
	}
	body, err := h.decode(d.Body)
	if err != nil {
		return err
	}
	msg := message.NewMessage(d.MessageID, message.Payload(d.Body))
	if err := json.Unmarshal(d.Headers, &msg.Metadata); err != nil {
		return err
	}
	replay := &delivery{msg: msg, id: d.MessageID, typ: d.Type, key: d.Key, handler: h, body: body}
	ctx, span := replay.again(ctx, e, d.ID)
	defer func() { ended(span, err) }()
	return e.cfg.DB.Write(ctx, d.Key, func(ctx context.Context, tx *sqldb.Tx) error {
		if n, err := tx.Exec(ctx, `DELETE FROM dead_letters WHERE id = $1`, d.ID); err != nil || n == 0 {
			return err // gone: discarded, or replayed by another
		}
		if fresh, err := claimOne(ctx, tx, e.cfg.Context, d.MessageID, sqldb.Micros(e.cfg.Clock.Now())); err != nil || !fresh {
			return err
		}
		if h.prefetch != nil {
			if err := h.prefetch(ctx, tx, []any{body}); err != nil {
				return err
			}
		}
		return h.apply(ctx, tx, body)
	})
}
