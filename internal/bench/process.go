package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// process is a server that was started to be measured.
type process struct {
	cmd     *exec.Cmd
	addr    string
	log     string        // file with what it printed
	headers string        // of every request to it: complete lines
	startup time.Duration // from its start to the first 200
	ended   chan error
}

// readyLimit and stopLimit are how long a server may take until it serves, and until it has ended.
const (
	readyLimit = time.Minute
	stopLimit  = 30 * time.Second
)

// launch starts a server that will listen at addr, and returns when it answers a GET of the path ready with 200. What it prints is appended to the file log.
func launch(cmd *exec.Cmd, addr, ready, log string) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	cmd.Stdout, cmd.Stderr = file, file
	dieWithUs(cmd)
	p := &process{cmd: cmd, addr: addr, log: log, ended: make(chan error, 1)}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- cmd.Wait() }()
	if err := p.awaitReady(ready); err != nil {
		return nil, errors.Join(err, p.kill())
	}
	p.startup = time.Since(began)
	return p, nil
}

func (p *process) awaitReady(path string) error {
	for deadline := time.Now().Add(readyLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		select {
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("%s ended: %w\n%s", p.cmd.Path, err, p.logTail())
		default:
		}
		if answers200(p.addr, path) {
			return nil
		}
	}
	return fmt.Errorf("%s is not ready after %v\n%s", p.cmd.Path, readyLimit, p.logTail())
}

// answers200 asks once, on a connection of its own.
func answers200(addr, path string) bool {
	c, err := dial(addr, time.Now().Add(5*time.Second))
	if err != nil {
		return false
	}
	defer c.close()
	status, _, err := c.do(http.MethodGet, path, "", nil)
	return err == nil && status == http.StatusOK
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks the server to end, and waits until it has. Errors: that it ended badly, with the end of its log; that it had to be killed.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.ended:
		if err != nil {
			err = fmt.Errorf("%s ended badly: %w\n%s", p.cmd.Path, err, p.logTail())
		}
		return err
	case <-time.After(stopLimit):
		return errors.Join(fmt.Errorf("%s does not stop", p.cmd.Path), p.kill())
	}
}

// kill ends a server that knows no better way.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended //nolint:errcheck // it was killed: how it ended is known
	return nil
}

// logged is how many lines the server has printed. A shop at its level prints only what is unusual.
func (p *process) logged() int {
	b, _ := os.ReadFile(p.log)
	return bytes.Count(b, []byte("\n"))
}

func (p *process) logTail() string { return p.lastLines(10) }

func (p *process) lastLines(n int) string {
	b, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// freeAddr finds a loopback port below 32768, where Linux begins to hand out the ports of outgoing connections: a client's
// could take it.
func freeAddr() (string, error) {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(32768-20000))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("no free port between 20000 and 32767")
}

// output runs a command that ends by itself; its error holds what it said.
func output(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", cmd.Path, err, bytes.TrimSpace(append(stderr.Bytes(), out...)))
	}
	return out, err
}
