package orders

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

// hook is a progress that does something at each step.
type hook struct {
	total, done int
	step        func()
}

func (h *hook) Begin(_ string, total int) { h.total = total }
func (h *hook) End()                      {}
func (h *hook) Add(n int) {
	h.done += n
	if h.step != nil {
		h.step()
	}
}

// change changes rows past the shop.
func (s *shop) change(statements ...string) {
	s.t.Helper()
	require.NoError(s.t, s.db.Write(s.t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error { return execAll(ctx, tx, statements) }))
}

// shape is how the projection's table is made, as far as the database tells.
func (s *shop) shape() (shape []string) {
	s.t.Helper()
	query := `SELECT indexname || ' ' || indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'order_summaries'
		UNION SELECT attname || ' ' || atttypid::regtype || ' ' || attnotnull FROM pg_attribute WHERE attrelid = 'order_summaries'::regclass AND attnum > 0
		UNION SELECT coalesce(array_to_string(reloptions, ','), '') FROM pg_class WHERE oid = 'order_summaries'::regclass
		UNION SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'order_summaries'::regclass
		UNION SELECT relname::text FROM pg_class WHERE relname LIKE 'order_summaries%' AND relnamespace = to_regnamespace(current_schema()) ORDER BY 1`
	if s.db.Dialect() == sqldb.SQLite {
		query = `SELECT name || ' ' || replace(sql, '"', '') FROM sqlite_master WHERE tbl_name LIKE 'order_summaries%' AND sql IS NOT NULL ORDER BY 1`
	}
	require.NoError(s.t, s.db.Select(s.t.Context(), &shape, query))
	return shape
}

// summaries are all rows of the projection.
func (s *shop) summaries() (all []summary) {
	s.t.Helper()
	require.NoError(s.t, s.db.Select(s.t.Context(), &all, `SELECT `+summaryColumns+` FROM order_summaries s ORDER BY order_id`))
	return all
}

func eachShopWithReplica(t *testing.T, test func(t *testing.T, s *shop, other *Module)) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := openShop(t, url)
		test(t, s, s.module(dbtest.Open(t, "orders", url))) // as another process has it
	})
}

func TestARebuildMakesWrongSummariesRightAndLeavesTheRest(t *testing.T) {
	eachShopWithReplica(t, func(t *testing.T, s *shop, other *Module) {
		var ids []string
		for range 5 {
			ids = append(ids, s.place())
		}
		s.rest()
		want, shape := s.summaries(), s.shape()
		s.change(`UPDATE order_summaries SET status = 'delivered', version = 99, customer_id = 'nobody' WHERE order_id = '`+ids[0]+`'`,
			`UPDATE order_summaries SET total_amount = 1, version = 1, open = `+map[sqldb.Dialect]string{sqldb.SQLite: "1", sqldb.Postgres: "true"}[s.db.Dialect()]+` WHERE order_id = '`+ids[1]+`'`,
			`DELETE FROM order_summaries WHERE order_id = '`+ids[2]+`'`,
			`INSERT INTO order_summaries SELECT * FROM (SELECT 'ord_ghost' AS order_id, `+strings.Join(s.columns()[1:], ", ")+` FROM order_summaries WHERE order_id = '`+ids[3]+`') AS g`)
		require.NotEqual(t, want, s.summaries())
		told := &hook{}
		done, err := other.Rebuild(t.Context(), told)
		require.NoError(t, err)
		require.Equal(t, 5, done.Orders)
		require.Equal(t, hook{total: 5, done: 5}, *told)
		require.Equal(t, want, s.summaries())
		require.Equal(t, shape, s.shape(), "the table and its indexes are as they were")
		s.untilStatus(s.place(), Confirmed) // by statements that were prepared before
		s.rest()
		s.sound()
		_, err = other.Rebuild(t.Context(), &hook{})
		require.NoError(t, err)
		require.Equal(t, shape, s.shape(), "and so they are after another one")
		s.sound()
	})
}

// columns are those of the projection, in the order of the table.
func (s *shop) columns() (names []string) {
	query := `SELECT attname FROM pg_attribute WHERE attrelid = 'order_summaries'::regclass AND attnum > 0 ORDER BY attnum`
	if s.db.Dialect() == sqldb.SQLite {
		query = `SELECT name FROM pragma_table_info('order_summaries') ORDER BY cid`
	}
	require.NoError(s.t, s.db.Select(s.t.Context(), &names, query))
	return names
}

func TestWhatHappensDuringARebuildIsInIt(t *testing.T) {
	eachShopWithReplica(t, func(t *testing.T, s *shop, other *Module) {
		ignores[paymentsapi.TakePayment](s.payments.neighbour)
		before := s.place()
		s.untilStep(before, takePayment, started)
		s.rest() // the question about the payment was heard, and ignored
		s.behave()
		var meanwhile string
		done, err := other.Rebuild(t.Context(), &hook{step: func() { // the order is derived already
			if meanwhile != "" {
				return
			}
			s.payments.say(s.payments.late(before)...)
			meanwhile = s.place()
			s.untilStatus(meanwhile, Confirmed)
			s.untilStatus(before, Confirmed)
			s.rest()
		}})
		require.NoError(t, err)
		require.Positive(t, done.CaughtUp, "the old one changed after it was derived")
		require.Equal(t, 3, done.Orders+done.CaughtUp, "the new one is found on the way, or caught up with")
		require.Equal(t, string(Confirmed), s.read(before).Status)
		require.Equal(t, string(Confirmed), s.read(meanwhile).Status)
		s.sound()
	})
}

func TestOrdersArePlacedAllTheTimeWhileTheTablesChangePlaces(t *testing.T) {
	eachShopWithReplica(t, func(t *testing.T, s *shop, other *Module) {
		ctx, stop := context.WithCancel(t.Context())
		placed := make(chan []string)
		go func() {
			var ids []string
			for ctx.Err() == nil {
				ids = append(ids, s.place())
			}
			placed <- ids
		}()
		for range 3 {
			_, err := other.Rebuild(t.Context(), &hook{})
			require.NoError(t, err)
		}
		stop()
		ids := <-placed
		require.NotEmpty(t, ids)
		for _, id := range ids {
			s.untilStatus(id, Confirmed)
		}
		s.rest()
		s.sound()
	})
}

func TestARebuildThatEndsTooEarlyChangesNothing(t *testing.T) {
	eachShopWithReplica(t, func(t *testing.T, s *shop, other *Module) {
		s.untilStatus(s.place(), Confirmed)
		s.rest()
		want := s.summaries()
		ctx, die := context.WithCancel(t.Context())
		_, err := other.Rebuild(ctx, &hook{step: die})
		require.Error(t, err)
		require.Equal(t, want, s.summaries())
		left := strings.Join(s.shape(), "\n")
		require.Contains(t, left, nextTable, "it was ended in the middle")
		_, err = other.Rebuild(t.Context(), &hook{})
		require.NoError(t, err)
		require.NotContains(t, strings.Join(s.shape(), "\n"), nextTable)
		require.Equal(t, want, s.summaries())
		s.sound()

		s.change(`UPDATE events SET type = 'NobodyKnows' WHERE version = 2`)
		_, err = other.Rebuild(t.Context(), &hook{})
		require.ErrorContains(t, err, "NobodyKnows")
		require.Equal(t, want, s.summaries())
	})
}
