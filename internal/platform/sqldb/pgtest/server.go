package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is one run of the postmaster.
type server struct {
	process *os.Process
	exited  chan struct{} // closed when it is gone
}

// launch starts the command that command builds, with its output appended to the file logPath.
func launch(command func(log *os.File) *exec.Cmd, logPath string) (*server, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := command(log)
	s := &server{exited: make(chan struct{})}
	started := make(chan error)
	go s.run(cmd, started)
	return s, <-started
}

// run starts and awaits the postmaster on a thread of its own. The kernel sends the parent-death signal when the thread
// that started the process ends, not when its process does, so that thread must live as long as the server.
func (s *server) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = dieWithParent(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	s.process = cmd.Process
	started <- nil
	_ = cmd.Wait() // how it ended is of no interest: a killed server is what fault tests want
	close(s.exited)
}

// awaitReady waits until the postmaster says in its pid file that it accepts connections. Asking the port instead could
// reach a stranger's server.
func (s *server) awaitReady(pidFile string, timeout time.Duration) error {
	deadline := time.After(timeout)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-s.exited:
			return errors.New("the server ended at once")
		case <-deadline:
			return fmt.Errorf("the server is not ready after %v", timeout)
		case <-poll.C:
			if content, err := os.ReadFile(pidFile); err == nil && readyPid(string(content)) == s.process.Pid {
				return nil
			}
		}
	}
}

// readyPid reads a postmaster.pid: line 1 is the process id, line 8 its state. 0 means not ready.
func readyPid(content string) int {
	lines := strings.Split(content, "\n")
	if len(lines) < 8 || strings.TrimSpace(lines[7]) != "ready" {
		return 0
	}
	pid, _ := strconv.Atoi(lines[0])
	return pid
}

// stop asks the postmaster for an immediate shutdown, kills it when it does not follow, and waits until it is gone.
func (s *server) stop() error {
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		if err := s.process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		select {
		case <-s.exited:
			return nil
		case <-time.After(stopTimeout):
		}
	}
	return fmt.Errorf("process %d does not end", s.process.Pid)
}

// serverProcess detaches a process from our terminal, where ^C would stop the server before the tests, and from root,
// as whom PostgreSQL refuses to run.
func serverProcess() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if uid, gid, ok := serverUser(); ok {
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return attr
}

// serverUser is whom to run the server as: somebody else only when we are root.
func serverUser() (uid, gid uint32, ok bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
			gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
			return uint32(uid), uint32(gid), errUID == nil && errGID == nil
		}
	}
	return 0, 0, false
}

func giveToServerUser(dir string) error {
	if uid, gid, ok := serverUser(); ok {
		return os.Chown(dir, int(uid), int(gid))
	}
	return nil
}
