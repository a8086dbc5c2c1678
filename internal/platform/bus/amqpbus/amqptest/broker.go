package amqptest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// EnvTest has to be set for tests that need RabbitMQ to run: `make test-brokers` sets it, after it has installed what is missing.
const EnvTest = "SHOP_TEST_RABBITMQ"

// shared is the node of this process.
var shared struct {
	sync.Mutex
	node *Node
	dir  string
	used int // virtual hosts
}

// Broker is a virtual host of the node that the tests of this process share. To be restarted and paused by one test at a time.
type Broker struct {
	node *Node
	host string
}

// Start gives the test an empty virtual host, and starts the node if it is the first. Without SHOP_TEST_RABBITMQ it skips the test. TestMain must call Stop.
func Start(t testing.TB) *Broker {
	t.Helper()
	if os.Getenv(EnvTest) == "" {
		t.Skipf("RabbitMQ is tested by make test-brokers; or set %s=1", EnvTest)
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.node == nil {
		dir, err := os.MkdirTemp("", "shop-rabbitmq-") //nolint:usetesting // it outlives the test
		require.NoError(t, err)
		node, err := New(dir)
		if err != nil {
			_ = os.RemoveAll(dir) // what could not be started says more
		}
		require.NoError(t, err)
		shared.node, shared.dir = node, dir
	}
	require.Less(t, shared.used, hosts, "there are not more virtual hosts")
	b := &Broker{node: shared.node, host: hostName(shared.used)}
	shared.used++
	return b
}

// Stop ends the node that the tests shared, if there is one.
func Stop() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.node == nil {
		return nil
	}
	err := errors.Join(shared.node.Close(), os.RemoveAll(shared.dir))
	shared.node = nil
	return err
}

// URL is that of the virtual host, with so many partitions a topic.
func (b *Broker) URL(partitions int) string {
	return fmt.Sprintf("%s?partitions=%d", b.node.url(b.host), partitions)
}

// Restart kills the broker and starts it again.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	require.NoError(t, b.node.Restart())
}

// Pause stops the broker where it is, with its connections open, until resume is called.
func (b *Broker) Pause(t testing.TB) (resume func()) {
	t.Helper()
	require.NoError(t, b.node.Freeze())
	resume = sync.OnceFunc(func() { require.NoError(t, b.node.Thaw()) })
	t.Cleanup(resume)
	return resume
}
