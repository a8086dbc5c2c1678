package customers

import (
	"context"
	"fmt"
	"net/mail"

	"shop/internal/platform/audit"
)

// The invariants of this context.
const (
	invariantProfile   = "customers.profile"   // a customer has a name and an address to write to, and is found by it
	invariantErased    = "customers.erased"    // nothing is left of an erased customer but the id
	invariantAddresses = "customers.addresses" // at most 50 addresses, each id once, at most one default
	invariantVersion   = "customers.version"   // times are in order, and the first version is the one that was made
)

// auditPage is how many customers are checked at a time.
const auditPage = 1000

// Audit checks every customer, a page at a time. Errors: fault Unavailable.
func (m *Module) Audit(ctx context.Context) ([]audit.Finding, error) {
	var findings []audit.Finding
	for after := ""; ; {
		var rows []row
		if err := m.db.Select(ctx, &rows, `SELECT `+columns+` FROM customers WHERE id > $1 ORDER BY id LIMIT $2`, after, auditPage); err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return findings, nil
		}
		after = rows[len(rows)-1].ID
		for _, r := range rows {
			findings = append(findings, r.findings()...)
		}
	}
}

func (r row) findings() []audit.Finding {
	var findings []audit.Finding
	found := func(invariant, format string, args ...any) {
		findings = append(findings, audit.Finding{Invariant: invariant, Context: "customers", Subject: r.ID, Detail: fmt.Sprintf(format, args...)})
	}
	c, err := r.customer()
	if err != nil {
		found(invariantAddresses, "its addresses cannot be read")
		return findings
	}
	if c.status == erased {
		if c.profile != (profile{}) || r.EmailKey != "" || len(c.addresses) > 0 {
			found(invariantErased, "it was erased, and something of it is still there")
		}
	} else if _, err := mail.ParseAddress(c.profile.email); err != nil || c.profile.name == "" || r.EmailKey != emailKey(c.profile.email) {
		found(invariantProfile, "it has no name or no email address, or is not found by it")
	}
	ids, defaults := map[string]bool{}, 0
	for _, a := range c.addresses {
		ids[a.ID] = true
		if a.Default {
			defaults++
		}
	}
	if len(ids) != len(c.addresses) || len(c.addresses) > maxAddresses || defaults > 1 || ids[""] {
		found(invariantAddresses, "it has %d addresses with %d ids, %d of them the default", len(c.addresses), len(ids), defaults)
	}
	if r.CreatedAt <= 0 || r.UpdatedAt < r.CreatedAt || r.Version == 1 && r.UpdatedAt != r.CreatedAt {
		found(invariantVersion, "version %d was made at %d and changed at %d", r.Version, r.CreatedAt, r.UpdatedAt)
	}
	return findings
}
