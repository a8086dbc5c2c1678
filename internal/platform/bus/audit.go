package bus

import (
	"context"
	"fmt"
	"time"

	"shop/internal/platform/audit"
	"shop/internal/platform/sqldb"
)

// auditLag is how old a message may get in an outbox that somebody relays.
const auditLag = 5 * time.Minute

// Audit checks what must be true of a context's messages: none is dead (I13), none was applied and is dead as well (I9), and where a process leads, the outbox
// empties (I13). Errors: sqldb.ErrUnavailable.
func (e *Endpoint) Audit(ctx context.Context) ([]audit.Finding, error) {
	var found []audit.Finding
	report := func(invariant, subject, detail string) {
		found = append(found, audit.Finding{Invariant: invariant, Context: e.cfg.Context, Subject: subject, Detail: detail})
	}
	var dead []DeadLetter
	if err := e.cfg.DB.Select(ctx, &dead, `SELECT `+deadLetterColumns+` FROM dead_letters WHERE state = 'dead' ORDER BY id LIMIT 100`); err != nil {
		return nil, err
	}
	for _, d := range dead {
		report("I13", d.Key, "dead letter "+d.Type+": "+d.Error)
	}
	var twice []string
	if err := e.cfg.DB.Select(ctx, &twice, `SELECT d.message_id FROM dead_letters d JOIN inbox i ON i.consumer = d.consumer AND i.parcel = d.parcel
		AND (i.applied & d.bit) <> 0 LIMIT 100`); err != nil {
		return nil, err
	}
	for _, id := range twice {
		report("I9", id, "the message was applied and is among the dead letters too")
	}
	var stuck []struct {
		ID    int64  `db:"id"`
		Topic string `db:"topic"`
	}
	now := e.cfg.Clock.Now()
	if err := e.cfg.DB.Select(ctx, &stuck, `SELECT id, topic FROM outbox WHERE created_at < $1
		AND EXISTS (SELECT 1 FROM leases WHERE name = $2 AND expires_at > $3) ORDER BY id LIMIT 100`,
		sqldb.Micros(now.Add(-auditLag)), leaseName, sqldb.Micros(now)); err != nil {
		return nil, err
	}
	for _, m := range stuck {
		report("I13", m.Topic, fmt.Sprintf("row %d waits in the outbox although a process relays it", m.ID))
	}
	return found, nil
}
