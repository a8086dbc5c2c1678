package notifications

import (
	"context"
	"errors"
	"time"

	"shop/internal/orders/ordersapi"
	"shop/internal/platform/sqldb"
)

// contact is whom to write to when the order does not say.
type contact struct {
	CustomerID string `db:"customer_id"`
	Name       string `db:"name"`
	Email      string `db:"email"`
	Erased     bool   `db:"erased"`
	Version    int64  `db:"version"`
}

// saveContact keeps the contact, unless a later version is there. Errors: sqldb.ErrUnavailable.
func saveContact(ctx context.Context, tx *sqldb.Tx, c contact) error {
	_, err := tx.Exec(ctx, `INSERT INTO contacts (customer_id, name, email, erased, version) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (customer_id) DO UPDATE SET name = excluded.name, email = excluded.email, erased = excluded.erased, version = excluded.version
		WHERE contacts.version < excluded.version`, c.CustomerID, c.Name, c.Email, c.Erased, c.Version)
	return err
}

// revive takes up what was skipped because nobody knew the customer, if it is not older than since. Errors: sqldb.ErrUnavailable.
func revive(ctx context.Context, tx *sqldb.Tx, customer string, since, now time.Time) (int64, error) {
	return tx.Exec(ctx, `UPDATE intents SET state = 'pending', problem = '', due_at = $3, updated_at = $3
		WHERE state = 'skipped' AND customer_id = $1 AND problem = $4 AND created_at >= $2`, customer, sqldb.Micros(since), sqldb.Micros(now), noAddress)
}

// forgetAddresses takes the customer out of all messages that may still hold an address. What was to be sent is skipped; what is unknown stays unknown.
// Errors: sqldb.ErrUnavailable.
func forgetAddresses(ctx context.Context, tx *sqldb.Tx, customer string, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE intents SET email = '', updated_at = $2,
			problem = CASE WHEN state IN ('pending', 'failed') THEN $3 ELSE '' END,
			due_at = CASE WHEN state = 'sending' THEN due_at ELSE 0 END,
			state = CASE WHEN state IN ('pending', 'failed') THEN 'skipped' ELSE state END
		WHERE id IN (SELECT id FROM intents WHERE due_at > 0 AND customer_id = $1
			UNION ALL SELECT id FROM intents WHERE state IN ('failed', 'unknown') AND customer_id = $1)`,
		customer, sqldb.Micros(now), wasErased)
	return err
}

// reachable is whether somebody can be written to: the order says an address, or the customer's profile does.
const reachable = `(r.email <> '' OR coalesce((SELECT NOT c.erased FROM contacts c WHERE c.customer_id = r.customer_id), false))`

// Whether the customer is known is asked by the statement that writes, so that a transaction takes no round trip for it. Both tables are asked by subqueries that can only be answered by key: a join,
// and EXISTS too, may be planned for tables that were empty when they were last looked at, and read all of them.
var insertIntents = sqldb.Many{
	SQL: `INSERT INTO intents (id, customer_id, email, data, state, channel, problem, attempts, claim, due_at, traceparent, created_at, updated_at, sent_at)
		SELECT r.id, r.customer_id, r.email, r.data, CASE WHEN ` + reachable + ` THEN 'pending' ELSE 'skipped' END, '',
			CASE WHEN ` + reachable + ` THEN '' ELSE '` + noAddress + `' END, 0, '', CASE WHEN ` + reachable + ` THEN r.created_at ELSE 0 END, r.traceparent, r.created_at, r.created_at, 0
		FROM {rows} WHERE (SELECT i.id FROM intents i WHERE i.id = r.id) IS NULL`,
	Columns: "id text, customer_id text, email text, data json, traceparent text, created_at bigint",
}

// insertIntent writes an intent at the end of the transaction, skipped when nobody can be written to. One that is there already stays as it is. (ON CONFLICT would have PostgreSQL log each
// row twice; when two of one id come at once, one transaction runs again and finds the other's.)
func insertIntent(tx *sqldb.Tx, s ordersapi.Summary, n news, traceparent string, now time.Time) {
	tx.Queue(&insertIntents, intentID(s.OrderID, n.kind, n.occasion), s.CustomerID, s.Email, sqldb.Marshal(n), traceparent, sqldb.Micros(now))
}

// claim takes a pending intent for an attempt that has to be over at until, and reports whether it could. The same claim may be made again.
// Errors: sqldb.ErrUnavailable.
func claim(ctx context.Context, tx *sqldb.Tx, id, name string, now, until time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE intents SET state = 'sending', attempts = attempts + 1, claim = $2, due_at = $4, updated_at = $3 WHERE id = $1 AND state = 'pending'`,
		id, name, sqldb.Micros(now), sqldb.Micros(until))
	if err != nil || n == 1 {
		return n == 1, err
	}
	var mine int
	err = tx.Get(ctx, &mine, `SELECT count(*) FROM intents WHERE id = $1 AND claim = $2 AND state = 'sending'`, id, name)
	return mine == 1, err
}

