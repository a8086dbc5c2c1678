//go:build unix

package redistest

import (
	"syscall"

	"github.com/stretchr/testify/require"
)

// Freeze stops it from answering while it keeps what it holds; Thaw lets it go on.
func (s *Server) Freeze() {
	if !s.Real {
		s.mini.SetError("LOADING frozen by the test")
		return
	}
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGSTOP))
}

// Thaw lets it answer again.
func (s *Server) Thaw() {
	if !s.Real {
		s.mini.SetError("")
		return
	}
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGCONT))
}
