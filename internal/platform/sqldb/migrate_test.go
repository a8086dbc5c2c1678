package sqldb_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"io/fs"
	neturl "net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
	"shop/migrations"
)

// contextAt opens a context's database with the platform's tables alone.
func contextAt(t *testing.T, url, name string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(sqldb.Config{Context: name, URL: url})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Provision(t.Context()))
	require.NoError(t, db.Migrate(t.Context(), migrations.Files, "platform"))
	return db
}

// I15
func TestTheServerRefusesAContextTheTablesOfAnother(t *testing.T) {
	url := pgtest.NewDatabase(t)
	left, right := contextAt(t, url, "left"), contextAt(t, url, "right")
	for _, c := range []struct {
		own   *sqldb.DB
		other string
	}{{left, `"right"`}, {right, `"left"`}} {
		for _, statement := range []string{
			`SELECT count(*) FROM ` + c.other + `.outbox`,
			`INSERT INTO ` + c.other + `.leases (name, owner, token, expires_at) VALUES ('a', 'b', 1, 1)`,
			`UPDATE ` + c.other + `.leases SET token = 9`,
			`DELETE FROM ` + c.other + `.inbox`,
			`CREATE TABLE ` + c.other + `.mine (id BIGINT)`,
			`DROP TABLE ` + c.other + `.outbox`,
			`CREATE TABLE public.mine (id BIGINT)`,
			`CREATE SCHEMA mine`,
		} {
			err := c.own.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, statement)
				return err
			})
			require.ErrorIs(t, err, sqldb.ErrDenied, "%s: %s", c.own.Context(), statement)
		}
		require.ErrorIs(t, c.own.Get(t.Context(), new(int), `SELECT count(*) FROM `+c.other+`.outbox`), sqldb.ErrDenied)
		require.NoError(t, c.own.Get(t.Context(), new(int), `SELECT count(*) FROM outbox`))
	}
}

func TestManyProcessesMayProvisionAndMigrateAtOnce(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		const processes = 6
		errs := make(chan error, processes)
		start := make(chan struct{})
		for range processes {
			go func() {
				<-start
				errs <- func() error {
					db, err := sqldb.Open(sqldb.Config{Context: "crowd", URL: url})
					if err != nil {
						return err
					}
					defer db.Close()
					if err := db.Provision(context.Background()); err != nil {
						return err
					}
					return db.Migrate(context.Background(), migrations.Files, "platform")
				}()
			}()
		}
		close(start)
		for range processes {
			require.NoError(t, <-errs)
		}
		db := contextAt(t, url, "crowd") // and once more
		list, err := db.Migrations(t.Context(), migrations.Files, "platform")
		require.NoError(t, err)
		require.NotEmpty(t, list)
		for _, m := range list {
			require.WithinDuration(t, time.Now(), m.AppliedAt, time.Minute, m.Name)
		}
	})
}

func TestWhatSomebodyElseProvisionedIsLeftAlone(t *testing.T) {
	url := pgtest.NewDatabase(t)
	clerk := "clerk_" + strings.ToLower(rand.Text()[:8])
	administer := func(statements ...string) {
		admin, err := sql.Open("postgres", url)
		require.NoError(t, err)
		defer admin.Close()
		for _, statement := range statements {
			_, err := admin.Exec(statement)
			require.NoError(t, err)
		}
	}
	administer(`CREATE ROLE `+clerk+` LOGIN`, `CREATE ROLE shop_`+clerk+` NOLOGIN`, `GRANT shop_`+clerk+` TO `+clerk,
		`CREATE SCHEMA `+clerk+` AUTHORIZATION shop_`+clerk)
	t.Cleanup(func() { administer(`DROP SCHEMA `+clerk+` CASCADE`, `DROP ROLE `+clerk, `DROP ROLE shop_`+clerk) })
	own, err := neturl.Parse(url)
	require.NoError(t, err)
	own.User = neturl.User(clerk)
	db, err := sqldb.Open(sqldb.Config{Context: clerk, URL: own.String()})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.Provision(t.Context()))
	require.NoError(t, db.Migrate(t.Context(), migrations.Files, "platform"))
	require.NoError(t, db.Get(t.Context(), new(int), `SELECT count(*) FROM outbox`))
}

// before is the migrations of a set below a version.
func before(t *testing.T, set string, version string) fs.FS {
	t.Helper()
	older := fstest.MapFS{}
	entries, err := fs.ReadDir(migrations.Files, set)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() < version {
			data, err := fs.ReadFile(migrations.Files, set+"/"+e.Name())
			require.NoError(t, err)
			older[set+"/"+e.Name()] = &fstest.MapFile{Data: data}
		}
	}
	return older
}

