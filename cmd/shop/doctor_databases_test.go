package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/pgtest"
)

// installation is a shop that does not run at the moment: databases and nothing else.
type installation struct {
	t       *testing.T
	url     string
	environ []string
}

func installed(t *testing.T, url string) *installation {
	in := &installation{t, url, []string{"SHOP_DATABASE_URL=" + url, "SHOP_DATA=" + t.TempDir()}}
	var out strings.Builder
	require.Equal(t, exitOK, Run(t.Context(), []string{"migrate", "up"}, in.environ, &out, &out), out.String())
	return in
}

func (in *installation) doctor() examined { in.t.Helper(); return doctorSays(in.t, in.environ) }

// write changes something in the database of a context.
func (in *installation) write(name, statement string, args ...any) {
	in.t.Helper()
	db, err := sqldb.Open(sqldb.Config{Context: name, URL: in.url})
	require.NoError(in.t, err)
	defer func() { require.NoError(in.t, db.Close()) }()
	require.NoError(in.t, db.Write(in.t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, statement, args...)
		return err
	}))
}

func eachInstallation(t *testing.T, test func(t *testing.T, in *installation)) {
	t.Run("sqlite", func(t *testing.T) { test(t, installed(t, sqlitePrefix+t.TempDir())) })
	t.Run("postgres", func(t *testing.T) { test(t, installed(t, pgtest.NewDatabase(t))) })
}

// requireOnly is that nothing fails but one check; on the tests' own PostgreSQL, which does not wait for the disk, every database fails beside it.
func (e examined) requireOnly(check string) {
	e.t.Helper()
	for _, name := range e.failures() {
		if !strings.HasSuffix(name, ".database") || check == name {
			require.Equal(e.t, check, name, e.output)
		}
	}
}

func TestTheDoctorFindsWhatIsWrongInADatabase(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, in *installation) {
		e := in.doctor()
		e.requireOnly("")
		for _, name := range databaseNames() {
			e.requires(name+".migrations", passed, "all are applied", "")
		}
		e.requires("orders.messages", passed, "0 wait in the outbox; no process leads orders", "")
		e.requires("orders.dead_letters", passed, "none", "")
		e.requires("orders.work", passed, "nothing waits", "")

		hourAgo, inAnHour := sqldb.Micros(time.Now().Add(-time.Hour)), sqldb.Micros(time.Now().Add(time.Hour))
		in.write("orders", `INSERT INTO outbox (topic, messages, content, created_at) VALUES ('shop.orders.events', 3, '[]', $1)`, hourAgo)
		letter := `INSERT INTO dead_letters (consumer, message_id, parcel, bit, type, key, headers, body, state, error, attempts, created_at)
			VALUES ('shipping', $1, 'p', 1, 'orders.X', 'ord_1', '{}', '{}', $2, 'no', 8, 1)`
		in.write("shipping", letter, "msg_1", "parked")
		in.write("catalog", `INSERT INTO schema_version_catalog (version_id, is_applied) VALUES (9999, $1)`, true)
		e = in.doctor()
		e.requireOnly("orders.messages")
		e.requires("orders.messages", failed, "3 wait in the outbox, the oldest for 1h0m", "shop serve")
		e.requires("orders.messages", failed, "no process relays them", "")
		e.requires("shipping.dead_letters", warned, "1 are about to be applied again", "shop deadletters list --context shipping")
		e.requires("catalog.migrations", warned, "a newer version of shop has added catalog/9999", "newer version")

		in.write("orders", `INSERT INTO leases (name, owner, token, expires_at) VALUES ('leader', 'own_1', 1, $1)`, inAnHour)
		e = in.doctor()
		e.requireOnly("orders.messages")
		e.requires("orders.messages", failed, "although a process relays them", "docs/how-to/find-out-why-an-order-is-stuck.md")

		in.write("orders", `UPDATE outbox SET created_at = $1`, sqldb.Micros(time.Now().Add(-time.Minute)))
		in.write("shipping", letter, "msg_2", "dead")
		e = in.doctor()
		e.requireOnly("shipping.dead_letters")
		e.requires("orders.messages", warned, "3 wait in the outbox, the oldest for 1m", "shop contexts")
		e.requires("shipping.dead_letters", failed, "1 messages could not be applied, and 1 wait behind them", "shop deadletters list --context shipping")
		require.Equal(t, exitFailed, e.code)

		in.write("shipping", `DELETE FROM dead_letters`)
		in.write("orders", `DELETE FROM outbox`)
		in.write("payments", `DELETE FROM schema_version_payments WHERE version_id = 1`)
		e = in.doctor()
		e.requireOnly("payments.migrations")
		e.requires("orders.messages", passed, "0 wait in the outbox, and a process relays them", "")
		e.requires("payments.migrations", failed, "1 are missing, from payments/0001_payments", "shop migrate up")
		require.Equal(t, exitConfiguration, e.code)

		in.write("orders", `UPDATE leases SET expires_at = $1`, hourAgo)
		in.doctor().requires("orders.messages", passed, "no process leads orders", "")
	})
}

