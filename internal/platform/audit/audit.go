// Package audit is how a context reports that one of the invariants of docs/reference/invariants.md does not hold.
package audit

import "context"

// Finding is one row that breaks an invariant.
type Finding struct {
	Invariant string `json:"invariant"` // I1 … I15
	Context   string `json:"context"`
	Subject   string `json:"subject"` // the id of what is broken
	Detail    string `json:"detail"`
}

// Auditor checks a context's invariants on its live database. An error means that it could not look, not that something is broken.
type Auditor interface {
	Audit(ctx context.Context) ([]Finding, error)
}
