package main

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb/pgtest"
)

func TestTheCommandGetsAClusterThatEndsWithIt(t *testing.T) {
	t.Setenv(pgtest.EnvURL, "")
	var stdout, stderr bytes.Buffer
	code := run([]string{"--", "sh", "-c", `echo "$SHOP_TEST_POSTGRES_URL"; exit 7`}, &stdout, &stderr)
	require.Equal(t, 7, code, stderr.String())

	u, err := url.Parse(strings.TrimSpace(stdout.String()))
	require.NoError(t, err)
	require.Equal(t, "postgres", u.Scheme)
	_, err = net.Dial("tcp", u.Host)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestAnAnnouncedClusterIsPassedOn(t *testing.T) {
	t.Setenv(pgtest.EnvURL, "postgres://elsewhere/")
	var stdout, stderr bytes.Buffer
	require.Zero(t, run([]string{"sh", "-c", `echo "$SHOP_TEST_POSTGRES_URL"`}, &stdout, &stderr))
	require.Equal(t, "postgres://elsewhere/\n", stdout.String())
}

func TestWithoutACommandTheUsageIsShown(t *testing.T) {
	for _, args := range [][]string{nil, {"--"}} {
		var stderr bytes.Buffer
		require.Equal(t, exitUsage, run(args, &stderr, &stderr))
		require.Contains(t, stderr.String(), "usage: pgrun -- COMMAND")
	}
}

func TestACommandThatCannotRunOrIsKilledIsReported(t *testing.T) {
	t.Setenv(pgtest.EnvURL, "postgres://elsewhere/")
	var out bytes.Buffer
	require.Equal(t, exitFailed, run([]string{"--", "/no/such/command"}, &out, &out))
	require.Contains(t, out.String(), "/no/such/command")
	require.Equal(t, 128+9, run([]string{"--", "sh", "-c", "kill -9 $$"}, &out, &out))
}

func TestARequestToEndReachesTheCommandFirst(t *testing.T) {
	t.Setenv(pgtest.EnvURL, "postgres://elsewhere/")
	ready := filepath.Join(t.TempDir(), "ready")
	code := make(chan int, 1)
	var out bytes.Buffer
	script := `trap 'exit 5' TERM; touch "$0"; while :; do sleep 0.05; done`
	go func() { code <- run([]string{"--", "sh", "-c", script, ready}, &out, &out) }()
	require.Eventually(t, func() bool { _, err := os.Stat(ready); return err == nil }, 10*time.Second, 5*time.Millisecond)

	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	select {
	case got := <-code:
		require.Equal(t, 5, got)
	case <-time.After(10 * time.Second):
		require.Fail(t, "the command did not hear of it")
	}
}

func TestInstallingCreatesNoMainCluster(t *testing.T) {
	dir := t.TempDir()
	conf, log := filepath.Join(dir, "createcluster.conf"), filepath.Join(dir, "log")
	// This apt-get writes down how it was called and what the configuration said at that moment.
	fakeAptGet(t, fmt.Sprintf(`echo "$DEBIAN_FRONTEND $*" >>%[1]s; cat %[2]s >>%[1]s 2>/dev/null; :`, log, conf))

	var progress bytes.Buffer
	require.NoError(t, install(conf, &progress))
	got, err := os.ReadFile(log)
	require.NoError(t, err)
	const options = "noninteractive -q -o DPkg::Lock::Timeout=300 "
	require.Equal(t, options+"update\n"+
		options+"install -y --no-install-recommends postgresql-common\n"+
		options+"install -y --no-install-recommends postgresql\n"+
		"\ncreate_main_cluster = false\n", string(got))
}

func TestAFailedInstallationSaysWhichStep(t *testing.T) {
	fakeAptGet(t, `echo "E: no network"; exit 100`)
	var progress bytes.Buffer
	err := install(filepath.Join(t.TempDir(), "conf"), &progress)
	require.ErrorContains(t, err, "apt-get update: exit status 100")
	require.Contains(t, progress.String(), "no network")
}

// fakeAptGet puts a script of that name first on PATH.
func fakeAptGet(t *testing.T, script string) {
	t.Helper()
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "apt-get"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}
