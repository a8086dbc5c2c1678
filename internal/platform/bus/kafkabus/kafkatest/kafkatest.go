// Package kafkatest starts a broker that speaks Kafka's protocol within the test binary: franz-go's kfake, with its log on disk.
package kafkatest

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Broker is a cluster of one node on a loopback port of its own. It is gone when the test ends.
type Broker struct {
	dir  string
	port int
	more []kfake.Opt

	mu      sync.Mutex
	cluster *kfake.Cluster
	gate    gate
}

// Start starts an empty broker.
func Start(t testing.TB) *Broker { return start(t) }

// StartSecured starts an empty broker that lets nobody in but a user with a password.
func StartSecured(t testing.TB, user, password string) *Broker {
	return start(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", user, password))
}

func start(t testing.TB, more ...kfake.Opt) *Broker {
	t.Helper()
	b := &Broker{dir: t.TempDir(), more: more}
	b.start(t)
	t.Cleanup(func() {
		b.gate.open()
		b.stop()
	})
	return b
}

// URL is where the broker listens, with topics of so many partitions.
func (b *Broker) URL(partitions int) string {
	return fmt.Sprintf("kafka://127.0.0.1:%d?partitions=%d", b.port, partitions)
}

// Restart stops the broker and starts it again with what it had stored, on the same port.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	b.stop()
	b.start(t)
}

// Stop stops the broker until Restart.
func (b *Broker) Stop() { b.stop() }

// Pause holds back all that the broker hears and says, on connections that stay open, until resume is called.
func (b *Broker) Pause(testing.TB) (resume func()) {
	b.gate.shut()
	return b.gate.open
}

func (b *Broker) start(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	options := append([]kfake.Opt{kfake.NumBrokers(1), kfake.Ports(b.port), kfake.DataDir(b.dir), kfake.ListenFn(b.listen)}, b.more...)
	cluster, err := kfake.NewCluster(options...)
	require.NoError(t, err)
	b.cluster = cluster
}

func (b *Broker) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cluster.Close()
}

// listen puts the gate in front of each connection, and remembers the port for the next start.
func (b *Broker) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	b.port = l.Addr().(*net.TCPAddr).Port
	return &listener{l, &b.gate}, nil
}

type listener struct {
	net.Listener
	gate *gate
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{c, l.gate}, nil
}

// conn is a connection whose traffic passes a gate.
type conn struct {
	net.Conn
	gate *gate
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.gate.pass()
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.gate.pass()
	return c.Conn.Write(p)
}

// gate lets pass as long as it is not shut.
type gate struct {
	mu     sync.Mutex
	closed chan struct{} // closed when the gate opens; nil while it is open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

func (g *gate) pass() {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed != nil {
		<-closed
	}
}
