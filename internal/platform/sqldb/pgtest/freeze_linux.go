package pgtest

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Freeze stops the server and all its processes where they are: connections stay open and nobody answers.
func (c *Cluster) Freeze() error { return c.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (c *Cluster) Thaw() error { return c.signal(syscall.SIGCONT) }

func (c *Cluster) signal(sig syscall.Signal) error {
	pid := c.Pid()
	if pid == 0 {
		return errors.New("the server is not running")
	}
	if err := syscall.Kill(pid, sig); err != nil { // first, so that it starts no more children
		return err
	}
	children, err := childrenOf(pid)
	for _, child := range children {
		if kerr := syscall.Kill(child, sig); kerr != nil && !errors.Is(kerr, syscall.ESRCH) {
			err = errors.Join(err, kerr)
		}
	}
	return err
}

func childrenOf(pid int) ([]int, error) {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, p := range processes {
		child, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + p.Name() + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		_, afterName, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(afterName); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			children = append(children, child)
		}
	}
	return children, nil
}
