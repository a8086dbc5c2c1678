// Package natstest runs a real NATS server with JetStream inside a test.
package natstest

import (
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

const readyTime = 30 * time.Second

// Server is a NATS server on a loopback port of its own, with its storage on disk. It can be stopped and started again.
type Server struct {
	port  int
	store string

	mu      sync.Mutex
	running *server.Server
}

// Start starts a server. It stops when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{port: server.RANDOM_PORT, store: t.TempDir()}
	s.Resume(t)
	t.Cleanup(s.Stop)
	return s
}

// URL is the server's address, the same after each restart.
func (s *Server) URL() string {
	return "nats://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Stop ends the server, and with it all connections. What is stored stays.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}

// Resume starts a server that was stopped, with what it had stored.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	running, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: s.port, JetStream: true, StoreDir: s.store, NoLog: true, NoSigs: true})
	require.NoError(t, err)
	running.Start()
	require.True(t, running.ReadyForConnections(readyTime), "the NATS server does not start")
	s.port = running.Addr().(*net.TCPAddr).Port
	s.running = running
}

// Restart is Stop and Resume.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	s.Resume(t)
}
