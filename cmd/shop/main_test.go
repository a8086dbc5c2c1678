package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shop/internal/platform/audit"
	"shop/internal/platform/fault"
)

// ran is what a run of the program left.
type ran struct {
	code           int
	stdout, stderr string
}

func run(t *testing.T, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Run(t.Context(), args, nil, &stdout, &stderr)
	return ran{code, stdout.String(), stderr.String()}
}

func TestACommandLineThatMakesNoSenseIsExitCode2(t *testing.T) {
	for _, args := range [][]string{
		{"sell"}, {"serve", "--adr", ":1"}, {"serve", "now"}, {"migrate"}, {"migrate", "down"}, {"deadletters", "replay"}, {"audit", "-o", "xml"},
		{"import", "online-retail"}, {"import", "online-retail", "f", "--workers", "many"}, {"import", "online-retail", "f", "--workers", "0"},
		{"import", "online-retail", "f", "--url", "localhost:8080"}, {"import", "online-retail", "f", "--limit", "-1"}, {"version", "1"}, {"--nothing"},
		{"token"}, {"token", "--role", "king"}, {"token", "--role", "customer", "--subject", "a/b"}, {"token", "--role", "customer", "--subject", "guest"},
		{"token", "--role", "operator", "--ttl", "0s"}, {"token", "--role", "operator", "now"},
	} {
		r := run(t, args...)
		require.Equal(t, exitUsage, r.code, "%v: %s", args, r.stderr)
		require.Empty(t, r.stdout, args)
		require.Contains(t, r.stderr, "--help", args)
	}
}

func TestHelpAndVersionGoToStdout(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"serve", "--help"}, {"help", "import", "online-retail"}} {
		r := run(t, args...)
		require.Equal(t, exitOK, r.code, args)
		require.Contains(t, r.stdout, "Usage:", args)
		require.Empty(t, r.stderr, args)
	}
	require.Contains(t, run(t, "version").stdout, "shop "+version)
	require.Equal(t, "shop "+version+"\n", run(t, "--version").stdout)
	var b build
	require.NoError(t, json.Unmarshal([]byte(run(t, "version", "-o", "json").stdout), &b))
	require.Equal(t, thisBuild(), b)
	require.Contains(t, run(t, "completion", "bash").stdout, "bash completion")
}

func TestTheVersionIsStampedByTheLinker(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "shop")
	out, err := exec.Command("go", "build", "-ldflags", "-X main.version=v9.8.7", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command(binary, "--version").Output()
	require.NoError(t, err)
	require.Equal(t, "shop v9.8.7\n", string(out))
}

func TestEachKindOfFailureHasItsExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, exitOK},
		{errors.New("no"), exitFailed},
		{errReported, exitFailed},
		{&exitError{exitUsage, errors.New("no")}, exitUsage},
		{configError("no"), exitConfiguration},
		{errors.Join(configError("no"), errors.New("and")), exitConfiguration},
		{fault.New(fault.Unavailable, "down", "no"), exitDependency},
		{fault.New(fault.NotFound, "none", "no"), exitFailed},
	} {
		var stderr bytes.Buffer
		p := &program{stderr: &stderr}
		require.Equal(t, c.code, p.report(p.command(), c.err), "%v", c.err)
		if c.err != nil && !errors.Is(c.err, errReported) {
			require.True(t, strings.HasPrefix(stderr.String(), "shop: "), stderr.String())
		} else {
			require.Empty(t, stderr.String())
		}
	}
}

func TestCommandsThatLookFromOutsideRefuseADirectoryWithoutAShop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	for _, args := range [][]string{{"audit"}, {"migrate", "status"}, {"deadletters", "list"}} {
		r := run(t, append(args, "--data", dir)...)
		require.Equal(t, exitConfiguration, r.code, args)
		require.Contains(t, r.stderr, "no shop has run", args)
		require.NoDirExists(t, dir, args)
	}
}

func TestADataDirectoryThatCannotBeIsExitCode3(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	r := run(t, "serve", "--data", filepath.Join(file, "data"), "--addr", "127.0.0.1:0", "--admin-addr", "off")
	require.Equal(t, exitConfiguration, r.code)
	require.Contains(t, r.stderr, "shop: the data directory: ")
}

func TestADatabaseThatIsDownIsExitCode4(t *testing.T) {
	for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:0", "--admin-addr", "off", "--data", t.TempDir()}, {"audit"}, {"migrate", "up"}, {"deadletters", "list"}} {
		r := run(t, append(args, "--database-url", "postgres://nobody:geheim@127.0.0.1:1/none?sslmode=disable")...)
		require.Equal(t, exitDependency, r.code, "%v: %s", args, r.stderr)
		require.NotContains(t, r.stderr, "geheim")
	}
}

func TestAShopThatEndsLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	ctx, stop := context.WithCancel(t.Context())
	stderr := &lines{waiting: "\"serving\"", found: stop}
	code := Run(ctx, []string{"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"}, nil, io.Discard, stderr)
	require.Equal(t, exitOK, code, stderr.String())
	goleak.VerifyNone(t, before)
}

// lines collects what is written, and calls found when it contains what is waited for.
type lines struct {
	bytes.Buffer
	waiting string
	found   func()
}

func (l *lines) Write(p []byte) (int, error) {
	if strings.Contains(string(p), l.waiting) {
		l.found()
	}
	return l.Buffer.Write(p)
}

func TestAFindingCountsOnlyWhenItLasts(t *testing.T) {
	passing := audit.Finding{Invariant: "I13", Context: "orders", Subject: "msg_1", Detail: "1 s"}
	lasting := audit.Finding{Invariant: "I1", Context: "inventory", Subject: "MUG", Detail: "first"}
	later := lasting
	later.Detail = "second"
	fresh := audit.Finding{Invariant: "I13", Context: "orders", Subject: "msg_2"}
	looks := [][]audit.Finding{{passing, lasting}, {later, fresh}}
	found, err := persistent(t.Context(), func(context.Context) ([]audit.Finding, error) {
		next := looks[0]
		looks = looks[1:]
		return next, nil
	}, time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, []audit.Finding{later}, found)

	times := 0
	found, err = persistent(t.Context(), func(context.Context) ([]audit.Finding, error) { times++; return nil, nil }, time.Hour)
	require.NoError(t, err)
	require.Empty(t, found)
	require.Equal(t, 1, times, "what is in order is looked at once")

	down := errors.New("down")
	_, err = persistent(t.Context(), func(context.Context) ([]audit.Finding, error) { return nil, down }, time.Millisecond)
	require.ErrorIs(t, err, down)
}

func TestADataDirectoryHasOneHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := lockDir(dir)
	require.NoError(t, err)
	_, err = lockDir(dir)
	require.ErrorContains(t, err, "another shop (process ")
	require.ErrorContains(t, err, dir)
	require.NoError(t, first.file.Close())
	second, err := lockDir(dir)
	require.NoError(t, err)
	require.NoError(t, second.file.Close())
}

func TestColourIsForTerminalsThatWantIt(t *testing.T) {
	plain := newStyle(&bytes.Buffer{}, nil)
	require.False(t, plain.colour)
	require.Equal(t, "x", plain.paint("1", "x"))
	coloured := &style{colour: true}
	require.Equal(t, "\x1b[1mx\x1b[0m", coloured.paint("1", "x"))
	require.True(t, noColour([]string{"A=1", "NO_COLOR=1"}))
	require.False(t, noColour([]string{"NO_COLOR="}), "empty means not set")
	require.False(t, noColour([]string{"NO_COLORS=1"}))
}
