package pgtest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 60 * time.Second // a crash recovery on a busy machine takes seconds
	stopTimeout  = 10 * time.Second // an immediate stop takes milliseconds
	retryFor     = 10 * time.Second // how long a start is tried again: after a crash, old backends may linger
)

// Cluster is a private PostgreSQL cluster in a temporary directory.
type Cluster struct {
	bin  string // directory of the server's programs
	dir  string // ours: data/, the socket, server.log
	port int

	reaper      *exec.Cmd
	reaperStdin io.Closer

	mu     sync.Mutex
	server *server // nil when stopped
}

// Start starts a cluster for one test, which may stop, kill and restart it. It is removed when the test ends.
func Start(t testing.TB) *Cluster {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatalf("pgtest: start a cluster: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("pgtest: remove the cluster: %v", err)
		}
	})
	return c
}

// New creates and starts a cluster. The caller closes it; should the process die before, the cluster ends all the same.
// The error wraps ErrNoBinaries when PostgreSQL is not installed.
func New() (*Cluster, error) {
	bin, err := FindBinaries()
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin}
	if err := c.create(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	for attempt := 1; ; attempt++ { // another process may take the port between our look and the server's
		if c.port, err = freePort(); err == nil {
			err = c.startOnce()
		}
		if err == nil {
			return c, nil
		}
		if attempt == 3 {
			return nil, errors.Join(err, c.Close())
		}
	}
}

// URL is the superuser's URL of the database "postgres". It stays the same over restarts.
func (c *Cluster) URL() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.port)
}

// Pid is the process id of the running server's postmaster, 0 when it is stopped.
func (c *Cluster) Pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return 0
	}
	return c.server.process.Pid
}

// StopImmediate ends the server as a crash would: clients are cut off in the middle of what they do, nothing is
// flushed, and the next start recovers from the log. It returns when the server is gone.
func (c *Cluster) StopImmediate() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return errors.New("the server is not running")
	}
	return c.server.stop()
}

// Start starts a stopped or killed server again, at the same URL, and returns when it accepts connections.
func (c *Cluster) Start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running() {
		return errors.New("the server is running already")
	}
	for deadline := time.Now().Add(retryFor); ; {
		err := c.startOnce()
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// Close stops the server and removes its directory.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.running() {
		err = c.server.stop()
	}
	if c.reaper != nil {
		err = errors.Join(err, c.reaperStdin.Close(), c.reaper.Wait())
		c.reaper = nil
	}
	return err
}

// create makes the directory, the reaper that will remove it, and the data in it.
func (c *Cluster) create() (err error) {
	if c.dir, err = os.MkdirTemp("", "shop-pgtest-"); err != nil {
		return err
	}
	if err := giveToServerUser(c.dir); err != nil {
		return errors.Join(err, os.RemoveAll(c.dir))
	}
	if err := c.startReaper(); err != nil {
		return errors.Join(err, os.RemoveAll(c.dir))
	}
	initdb := c.command("initdb", "-D", c.data(), "-U", "postgres", "-E", "UTF8", "--locale="+locale(), "--auth=trust", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return c.configure()
}

// startReaper starts a small process that outlives us. Whatever ends us closes the pipe it reads from; then it stops
// the server, should that still run, and removes the directory.
func (c *Cluster) startReaper() error {
	const script = `read -r _; "$1" stop -D "$2/data" -m immediate -w; rm -rf "$2"`
	reaper := exec.Command("/bin/sh", "-c", script, "pgtest-reaper", filepath.Join(c.bin, "pg_ctl"), c.dir)
	reaper.Dir = "/"
	reaper.SysProcAttr = serverProcess()
	stdin, err := reaper.StdinPipe()
	if err != nil {
		return err
	}
	if err := reaper.Start(); err != nil {
		return err
	}
	c.reaper, c.reaperStdin = reaper, stdin
	return nil
}

// configure appends our settings to the file, not to the command line, so that a test can still ALTER SYSTEM.
func (c *Cluster) configure() error {
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, `
listen_addresses = '127.0.0.1'
unix_socket_directories = '%s'
max_connections = 300
shared_buffers = 128MB
fsync = off
synchronous_commit = on
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
`, c.dir)
	return errors.Join(err, f.Close())
}

// startOnce starts the server and waits until it accepts connections; the error ends with the server's last log lines.
func (c *Cluster) startOnce() error {
	s, err := launch(func(log *os.File) *exec.Cmd {
		cmd := c.command("postgres", "-D", c.data(), "-p", strconv.Itoa(c.port))
		cmd.Stdout, cmd.Stderr = log, log
		return cmd
	}, filepath.Join(c.dir, "server.log"))
	if err != nil {
		return err
	}
	if err := s.awaitReady(filepath.Join(c.data(), "postmaster.pid"), startTimeout); err != nil {
		return fmt.Errorf("%w\n%s", errors.Join(err, s.stop()), c.logTail())
	}
	c.server = s
	return nil
}

func (c *Cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir // the server's user may not enter ours
	cmd.SysProcAttr = serverProcess()
	return cmd
}

func (c *Cluster) running() bool {
	if c.server == nil {
		return false
	}
	select {
	case <-c.server.exited:
		return false
	default:
		return true
	}
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) logTail() string {
	log, _ := os.ReadFile(filepath.Join(c.dir, "server.log"))
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// freePort finds a port below 32768, where Linux begins to hand out the ports of outgoing connections: one of those
// could take ours while a test has the server stopped.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(32768-20000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return 0, err
		}
	}
	return 0, errors.New("no free port between 20000 and 32767")
}

// locale is one that folds the case of all letters, as production databases do.
func locale() string {
	if runtime.GOOS == "linux" {
		return "C.UTF-8"
	}
	return "en_US.UTF-8"
}
