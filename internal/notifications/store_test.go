package notifications

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

// A new shop's tables are empty when its first statements are planned, and the plans are kept until the server next looks at the tables.
func TestIntentsAreWrittenByKeyThoughTheTablesWereEmptyWhenThatWasPlanned(t *testing.T) {
	db := dbtest.Open(t, "notifications", pgtest.NewDatabase(t))
	insert := func(ctx context.Context, tx *sqldb.Tx, from, n int) (rowsRead int, err error) {
		var rows [][]any
		for i := range n {
			rows = append(rows, []any{fmt.Sprintf("ord_%d.order_confirmed", from+i), "cus_1", "", "{}", "", int64(1)})
		}
		if _, err := tx.ExecMany(ctx, &insertIntents, rows); err != nil {
			return 0, err
		}
		err = tx.Get(ctx, &rowsRead, `SELECT CAST(sum(idx_tup_fetch) AS bigint) FROM pg_stat_xact_user_tables WHERE schemaname = current_schema()`)
		return rowsRead, err
	}
	var before, after int
	require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		for _, table := range []string{"intents", "contacts"} {
			if _, err := tx.Exec(ctx, `ANALYZE `+table); err != nil {
				return err
			}
		}
		if _, err := insert(ctx, tx, 0, 2); err != nil { // planned, and prepared
			return err
		}
		var err error
		if before, err = insert(ctx, tx, 2, 500); err != nil {
			return err
		}
		after, err = insert(ctx, tx, 502, 5)
		return err
	}))
	require.LessOrEqual(t, after-before, 5)
	var stored int
	require.NoError(t, db.Get(t.Context(), &stored, `SELECT count(*) FROM intents WHERE state = 'skipped'`))
	require.Equal(t, 507, stored)
}
