package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestACopiedOrderHasRowsOfItsOwnInEachTable(t *testing.T) {
	dbtest.Each(t, "orders", func(t *testing.T, db *sqldb.DB) {
		order, now := id.New("ord"), time.Now()
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for _, statement := range []string{
				`INSERT INTO events (stream_id, version, type, data, metadata, recorded_at) VALUES ($1, 1, 'order.placed', '{}', '{}', $2)`,
				`INSERT INTO events (stream_id, version, type, data, metadata, recorded_at) VALUES ($1, 2, 'stock.reserved', '{}', '{}', $2)`,
				`INSERT INTO order_summaries (order_id, customer_id, version, status, payment_status, fulfillment_status, saga_state, cancellation_reason, cancellation_detail, placed_at,
					updated_at, open, total_amount, currency, item_count) VALUES ($1, '', 2, 'pending', '', '', '', '', '', $2, $2, false, 1, 'EUR', 1)`,
				`INSERT INTO idempotency_keys (id, request_hash, status, headers, body, created_at) VALUES ('` + sqldb.Digest("me", "POST /v1/orders", "key") + `', '', 201, $1, '', $2)`,
			} {
				if _, err := tx.Exec(ctx, statement, order, sqldb.Micros(now)); err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, cloneDatabase(t.Context(), db, windowAt(now), []string{"0123abcd", "4567cdef"}))
		for _, c := range []struct {
			table, own string
			rows       int
		}{{"events", "stream_id", 6}, {"order_summaries", "order_id", 3}, {"idempotency_keys", "id", 3}} {
			var rows, orders int
			require.NoError(t, db.Get(t.Context(), &rows, `SELECT count(*) FROM `+c.table))
			require.NoError(t, db.Get(t.Context(), &orders, `SELECT count(DISTINCT `+c.own+`) FROM `+c.table))
			require.Equal(t, c.rows, rows, c.table)
			require.Equal(t, 3, orders, c.table)
		}
		var named int
		require.NoError(t, db.Get(t.Context(), &named, `SELECT count(*) FROM idempotency_keys k JOIN order_summaries s ON k.headers = s.order_id`))
		require.Equal(t, 3, named)
	})
}
