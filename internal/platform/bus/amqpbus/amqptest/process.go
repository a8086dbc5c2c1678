package amqptest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// keeper runs a program in a process group of its own, and kills the group when the program ends, or when whoever started it does: nothing else ends the reading.
const keeper = `{ "$@" </dev/null; kill -9 0; } & read -r _; kill -9 0`

// process is a program and its children.
type process struct {
	cmd    *exec.Cmd
	life   io.Closer     // while it is open, the program may run
	exited chan struct{} // closed when it is gone
}

// launch starts the program, with its output appended to a file.
func launch(outputFile string, env []string, program ...string) (*process, error) {
	output, err := os.OpenFile(outputFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := exec.Command("sh", append([]string{"-c", keeper, "keeper"}, program...)...)
	cmd.Stdout, cmd.Stderr, cmd.Env = output, output, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, life: life, exited: make(chan struct{})}
	go p.await()
	return p, nil
}

func (p *process) await() {
	_ = p.cmd.Wait() // how it ended is of no interest
	close(p.exited)
}

func (p *process) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.cmd.Process.Pid, s); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// kill ends the process group, and returns when the program is gone.
func (p *process) kill() error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(time.Minute):
		return fmt.Errorf("process %d was killed and does not end", p.cmd.Process.Pid)
	}
}
