//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// alive reports whether there is a process of that number. One that has ended and that its parent has not asked about (a zombie) counts as none, where the system tells.
func alive(pid int) bool {
	if err := unix.Kill(pid, 0); err != nil && !errors.Is(err, unix.EPERM) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat") // pid (name) state …, see proc(5)
	_, state, found := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return err != nil || !found || !bytes.HasPrefix(state, []byte("Z"))
}
