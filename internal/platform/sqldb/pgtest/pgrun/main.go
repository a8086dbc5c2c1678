// Command pgrun runs a command with a PostgreSQL to test on:
//
//	go run ./internal/platform/sqldb/pgtest/pgrun -- go test ./...
//
// It starts one private cluster, announces it to the command in SHOP_TEST_POSTGRES_URL, so that all packages share it,
// stops it afterwards and exits with the command's code. A cluster that is announced already is used as it is.
// Where PostgreSQL is not installed, it installs Debian's package if it may (root, apt-get).
//
// Its own failures exit with 2 (usage) or 125 (no cluster, or the command cannot be started).
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"shop/internal/platform/sqldb/pgtest"
)

const (
	exitUsage  = 2
	exitFailed = 125
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(stderr, "usage: pgrun -- COMMAND [ARGUMENT…]")
		return exitUsage
	}
	if os.Getenv(pgtest.EnvURL) != "" {
		return execute(args, os.Environ(), stdout, stderr)
	}
	cluster, err := start(stderr)
	if err != nil {
		fmt.Fprintln(stderr, "pgrun:", err)
		return exitFailed
	}
	code := execute(args, append(os.Environ(), pgtest.EnvURL+"="+cluster.URL()), stdout, stderr)
	if err := cluster.Close(); err != nil {
		fmt.Fprintln(stderr, "pgrun: stop the cluster:", err)
	}
	return code
}

// start starts a cluster; where PostgreSQL is missing it is installed first.
func start(stderr io.Writer) (*pgtest.Cluster, error) {
	cluster, err := pgtest.New()
	if !errors.Is(err, pgtest.ErrNoBinaries) || !mayInstall() {
		return cluster, err
	}
	fmt.Fprintln(stderr, "pgrun: PostgreSQL is not installed; installing Debian's package")
	if err := install(createClusterConf, stderr); err != nil {
		return nil, err
	}
	return pgtest.New()
}

// execute runs the command and returns its exit code, 128+n when signal n ended it. While it runs, a request to end is
// passed on to it: the cluster must stay until it is done.
func execute(args, env []string, stdout, stderr io.Writer) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, stdout, stderr
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(stderr, "pgrun:", err)
		return exitFailed
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			_ = cmd.Process.Signal(sig) // it may have ended meanwhile
		case err := <-done:
			return exitCode(cmd.ProcessState, err, stderr)
		}
	}
}

func exitCode(state *os.ProcessState, err error, stderr io.Writer) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	if code := state.ExitCode(); err == nil || code > 0 {
		return code
	}
	fmt.Fprintln(stderr, "pgrun:", err) // such as output that could not be copied
	return exitFailed
}
