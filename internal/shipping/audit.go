package shipping

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"shop/internal/platform/audit"
	"shop/internal/shipping/shippingapi"
)

// The invariants of this context, beside I14.
const (
	invariantTimes = "shipping.times" // a shipment's times are in order and say what its status says
	invariantLines = "shipping.lines" // a shipment has lines; a tombstone is cancelled and has none
)

// auditPage is how many shipments are checked at a time.
const auditPage = 1000

// Audit checks every shipment, a page at a time, in the order of references: I14 as far as it can be seen here (at most one shipment for a reference), its times and its lines.
// Errors: fault Unavailable.
func (m *Module) Audit(ctx context.Context) ([]audit.Finding, error) {
	var findings []audit.Finding
	var last row
	for {
		var rows []row
		if err := m.db.Select(ctx, &rows, `SELECT `+columns+` FROM shipments WHERE (reference, id) > ($1, $2) ORDER BY reference, id LIMIT $3`,
			last.Reference, last.ID, auditPage); err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return findings, nil
		}
		for _, r := range rows {
			if r.Reference == last.Reference {
				findings = append(findings, finding("I14", r.ID, "%s has this shipment and %s", r.Reference, last.ID))
			}
			findings = append(findings, r.findings()...)
			last = r
		}
	}
}

func finding(invariant, subject, format string, args ...any) audit.Finding {
	return audit.Finding{Invariant: invariant, Context: "shipping", Subject: subject, Detail: fmt.Sprintf(format, args...)}
}

// happened says which times a shipment of a status has: dispatched, delivered, returned, cancelled. A returned one may have been delivered, or not.
var happened = map[status][][4]bool{
	created:    {{}},
	dispatched: {{true}},
	delivered:  {{true, true}},
	returned:   {{true, false, true}, {true, true, true}},
	cancelled:  {{false, false, false, true}},
}

func (r row) findings() []audit.Finding {
	var findings []audit.Finding
	found := func(invariant, format string, args ...any) {
		findings = append(findings, finding(invariant, r.ID, format, args...))
	}
	times := [4]int64{r.DispatchedAt, r.DeliveredAt, r.ReturnedAt, r.CancelledAt}
	var did [4]bool
	before := r.CreatedAt
	for i, t := range times {
		did[i] = t != 0
		if did[i] && t < before {
			found(invariantTimes, "its times are not in order")
		}
		before = max(before, t)
	}
	if !slices.Contains(happened[r.Status], did) {
		found(invariantTimes, "it is %s, but its times say something else", r.Status)
	}
	if r.CreatedAt <= 0 || r.UpdatedAt < before {
		found(invariantTimes, "it was changed at %d, before it became %s", r.UpdatedAt, r.Status)
	}
	var lines []shippingapi.Line
	if err := json.Unmarshal(r.Lines, &lines); err != nil {
		found(invariantLines, "its lines cannot be read")
	}
	if r.Tombstone != (len(lines) == 0) || r.Tombstone && r.Status != cancelled {
		found(invariantLines, "it is %s and has %d lines", r.Status, len(lines))
	}
	for _, l := range lines {
		if l.SKU == "" || l.Quantity < 1 {
			found(invariantLines, "it has a line of %d units", l.Quantity)
		}
	}
	return findings
}
