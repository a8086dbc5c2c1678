//go:build !linux

package pgtest

import "syscall"

// dieWithParent changes nothing: only Linux has a parent-death signal. Elsewhere the reaper alone ends the server.
func dieWithParent(attr *syscall.SysProcAttr) *syscall.SysProcAttr { return attr }