var recordOutcomes = sqldb.Many{
	SQL: `UPDATE intents SET state = r.state, channel = r.channel, problem = r.problem, attempts = r.attempts, due_at = r.due_at, sent_at = r.sent_at,
			updated_at = r.updated_at, email = CASE WHEN r.state = 'sent' THEN '' ELSE intents.email END
		FROM {rows} WHERE intents.id = r.id AND intents.claim = r.claim AND intents.state IN ('sending', 'unknown')`,
	Columns: "id text, claim text, state text, channel text, problem text, attempts bigint, due_at bigint, sent_at bigint, updated_at bigint",
}

// record writes at the end of the transaction what came of an attempt, unless somebody has decided otherwise about the message since.
func record(tx *sqldb.Tx, id, claim, channel, problem string, next attemptOver, now time.Time) {
	if next.state != sent {
		channel = ""
	}
	tx.Queue(&recordOutcomes, id, claim, string(next.state), channel, problem, next.attempts, sqldb.Micros(next.dueAt), sqldb.Micros(next.sentAt), sqldb.Micros(now))
}

var recordDecisions = sqldb.Many{
	SQL: `UPDATE intents SET state = r.state, channel = r.channel, problem = r.problem, due_at = 0, sent_at = r.sent_at, updated_at = r.updated_at,
			attempts = intents.attempts + r.tried, email = CASE WHEN r.state IN ('sent', 'skipped') THEN '' ELSE intents.email END
		FROM {rows} WHERE intents.id = r.id AND intents.state = r.was AND intents.claim = r.claim`,
	Columns: "id text, was text, claim text, state text, channel text, problem text, tried bigint, sent_at bigint, updated_at bigint",
}

// decide writes at the end of the transaction what an intent becomes without an attempt, if it is still as it was seen.
func decide(tx *sqldb.Tx, in intent, to state, channel, problem string, now time.Time) {
	at := sqldb.Micros(now)
	var tried, sentAt int64
	if to == sent {
		tried, sentAt = 1, at
	}
	tx.Queue(&recordDecisions, in.ID, string(in.State), in.Claim, string(to), channel, problem, tried, sentAt, at)
}

// askAgain makes a failed or unknown intent pending, as if it had never been tried. Errors: ErrNotFound, ErrNotResendable, sqldb.ErrUnavailable.
func askAgain(ctx context.Context, tx *sqldb.Tx, id string, now time.Time) error {
	n, err := tx.Exec(ctx, `UPDATE intents SET state = 'pending', attempts = 0, claim = '', problem = '', due_at = $2, updated_at = $2
		WHERE id = $1 AND state IN ('failed', 'unknown')`, id, sqldb.Micros(now))
	if err != nil || n == 1 {
		return err
	}
	var r row
	if err := tx.Get(ctx, &r, `SELECT `+columns+` FROM intents WHERE id = $1`, id); err != nil {
		if errors.Is(err, sqldb.ErrNoRows) {
			return ErrNotFound
		}
		return err
	}
	if r.State == pending && r.UpdatedAt == sqldb.Micros(now) && r.Attempts == 0 { // by an earlier attempt, whose commit nobody answered
		return nil
	}
	return ErrNotResendable
}