func TestADataDirectoryThatCannotBeUsedIsFound(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	doctorSays(t, []string{"SHOP_DATA=" + none}).requires("data", warned, "no shop has run with these settings", "SHOP_DATA")
	require.NoDirExists(t, none, "the doctor makes nothing")
	empty := t.TempDir()
	doctorSays(t, []string{"SHOP_DATA=" + empty}).requires("data", warned, "has no databases yet", "shop serve")
	left, err := os.ReadDir(empty)
	require.NoError(t, err)
	require.Empty(t, left, "the doctor leaves nothing")

	file := filepath.Join(empty, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	e := doctorSays(t, []string{"SHOP_DATA=" + file})
	require.Equal(t, exitConfiguration, e.code)
	e.requires("data", failed, "is no directory", "SHOP_DATA")

	in := installed(t, sqlitePrefix+t.TempDir())
	dir := strings.TrimPrefix(in.url, sqlitePrefix)
	in.doctor().requires("data", passed, dir+" can be written to", "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop.lock"), []byte("999999999\n"), 0o600))
	in.doctor().requires("data", passed, "no process uses it", "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop.lock"), fmt.Appendln(nil, os.Getppid()), 0o600))
	in.doctor().requires("data", passed, fmt.Sprintf("process %d uses it", os.Getppid()), "")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "orders.db"), []byte(strings.Repeat("no database ", 1000)), 0o600))
	e = in.doctor()
	require.Equal(t, exitDependency, e.code)
	require.Equal(t, []string{"orders.database"}, e.failures())
	e.requires("orders.database", failed, "orders.db cannot be read", "backup")
	require.NoError(t, os.Remove(filepath.Join(dir, "orders.db")))
	e = in.doctor()
	require.Equal(t, exitFailed, e.code)
	e.requires("orders.database", failed, "is missing, although the databases of other contexts are there", "backup")
	require.NoFileExists(t, filepath.Join(dir, "orders.db"))
}

func TestADiskThatIsFullOrReadOnlyIsFound(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a small disk")
	}
	dir := t.TempDir()
	mount := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			t.Skipf("no small disk here: %v: %s", err, out)
		}
	}
	mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", dir)
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", dir).Run()) })
	says := func() examined { return doctorSays(t, []string{"SHOP_DATA=" + dir}) }
	e := says()
	require.Equal(t, exitFailed, e.code)
	e.requires("data", failed, "has 1 MiB left", "free space")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fills"), make([]byte, 1020<<10), 0o600))
	says().requires("data", failed, "no space left", "free space")
	require.NoError(t, os.Remove(filepath.Join(dir, "fills")))
	mount("-o", "remount,ro", dir)
	says().requires("data", failed, "read-only file system", "the right to write")
}

func TestTheDoctorFindsWhatIsWrongWithPostgreSQL(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t)
	admin := func(statement string) {
		t.Helper()
		db, err := sql.Open("postgres", cluster.URL())
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		_, err = db.Exec(statement)
		require.NoError(t, err)
	}
	in := &installation{t, strings.Replace(cluster.URL(), "postgres@", "postgres:geheim@", 1), nil}
	in.environ = []string{"SHOP_DATABASE_URL=" + in.url, "SHOP_DATA=" + t.TempDir()}
	e := in.doctor()
	require.Equal(t, exitConfiguration, e.code)
	e.requires("orders.database", failed, "it is not prepared for shop", "shop migrate up")
	in = installed(t, in.url)

	in.doctor().requires("orders.database", failed, "fsync is off: what the shop has answered can be lost", "ALTER SYSTEM SET fsync = on")
	setting := func(s string) {
		admin("ALTER SYSTEM SET " + s)
		admin("SELECT pg_reload_conf()")
	}
	setting("fsync = on")
	require.Eventually(t, func() bool { return in.doctor().code == exitOK }, 10*time.Second, 10*time.Millisecond, "it is as it should be")
	e = in.doctor()
	e.requires("orders.database", passed, "fsync on, synchronous_commit on", "")
	e.requires("orders.role", passed, "shop_orders may enter its own schema only", "")
	e.requires("connections", passed, "may need 56 of PostgreSQL", "")
	e.requires("clock", passed, "agrees with 8 others", "")

	setting("full_page_writes = off")
	require.Eventually(t, func() bool { return in.doctor().code == exitFailed }, 10*time.Second, 10*time.Millisecond)
	in.doctor().requires("payments.database", failed, "full_page_writes is off", "full_page_writes = on")
	setting("full_page_writes = on")
	admin("ALTER DATABASE postgres SET synchronous_commit = off")
	admin("GRANT USAGE ON SCHEMA payments TO shop_orders")
	e = doctorSaysAt(t, clock.NewFake(time.Now().Add(-10*time.Second)), in.environ)
	require.Equal(t, exitFailed, e.code)
	e.requires("payments.database", failed, "synchronous_commit is off", "RESET synchronous_commit")
	e.requires("orders.role", failed, "shop_orders may enter the schemas of others: payments", "REVOKE ALL ON SCHEMA payments FROM shop_orders")
	e.requires("clock", warned, "ahead of this machine's", "synchronize the clocks")
	admin("ALTER DATABASE postgres RESET synchronous_commit")
	admin("REVOKE USAGE ON SCHEMA payments FROM shop_orders")
	e = doctorSaysAt(t, clock.NewFake(time.Now().Add(time.Hour)), in.environ)
	e.requires("clock", failed, "behind this machine's", "synchronize the clocks")

	setting("max_connections = 30")
	require.NoError(t, cluster.StopImmediate())
	e = in.doctor()
	require.Equal(t, exitDependency, e.code)
	for _, name := range databaseNames() {
		e.requires(name+".database", failed, "does not answer", "start PostgreSQL, or correct SHOP_DATABASE_URL: docs/how-to/run-on-postgresql.md")
	}
	require.Len(t, e.failures(), len(databaseNames()), "one line a database")
	require.NotContains(t, e.output, "geheim")
	require.NoError(t, cluster.Start())
	e = in.doctor()
	require.Equal(t, exitConfiguration, e.code)
	e.requires("connections", failed, "may need 56 of PostgreSQL", "max_connections")
}
