package main

import (
	"os/exec"
	"syscall"
)

// dieWithUs has the kernel end a child should the benchmark die without stopping it.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// inMemory reports whether a directory's files never reach a disk.
func inMemory(dir string) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6 // statfs(2)
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return false
	}
	kind := int64(s.Type) //nolint:unconvert // on some processors it is 32 bits wide
	return kind == tmpfs || kind == ramfs
}