// openBefore opens a database with the tables of a set as they were below a version.
func openBefore(t *testing.T, url, set, version string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(sqldb.Config{Context: set, URL: url})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Provision(t.Context()))
	require.NoError(t, db.Migrate(t.Context(), before(t, set, version), set))
	return db
}

func TestAnAnswerIsFoundByTheDigestOfTheKeyItWasStoredWith(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		db := openBefore(t, url, "platform", "0004")
		keys := [][3]string{{"operator:operator", "POST /v1/orders", "basket-4711"}, {"guest", "POST /v1/products", "a?>~b\\n"}, {"customer:Ä", "", "'\""}}
		answered := sqldb.Many{SQL: `INSERT INTO idempotency_keys (principal, route, key, request_hash, status, headers, body, created_at)
			SELECT r.principal, r.route, r.key, 'hash', 201, '{}', r.key, 7 FROM {rows}`, Columns: "principal text, route text, key text"}
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for _, k := range keys {
				tx.Queue(&answered, k[0], k[1], k[2])
			}
			return nil
		}))
		require.NoError(t, db.Migrate(t.Context(), migrations.Files, "platform"))
		for _, k := range keys {
			var body string
			require.NoError(t, db.Get(t.Context(), &body, `SELECT body FROM idempotency_keys WHERE id = $1 AND request_hash = 'hash' AND status = 201 AND headers = '{}' AND created_at = 7`,
				sqldb.Digest(k[0], k[1], k[2])), k)
			require.Equal(t, k[2], body)
		}
	})
}

func TestRowsKeepTheirValuesWhenTheirTableIsWrittenAnew(t *testing.T) {
	url := pgtest.NewDatabase(t)
	for _, c := range []struct{ context, table, insert string }{
		{"orders", "order_summaries", `INSERT INTO order_summaries (order_id, customer_id, version, status, payment_status, fulfillment_status, saga_state, cancellation_reason,
			cancellation_detail, placed_at, updated_at, deadline_at, open, total_amount, currency, item_count)
			VALUES ('o', 'c', 1, 'cancelled', 'p', 'f', 's', 'r', 'd', 2, 3, 4, true, 5, 'EUR', 6), ('n', '', 1, 'pending', '', '', '', '', '', 0, 0, NULL, false, 0, '', 0)`},
		{"inventory", "reservations", `INSERT INTO reservations (reference, status, lines, shortages, version, expires_at, asked_at, created_at, updated_at, traceparent, overdue)
			VALUES ('r', 'held', '[1]', '[2]', 1, 2, 3, 4, 5, 't', true), ('n', 'shipped', '[]', NULL, 1, 0, 0, 0, 0, '', false)`},
		{"payments", "payments", `INSERT INTO payments (id, reference, customer_id, method, currency, amount, status, authorized, captured, refunded, refunding, failure_code, charge_id,
			cancel_at, cancel_reason, attempts, next_attempt_at, created_at, updated_at, version, traceparent)
			VALUES ('p', 'r', 'c', 'm', 'EUR', 9, 'captured', 8, 7, 2, 1, 'f', 'ch', 3, 'why', 4, 5, 6, 10, 11, 't'), ('n', 'n', '', '', '', 0, 'voided', 0, 0, 0, 0, '', '', 0, '', 0, 0, 0, 0, 1, '');
			INSERT INTO refunds (id, payment_id, amount, reason, origin, status, failure_code, attempts, next_attempt_at, created_at, updated_at)
			VALUES ('ref', 'p', 1, '', 'operator', 'pending', '', 0, 0, 0, 0)`},
	} {
		db := openBefore(t, url, c.context, "0005")
		write(t, db, c.insert)
		rows := func() (all []string) {
			require.NoError(t, db.Select(t.Context(), &all, `SELECT to_jsonb(t)::text FROM `+c.table+` t ORDER BY 1`)) // by column, in whatever order they are
			return all
		}
		rules := func() (all []string) {
			require.NoError(t, db.Select(t.Context(), &all, `SELECT indexdef FROM pg_indexes WHERE tablename = '`+c.table+`' UNION ALL
				SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE '`+c.table+`'::regclass IN (conrelid, confrelid) ORDER BY 1`))
			return all
		}
		wereRows, wereRules := rows(), rules()
		require.Len(t, wereRows, 2)
		require.NoError(t, db.Migrate(t.Context(), before(t, c.context, "0006"), c.context))
		require.Equal(t, wereRows, rows())
		require.Equal(t, wereRules, rules())
	}
}

