package pgtest

import "syscall"

// dieWithParent has the kernel stop the server, immediately, when the thread that started it ends.
func dieWithParent(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	attr.Pdeathsig = syscall.SIGQUIT
	return attr
}
