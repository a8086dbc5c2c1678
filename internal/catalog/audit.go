package catalog

import (
	"context"
	"fmt"

	"shop/internal/platform/audit"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
)

// The invariants of this context, beside the constraints of its tables.
const (
	invariantProduct = "catalog.product" // a product keeps the rules that every input keeps, and its times are in order
	invariantSearch  = "catalog.search"  // what is searched is what is shown
	invariantChange  = "catalog.change"  // no product is of a change that was not counted: other replicas would never see it
)

// auditPage is how many products are checked at a time.
const auditPage = 1000

type auditedProduct struct {
	product
	Search string `db:"search"`
}

// Audit checks every product, a page at a time. Errors: fault Unavailable.
func (m *Module) Audit(ctx context.Context) ([]audit.Finding, error) {
	var findings []audit.Finding
	for after := ""; ; {
		var rows []auditedProduct
		if err := m.db.Select(ctx, &rows, `SELECT sku, name, description, price_amount, price_currency, active, version, change, created_at, updated_at, search
			FROM products WHERE sku > $1 ORDER BY sku LIMIT $2`, after, auditPage); err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return findings, nil
		}
		after = rows[len(rows)-1].SKU
		var counted int64 // read after the rows: changes of the meantime are counted too
		if err := m.db.Get(ctx, &counted, `SELECT last FROM change_counter WHERE id = 1`); err != nil {
			return nil, err
		}
		for _, row := range rows {
			findings = append(findings, row.findings(counted)...)
		}
	}
}

func (p auditedProduct) findings(counted int64) []audit.Finding {
	var findings []audit.Finding
	found := func(invariant, format string, args ...any) {
		findings = append(findings, audit.Finding{Invariant: invariant, Context: "catalog", Subject: p.SKU, Detail: fmt.Sprintf(format, args...)})
	}
	s := spec{SKU: p.SKU, Name: p.Name, Description: p.Description, Price: p.price().Price, Active: p.Active}
	if err := s.check("product"); err != nil {
		found(invariantProduct, "%v: %v", err, fault.As(err).Fields)
	}
	if p.CreatedAt <= 0 || p.UpdatedAt < p.CreatedAt {
		found(invariantProduct, "made at %s, changed at %s", sqldb.Time(p.CreatedAt), sqldb.Time(p.UpdatedAt))
	}
	if p.Search != p.searchText() {
		found(invariantSearch, "is not found by its SKU and name")
	}
	if p.Change < 1 || p.Change > counted {
		found(invariantChange, "was changed by change %d of %d", p.Change, counted)
	}
	return findings
}
