package inventory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"shop/internal/platform/audit"
	"shop/internal/platform/sqldb"
)

const (
	// auditPage is how many SKUs are summed at once: no statement may run long.
	auditPage = 500
	// maxFindings of one kind are enough to know that something is broken.
	maxFindings = 100
	// overdue is how long past its time a reservation may still be held: the grace, and time for the sweep.
	overdue = 30 * time.Second
)

// Audit checks I1 (on_hand is the sum of the movements, reserved that of the reservations held and committed, 0 ≤ reserved ≤ on_hand) and
// I2 (no reservation is held past its expiry). Each statement sees one moment, so it may run beside everything else. Errors: fault Unavailable.
func (m *Module) Audit(ctx context.Context) ([]audit.Finding, error) {
	var findings []audit.Finding
	for _, check := range []func(context.Context) ([]audit.Finding, error){m.auditLedger, m.auditOrphans, m.auditReserved, m.auditLevels, m.auditExpiry} {
		found, err := check(ctx)
		if err != nil {
			return findings, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func finding(invariant, subject, format string, args ...any) audit.Finding {
	return audit.Finding{Invariant: invariant, Context: "inventory", Subject: subject, Detail: fmt.Sprintf(format, args...)}
}

// sums compares what is stored of a SKU with what it should be.
type sums struct {
	SKU    string `db:"sku"`
	Stored int64  `db:"stored"`
	Summed int64  `db:"summed"`
}

// auditLedger compares on_hand with the movements, a page of SKUs after another.
func (m *Module) auditLedger(ctx context.Context) ([]audit.Finding, error) {
	var findings []audit.Finding
	for after := ""; ; {
		var page []sums
		if err := m.db.Select(ctx, &page, `SELECT s.sku, s.on_hand AS stored,
				CAST(coalesce((SELECT sum(v.quantity) FROM movements v WHERE v.sku = s.sku), 0) AS BIGINT) AS summed
			FROM stock s WHERE s.sku > $1 ORDER BY s.sku LIMIT $2`, after, auditPage); err != nil {
			return findings, err
		}
		for _, s := range page {
			if s.Stored != s.Summed && len(findings) < maxFindings {
				findings = append(findings, finding("I1", s.SKU, "on_hand is %d, the movements sum to %d", s.Stored, s.Summed))
			}
		}
		if len(page) < auditPage {
			return findings, nil
		}
		after = page[len(page)-1].SKU
	}
}

// auditOrphans finds movements without stock. It jumps from SKU to SKU in the ledger's index, whatever the ledger's length.
func (m *Module) auditOrphans(ctx context.Context) ([]audit.Finding, error) {
	var skus []string
	err := m.db.Select(ctx, &skus, `WITH RECURSIVE moved(sku) AS (
			SELECT min(v.sku) FROM movements v
			UNION ALL
			SELECT (SELECT min(v.sku) FROM movements v WHERE v.sku > moved.sku) FROM moved WHERE moved.sku IS NOT NULL)
		SELECT moved.sku FROM moved LEFT JOIN stock s ON s.sku = moved.sku WHERE moved.sku IS NOT NULL AND s.sku IS NULL LIMIT $1`, maxFindings)
	var findings []audit.Finding
	for _, sku := range skus {
		findings = append(findings, finding("I1", sku, "there are movements, but no stock"))
	}
	return findings, err
}

// auditReserved compares reserved with the lines of the reservations, in one statement: two would see two moments.
func (m *Module) auditReserved(ctx context.Context) ([]audit.Finding, error) {
	query := `WITH wanted AS (
			SELECT e.value ->> 'sku' AS sku, sum(CAST(e.value ->> 'quantity' AS BIGINT)) AS quantity
			FROM reservations r, jsonb_array_elements(r.lines) AS e(value) WHERE r.status IN ('held', 'committed') GROUP BY 1)
		SELECT coalesce(s.sku, w.sku) AS sku, coalesce(s.reserved, 0) AS stored, CAST(coalesce(w.quantity, 0) AS BIGINT) AS summed
		FROM stock s FULL JOIN wanted w ON w.sku = s.sku WHERE coalesce(s.reserved, 0) <> coalesce(w.quantity, 0) LIMIT $1`
	if m.db.Dialect() == sqldb.SQLite {
		query = strings.Replace(query, "jsonb_array_elements(r.lines) AS e(value)", "json_each(r.lines) AS e", 1)
	}
	var rows []sums
	err := m.db.Select(ctx, &rows, query, maxFindings)
	var findings []audit.Finding
	for _, s := range rows {
		findings = append(findings, finding("I1", s.SKU, "reserved is %d, the reservations held and committed sum to %d", s.Stored, s.Summed))
	}
	return findings, err
}

// auditLevels repeats what the CHECK constraint says: a database restored without it must not go unnoticed.
func (m *Module) auditLevels(ctx context.Context) ([]audit.Finding, error) {
	var rows []levelRow
	err := m.db.Select(ctx, &rows, `SELECT sku, on_hand, reserved FROM stock WHERE reserved < 0 OR reserved > on_hand LIMIT $1`, maxFindings)
	var findings []audit.Finding
	for _, r := range rows {
		findings = append(findings, finding("I1", r.SKU, "reserved is %d of %d on hand", r.Reserved, r.OnHand))
	}
	return findings, err
}

// auditExpiry finds reservations that nobody ended.
func (m *Module) auditExpiry(ctx context.Context) ([]audit.Finding, error) {
	var rows []reservationRow
	err := m.db.Select(ctx, &rows, `SELECT reference, expires_at FROM reservations WHERE status = 'held' AND expires_at < $1 ORDER BY expires_at LIMIT $2`,
		sqldb.Micros(m.clock.Now().Add(-overdue)), maxFindings)
	var findings []audit.Finding
	for _, r := range rows {
		findings = append(findings, finding("I2", r.Reference, "held past its expiry at %s", sqldb.Time(r.ExpiresAt).Format(time.RFC3339)))
	}
	return findings, err
}