func TestWhatIsHeldWhenTheRoundsBeginToGoByNameIsMarked(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		db := openBefore(t, url, "inventory", "0006")
		write(t, db, `INSERT INTO reservations (reference, status, lines, version, expires_at, asked_at, created_at, updated_at) VALUES ('a', 'held', '[]', 1, 2, 3, 4, 5), ('b', 'committed', '[]', 1, 2, 3, 4, 5)`)
		require.NoError(t, db.Migrate(t.Context(), migrations.Files, "inventory"))
		var marked []string
		require.NoError(t, db.Select(t.Context(), &marked, `SELECT reference FROM reservations WHERE overdue`))
		require.Equal(t, []string{"a"}, marked)
	})
}

func TestAnIntentKeepsAllThatItsIdDoesNotSay(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		db := openBefore(t, url, "notifications", "0003")
		write(t, db, `INSERT INTO intents (id, order_id, kind, occasion, customer_id, email, data, state, channel, problem, attempts, claim, due_at, created_at, updated_at, sent_at, traceparent)
			VALUES ('o.refunded.r', 'o', 'refunded', 'r', 'c', 'e', '{"a":1}', 'sent', 'smtp', 'p', 2, 'cl', 0, 3, 4, 5, 't'), ('o.order_confirmed', 'o', 'order_confirmed', '', '', '', '[]', 'pending', '', '', 0, '', 6, 0, 0, 0, '')`)
		rows := func() (all []string) {
			require.NoError(t, db.Select(t.Context(), &all, `SELECT id || ' ' || customer_id || ' ' || email || ' ' || CAST(data AS TEXT) || ' ' || state || ' ' || channel || ' ' || problem || ' ' ||
				attempts || ' ' || claim || ' ' || due_at || ' ' || created_at || ' ' || updated_at || ' ' || sent_at || ' ' || traceparent FROM intents ORDER BY id`))
			return all
		}
		were := rows()
		require.Len(t, were, 2)
		require.NoError(t, db.Migrate(t.Context(), migrations.Files, "notifications"))
		require.Equal(t, were, rows())
		require.Error(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE intents SET sent_at = 0 WHERE id = 'o.refunded.r'`)
			return err
		}), "the rules are the same")
	})
}

func TestAMigrationDoesNotWaitForTheLaneNorFallUnderItsTimeout(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		db := dbtest.OpenWith(t, sqldb.Config{Context: "platform", URL: url, Statement: 100 * time.Millisecond})
		write(t, db, `CREATE TABLE one (id BIGINT)`) // now the lane holds its connection
		slow := `SELECT pg_sleep(0.3);`
		if db.Dialect() == sqldb.SQLite {
			slow = `WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300000) INSERT INTO one SELECT count(*) FROM c;`
		}
		files := fstest.MapFS{
			"more/0001_slow.sql":        {Data: []byte("-- +goose Up\n" + slow + "\nCREATE TABLE two (id BIGINT);\n")},
			"more/0002_else.sql":        {Data: []byte("-- +goose Up\nCREATE TABLE of_postgres (id BIGINT);\n")},
			"more/0002_else.sqlite.sql": {Data: []byte("-- +goose Up\nCREATE TABLE of_sqlite (id BIGINT);\n")},
		}
		list, err := db.Migrations(t.Context(), files, "more")
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Zero(t, list[0].AppliedAt)
		require.NoError(t, db.Migrate(t.Context(), files, "more"))
		require.NoError(t, db.Get(t.Context(), new(int), `SELECT count(*) FROM two`))
		require.NoError(t, db.Get(t.Context(), new(int), `SELECT count(*) FROM of_`+db.Dialect().String()))
		write(t, db, `INSERT INTO two (id) VALUES (1)`)
	})
}

func TestAMigrationThatFailsIsReportedAndLeavesNothing(t *testing.T) {
	dbtest.Each(t, "platform", func(t *testing.T, db *sqldb.DB) {
		files := fstest.MapFS{"more/0001_half.sql": {Data: []byte("-- +goose Up\nCREATE TABLE half (id BIGINT);\nCREATE TABL whole (id BIGINT);\n")}}
		require.ErrorContains(t, db.Migrate(t.Context(), files, "more"), "migrating more of platform")
		require.Error(t, db.Get(t.Context(), new(int), `SELECT count(*) FROM half`))
		require.ErrorContains(t, db.Migrate(t.Context(), files, "none"), "no migrations in none")
	})
}
