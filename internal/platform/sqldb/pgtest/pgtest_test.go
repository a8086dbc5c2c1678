package pgtest

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(envVictim) != "" {
		os.Exit(victim())
	}
	goleak.VerifyTestMain(m, IgnoreServer())
}

func TestEachDatabaseIsEmptyAndDroppedWithItsOpenConnections(t *testing.T) {
	var first *sql.DB
	var names []string
	t.Run("a test's own database", func(t *testing.T) {
		for range 2 {
			db := open(t, NewDatabase(t))
			_, err := db.Exec(`CREATE TABLE t (x int)`) // would collide in a shared database
			require.NoError(t, err)
			var name string
			require.NoError(t, db.QueryRow(`SELECT current_database()`).Scan(&name))
			names, first = append(names, name), db
		}
	})
	require.NotEqual(t, names[0], names[1])
	require.Contains(t, names[0], "t_testeachdatabaseisempty")
	require.Error(t, first.Ping(), "the open connection should have been ended")

	var left int
	require.NoError(t, open(t, URL(t)).
		QueryRow(`SELECT count(*) FROM pg_database WHERE datname IN ($1, $2)`, names[0], names[1]).Scan(&left))
	require.Zero(t, left)
}

func TestTheClusterIsSetUpForTests(t *testing.T) {
	db := open(t, Start(t).URL())
	for setting, want := range map[string]string{
		"max_connections": "300", "shared_buffers": "128MB", "fsync": "off", "synchronous_commit": "on",
		"jit": "off", "TimeZone": "UTC", "server_encoding": "UTF8", "listen_addresses": "127.0.0.1",
	} {
		var got string
		require.NoError(t, db.QueryRow(`SELECT current_setting($1)`, setting).Scan(&got))
		require.Equal(t, want, got, setting)
	}
	var version int
	require.NoError(t, db.QueryRow(`SELECT current_setting('server_version_num')::int`).Scan(&version))
	require.GreaterOrEqual(t, version, oldest*10000)
}

func TestAnAnnouncedClusterIsUsedInsteadOfStartingOne(t *testing.T) {
	cluster := Start(t)
	t.Setenv(EnvURL, cluster.URL())
	require.Equal(t, cluster.URL(), URL(t))

	u, err := url.Parse(NewDatabase(t))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("127.0.0.1:%d", cluster.port), u.Host)
	require.Equal(t, "sslmode=disable", u.RawQuery)
}

func TestAnImmediateStopKeepsWhatWasCommittedAndNothingElse(t *testing.T) {
	cluster := Start(t)
	db := open(t, cluster.URL())
	_, err := db.Exec(`CREATE TABLE t (x int)`)
	require.NoError(t, err)
	_, err = db.Exec(`INSERT INTO t VALUES (1)`)
	require.NoError(t, err)
	tx, err := db.Begin()
	require.NoError(t, err)
	_, err = tx.Exec(`INSERT INTO t VALUES (2)`)
	require.NoError(t, err)

	firstPid, firstURL := cluster.Pid(), cluster.URL()
	require.NotZero(t, firstPid)
	require.NoError(t, cluster.StopImmediate())
	require.Zero(t, cluster.Pid())
	require.Error(t, db.Ping())
	require.Error(t, tx.Commit())
	require.ErrorContains(t, cluster.StopImmediate(), "not running")

	require.NoError(t, cluster.Start())
	require.Equal(t, firstURL, cluster.URL())
	require.NotEqual(t, firstPid, cluster.Pid())
	require.ErrorContains(t, cluster.Start(), "running already")
	var sum int
	require.NoError(t, db.QueryRow(`SELECT sum(x) FROM t`).Scan(&sum))
	require.Equal(t, 1, sum)
}

func TestAKilledServerCanBeStartedAgain(t *testing.T) {
	cluster := Start(t)
	process, err := os.FindProcess(cluster.Pid())
	require.NoError(t, err)
	require.NoError(t, process.Kill())
	require.Eventually(t, func() bool { return cluster.Pid() == 0 }, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, cluster.Start())
	require.NoError(t, open(t, cluster.URL()).Ping())
}

func TestACloseLeavesNothingBehind(t *testing.T) {
	cluster, err := New()
	require.NoError(t, err)
	require.NoError(t, cluster.Close())
	require.False(t, accepts(cluster.port))
	require.NoDirExists(t, cluster.dir)
	require.NoError(t, cluster.Close(), "a second close does nothing")
}

func TestTheClusterDiesWithAProcessThatIsKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envVictim+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var port int
	var dir string
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscan(line, &port, &dir)
	require.NoError(t, err)
	require.True(t, accepts(port))

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return !accepts(port) && !exists(dir) }, 30*time.Second, 20*time.Millisecond)
}

const envVictim = "PGTEST_VICTIM"

// victim starts a cluster, says where, and waits to be killed.
func victim() int {
	cluster, err := New()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, cluster.port, cluster.dir)
	<-time.After(time.Minute) // bounds its life, should nobody kill it
	return 0
}

func TestTheNewestUsableServerIsFoundAndAnOldOneIsNamed(t *testing.T) {
	old, usable, clientOnly := fakeServer(t, "14.11"), fakeServer(t, "16.2 (Debian 16.2-1)"), t.TempDir()

	dir, err := firstUsable([]string{clientOnly, old, usable})
	require.NoError(t, err)
	require.Equal(t, usable, dir)

	_, err = firstUsable([]string{clientOnly, old})
	require.ErrorIs(t, err, ErrNoBinaries)
	require.ErrorContains(t, err, old+" is version 14")
	require.ErrorContains(t, err, "make test")

	_, err = firstUsable(nil)
	require.Equal(t, ErrNoBinaries, err)
}

func TestADatabaseNameFitsAnIdentifierAndIsNeverTheSame(t *testing.T) {
	long := "Test/" + strings.Repeat("Ünïque ", 30)
	require.Regexp(t, `^t_test__n_que_[a-z0-9_]+_[a-z2-7]{8}$`, databaseName(long))
	require.LessOrEqual(t, len(databaseName(long)), 63)
	first := databaseName("same")
	require.NotEqual(t, first, databaseName("same"))
}

func TestAServerIsReadyOnlyWhenItsOwnPidFileSaysSo(t *testing.T) {
	file := func(pid int, state string) string {
		return fmt.Sprintf("%d\n/data\n1700000000\n25000\n/sock\n127.0.0.1\n 1234 5\n%s\n", pid, state)
	}
	require.Equal(t, 42, readyPid(file(42, "ready   ")))
	require.Zero(t, readyPid(file(42, "starting")))
	require.Zero(t, readyPid("42\n/data\n"))
	require.Zero(t, readyPid(""))
}

// fakeServer makes a directory that looks like an installation of the version.
func fakeServer(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", program, version)
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755))
	}
	return dir
}

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func accepts(port int) bool {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
