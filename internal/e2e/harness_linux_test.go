package e2e

import (
	"os/exec"
	"syscall"
)

// dieWithTheTest sees to it that a test that is killed leaves no shop behind.
func dieWithTheTest(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
