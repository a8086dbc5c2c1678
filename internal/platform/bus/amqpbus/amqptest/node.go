package amqptest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	program   = "/usr/lib/rabbitmq/bin/rabbitmq-server" // without Debian's wrapper, which wants to be root and becomes somebody else
	hosts     = 40                                      // virtual hosts, one a test
	startTime = 2 * time.Minute
)

// ErrNotInstalled: there is no RabbitMQ to run.
var ErrNotInstalled = errors.New("RabbitMQ is not installed (Debian's package rabbitmq-server)")

// Node is a broker of its own. Its methods are not for concurrent use.
type Node struct {
	dir               string
	port, dist, names int // listened to by the broker, by other nodes if there were any, by the name server
	epmd, server      *process
}

// New starts a node with its files in dir. Errors: ErrNotInstalled; that it does not start, with what it said.
func New(dir string) (*Node, error) {
	for _, needed := range []string{program, "epmd"} {
		if _, err := exec.LookPath(needed); err != nil {
			return nil, ErrNotInstalled
		}
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	n := &Node{dir: dir, port: ports[0], dist: ports[1], names: ports[2]}
	if err := n.configure(); err != nil {
		return nil, err
	}
	if n.epmd, err = launch(n.file("epmd.txt"), nil, "epmd", "-port", strconv.Itoa(n.names), "-address", "127.0.0.1"); err != nil {
		return nil, err
	}
	if err = n.awaitNames(); err == nil {
		err = n.start()
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// awaitNames waits until the name server listens. A node that does not find one starts one, which would stay.
func (n *Node) awaitNames() error {
	return await(n.epmd, "Erlang's name server", func() bool {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(n.names), time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

func (n *Node) file(name string) string { return filepath.Join(n.dir, name) }

// configure writes the node's files. What is not named here stays below dir.
func (n *Node) configure() error {
	definitions, err := json.Marshal(virtualHosts())
	if err != nil {
		return err
	}
	files := map[string]string{
		"definitions.json": string(definitions),
		"plugins":          "[].\n",
		"rabbitmq.conf": fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nload_definitions = %s\nlog.console = false\nlog.file.level = warning\n"+
			"disk_free_limit.absolute = 50MB\n", n.port, n.file("definitions.json")),
	}
	for name, content := range files {
		if err := os.WriteFile(n.file(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func virtualHosts() map[string]any {
	var vhosts, permissions []map[string]string
	for i := range hosts {
		name := hostName(i)
		vhosts = append(vhosts, map[string]string{"name": name})
		permissions = append(permissions, map[string]string{"user": "guest", "vhost": name, "configure": ".*", "write": ".*", "read": ".*"})
	}
	users := []map[string]any{{"name": "guest", "password": "guest", "tags": []string{"administrator"}}}
	return map[string]any{"users": users, "vhosts": vhosts, "permissions": permissions}
}

func hostName(i int) string { return fmt.Sprintf("test%d", i) }

func (n *Node) url(host string) string {
	return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/%s", n.port, host)
}

func (n *Node) start() (err error) {
	n.server, err = launch(n.file("output.txt"), []string{
		"HOME=" + n.dir,
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_EPMD_PORT=" + strconv.Itoa(n.names),
		"RABBITMQ_NODENAME=test" + strconv.Itoa(n.port) + "@localhost",
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(n.dist),
		"RABBITMQ_MNESIA_BASE=" + n.file("mnesia"),
		"RABBITMQ_LOG_BASE=" + n.file("log"),
		"RABBITMQ_PID_FILE=" + n.file("pid"),
		"RABBITMQ_CONFIG_FILE=" + n.file("rabbitmq.conf"),
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + n.file("plugins"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}, program)
	if err != nil {
		return err
	}
	return n.awaitReady()
}

// awaitReady waits until the node lets a client in.
func (n *Node) awaitReady() error {
	err := await(n.server, "RabbitMQ", func() bool {
		conn, err := amqp.Dial(n.url(hostName(hosts - 1)))
		return err == nil && conn.Close() == nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, n.output())
	}
	return nil
}

// await waits until a process that was started is ready.
func await(p *process, name string, ready func() bool) error {
	deadline := time.After(startTime)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for !ready() {
		select {
		case <-p.exited:
			return errors.New(name + " ended at once")
		case <-deadline:
			return fmt.Errorf("%s is not ready after %v", name, startTime)
		case <-poll.C:
		}
	}
	return nil
}

func (n *Node) output() string {
	text, _ := os.ReadFile(n.file("output.txt")) // best effort
	return string(text[max(0, len(text)-2000):])
}

// Restart kills the broker and starts it again with the files that it left.
func (n *Node) Restart() error {
	if err := n.server.kill(); err != nil {
		return err
	}
	return n.start()
}

// Freeze stops the broker where it is, with its connections open, until Thaw.
func (n *Node) Freeze() error { return n.server.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (n *Node) Thaw() error { return n.server.signal(syscall.SIGCONT) }

// Close kills the node and its name server.
func (n *Node) Close() error {
	var err error
	for _, p := range []*process{n.server, n.epmd} {
		if p != nil {
			err = errors.Join(err, p.kill())
		}
	}
	return err
}

// freePorts finds ports on the loopback interface that nobody uses at the moment.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:revive // all at the end, so that they are different
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
