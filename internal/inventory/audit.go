package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"shop/internal/platform/audit"
	"shop/internal/platform/sqldb"
)

const (
	// auditSKUs and auditReservations are how many rows are looked at in one statement: none may run long.
	auditSKUs, auditReservations = 100, 5000
	// maxFindings of one kind are enough to know that something is broken.
	maxFindings = 100
	// overdue is how long a reservation may still be held past its time, or, when a sweep came late, past the question to its owner: the grace, and time for the sweep.
	overdue = 30 * time.Second
)

// Audit checks I1 (on_hand is the sum of the movements, reserved that of the reservations held and committed, 0 ≤ reserved ≤ on_hand) and
// I2 (no reservation is held past its expiry). It may run beside everything else. Errors: fault Unavailable.
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
			FROM stock s WHERE s.sku > $1 ORDER BY s.sku LIMIT $2`, after, auditSKUs); err != nil {
			return findings, err
		}
		for _, s := range page {
			if s.Stored != s.Summed && len(findings) < maxFindings {
				findings = append(findings, finding("I1", s.SKU, "on_hand is %d, the movements sum to %d", s.Stored, s.Summed))
			}
		}
		if len(page) < auditSKUs {
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

// auditReserved compares reserved with the lines of the reservations. Reading them all takes a while, in which stock moves on; so what does
// not agree then is only suspected, and looked at again in one moment.
func (m *Module) auditReserved(ctx context.Context) ([]audit.Finding, error) {
	wanted, err := m.sumReservations(ctx)
	if err != nil {
		return nil, err
	}
	for after := ""; ; {
		page, err := m.levelsAfter(ctx, after, auditSKUs)
		if err != nil {
			return nil, err
		}
		for _, l := range page {
			if wanted[l.SKU] -= l.Reserved; wanted[l.SKU] == 0 {
				delete(wanted, l.SKU)
			}
		}
		if len(page) < auditSKUs {
			break
		}
		after = page[len(page)-1].SKU
	}
	return m.auditSuspects(ctx, slices.Sorted(maps.Keys(wanted)))
}

// sumReservations sums the lines of all reservations held and committed, by SKU.
func (m *Module) sumReservations(ctx context.Context) (map[string]int64, error) {
	reserved := map[string]int64{}
	for after := ""; ; {
		var page []reservationRow
		if err := m.db.Select(ctx, &page, `SELECT reference, lines FROM reservations
			WHERE reference > $1 AND status IN ('held', 'committed') ORDER BY reference LIMIT $2`, after, auditReservations); err != nil {
			return nil, err
		}
		for _, row := range page {
			r, err := row.reservation()
			if err != nil {
				return nil, err
			}
			for _, l := range r.lines {
				reserved[l.SKU] += l.Quantity
			}
		}
		if len(page) < auditReservations {
			return reserved, nil
		}
		after = page[len(page)-1].Reference
	}
}

// auditSuspects compares the stock of some SKUs with the reservations in one statement, which sees one moment.
func (m *Module) auditSuspects(ctx context.Context, skus []string) ([]audit.Finding, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	query := `WITH wanted AS (
			SELECT e.value ->> 'sku' AS sku, sum(CAST(e.value ->> 'quantity' AS BIGINT)) AS quantity
			FROM reservations r, json_array_elements(r.lines) AS e(value) WHERE r.status IN ('held', 'committed') GROUP BY 1)
		SELECT coalesce(s.sku, w.sku) AS sku, coalesce(s.reserved, 0) AS stored, CAST(coalesce(w.quantity, 0) AS BIGINT) AS summed
		FROM stock s FULL JOIN wanted w ON w.sku = s.sku
		WHERE coalesce(s.sku, w.sku) IN {$1} AND coalesce(s.reserved, 0) <> coalesce(w.quantity, 0) LIMIT $2`
	if m.db.Dialect() == sqldb.SQLite {
		query = strings.Replace(query, "json_array_elements(r.lines) AS e(value)", "json_each(r.lines) AS e", 1)
	}
	var rows []sums
	err := m.db.Select(ctx, &rows, query, skus, maxFindings)
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
	err := m.db.Select(ctx, &rows, `SELECT reference, expires_at FROM reservations WHERE status = 'held' AND expires_at < $1 AND asked_at < $1 ORDER BY expires_at LIMIT $2`,
		sqldb.Micros(m.clock.Now().Add(-overdue)), maxFindings)
	var findings []audit.Finding
	for _, r := range rows {
		findings = append(findings, finding("I2", r.Reference, "held past its expiry at %s", sqldb.Time(r.ExpiresAt).Format(time.RFC3339)))
	}
	return findings, err
}
