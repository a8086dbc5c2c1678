package sqldb

import "context"

// Intrusions lists those of the schemas, other than its own, that this database's role could enter; none, as provisioned (I15). On SQLite, where each context has a
// file of its own, there is nothing to enter. Errors: ErrUnavailable.
func (db *DB) Intrusions(ctx context.Context, schemas []string) ([]string, error) {
	if db.dialect == SQLite {
		return nil, nil
	}
	var open []string
	err := db.Select(ctx, &open, `SELECT nspname::text FROM pg_namespace WHERE nspname IN {$1} AND nspname <> current_schema() AND has_schema_privilege(current_user, oid, 'USAGE') ORDER BY 1`, schemas)
	return open, err
}
