// Package migrations holds the schema of every context, one directory a context, forward only. The directory platform is applied to each context's
// database before its own: the tables of outbox, inbox, dead letters, leases and idempotency keys.
package migrations

import "embed"

// Files are the migrations by directory.
//
//go:embed */*.sql
var Files embed.FS
