// Package redistest gives tests a Redis of their own, which they can stop and freeze: Debian's redis-server where it is installed, else miniredis, which
// speaks the protocol within the test.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// Server is a Redis that holds nothing yet.
type Server struct {
	Addr string
	Real bool // redis-server; else miniredis

	t    *testing.T
	cmd  *exec.Cmd
	mini *miniredis.Miniredis
}

// Start starts a server, until the end of the test.
func Start(t *testing.T) *Server {
	t.Helper()
	s := &Server{t: t}
	_, err := exec.LookPath("redis-server")
	if s.Real = err == nil; s.Real {
		s.Addr = freeAddr(t)
		t.Cleanup(s.Kill)
	} else {
		t.Log("no redis-server is installed: this test runs with miniredis")
	}
	s.Restart()
	return s
}

// URL is where clients find it.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Restart starts it again after Kill, empty, at the same address.
func (s *Server) Restart() {
	s.t.Helper()
	if !s.Real {
		s.restartMini()
		return
	}
	host, port, err := net.SplitHostPort(s.Addr)
	require.NoError(s.t, err)
	s.cmd = exec.Command("redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", s.t.TempDir(), "--loglevel", "warning")
	s.cmd.Stderr = os.Stderr
	require.NoError(s.t, s.cmd.Start())
	c := s.Client()
	defer func() { _ = c.Close() }()
	require.Eventually(s.t, func() bool { return c.Ping(context.Background()).Err() == nil }, 10*time.Second, 5*time.Millisecond, "redis-server does not answer")
}

func (s *Server) restartMini() {
	s.t.Helper()
	if s.mini == nil {
		s.mini = miniredis.RunT(s.t)
		s.Addr = s.mini.Addr()
		return
	}
	s.mini.FlushAll()
	require.NoError(s.t, s.mini.Restart())
}

// Kill ends it without a word (SIGKILL); what it held is lost.
func (s *Server) Kill() {
	if !s.Real {
		s.mini.Close()
		return
	}
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // it may have ended
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Client is one for the test to look behind the scenes.
func (s *Server) Client() *redis.Client { return redis.NewClient(&redis.Options{Addr: s.Addr}) }

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return fmt.Sprint(l.Addr())
}
