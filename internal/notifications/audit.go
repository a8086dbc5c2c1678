package notifications

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"shop/internal/platform/audit"
	"shop/internal/platform/sqldb"
)

// The invariants of this context.
const (
	invariantOnce  = "notifications.once"  // at most one notification for an order, a kind and an occasion, which only refunds have
	invariantEnds  = "notifications.ends"  // every intent is sent, or it is said why not; none waits for longer than an hour past its time
	invariantSent  = "notifications.sent"  // what was sent has a time, a channel, an attempt and no address any more; what was not has no time
	invariantReads = "notifications.reads" // its data can be read, and there is a template for it
)

// overdue is how long past its time an intent may wait before the audit asks why: a mail server that cannot be reached is noticed here.
const overdue = time.Hour

// auditPage is how many intents are checked at a time.
const auditPage = 1000

// auditedRow is a row with what is checked of the rest.
type auditedRow struct {
	row
	Email string     `db:"email"`
	Data  sqldb.JSON `db:"data"`
}

// Audit checks every intent, a page at a time, in the order of orders and kinds. Errors: fault Unavailable.
func (m *Module) Audit(ctx context.Context) ([]audit.Finding, error) {
	var findings []audit.Finding
	late := sqldb.Micros(m.clock.Now().Add(-overdue))
	var last auditedRow
	for {
		var rows []auditedRow
		if err := m.db.Select(ctx, &rows, `SELECT `+columns+`, email, data FROM intents WHERE id > $1 ORDER BY id LIMIT $2`, last.ID, auditPage); err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return findings, nil
		}
		for _, r := range rows {
			findings = append(findings, r.findings(late)...)
			last = r
		}
	}
}

func (r auditedRow) findings(late int64) []audit.Finding {
	var findings []audit.Finding
	found := func(invariant, format string, args ...any) {
		findings = append(findings, audit.Finding{Invariant: invariant, Context: "notifications", Subject: r.ID, Detail: fmt.Sprintf(format, args...)})
	}
	orderID, k, occasion := partsOf(r.ID)
	if r.ID != intentID(orderID, k, occasion) || occasion != "" && k != refundedKind { // ids are unique, so two about the same would have to have one that is not made of it
		found(invariantOnce, "it is one more about %s, %s", orderID, k)
	}
	open := r.State == pending || r.State == sending
	if open != (r.DueAt > 0) || open && r.DueAt < late || r.State == skipped && r.Problem == "" || r.State == failed && r.Problem == "" {
		found(invariantEnds, "it is %s, and waits since %s", r.State, sqldb.Time(r.DueAt))
	}
	isSent := r.State == sent
	if isSent != (r.SentAt > 0) || isSent != (r.Channel != "") || isSent && (r.Attempts < 1 || r.Email != "" || r.SentAt < r.CreatedAt) {
		found(invariantSent, "it is %s through %q at %d after %d attempts", r.State, r.Channel, r.SentAt, r.Attempts)
	}
	if _, known := messages[k]; !known || !json.Valid(r.Data) {
		found(invariantReads, "nothing can be made of what it is about")
	}
	return findings
}
