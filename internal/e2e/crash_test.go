package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
)

// crashing is a real shop process that dies and is started again while clients keep ordering.
type crashing struct {
	t      testing.TB
	binary string
	env    []string
	addr   string
	token  string // an operator's
	log    *os.File

	mu   sync.Mutex
	proc *exec.Cmd
	died chan struct{} // closed when proc has ended
}

var failpointBinary = sync.OnceValues(func() (string, error) { return buildShop("failpoint") })

// newCrashing prepares a shop on an empty database with products and stock in it, not yet running.
func newCrashing(t *testing.T, url string) *crashing {
	t.Helper()
	binary, err := failpointBinary()
	require.NoError(t, err)
	log, err := os.Create(filepath.Join(t.TempDir(), "shop.log"))
	require.NoError(t, err)
	c := &crashing{t: t, binary: binary, addr: freeAddr(t), log: log}
	data := t.TempDir()
	signer, err := auth.DevelopmentSigner(data)
	require.NoError(t, err)
	c.token = tokenOf(t, signer, operator)
	c.env = append(os.Environ(), "SHOP_ADDR="+c.addr, "SHOP_ADMIN_ADDR="+freeAddr(t), "SHOP_DATA="+data, "SHOP_LOG_LEVEL=warn")
	if !strings.HasPrefix(url, "sqlite:") {
		c.env = append(c.env, "SHOP_DATABASE_URL="+url)
		out, err := c.command("migrate", "up").CombinedOutput()
		require.NoError(t, err, string(out))
	}
	t.Cleanup(func() {
		c.kill(syscall.SIGKILL)
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("the shop's log ends with:\n%s", b[max(0, len(b)-6000):])
		}
		_ = log.Close()
	})
	return c
}

// freeAddr finds a loopback port for a shop that may be killed and start there again: below 32768, where Linux begins to hand out the ports of outgoing connections, one of which
// would take it meanwhile.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (c *crashing) command(args ...string) *exec.Cmd {
	cmd := exec.Command(c.binary, args...)
	cmd.Env = c.env
	return cmd
}

// start runs the shop and waits until it is ready. It returns how long that took.
func (c *crashing) start(extra ...string) time.Duration {
	c.t.Helper()
	cmd := c.command("serve")
	cmd.Env = append(append([]string(nil), c.env...), extra...)
	cmd.Stderr, cmd.Stdout = c.log, c.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begun := time.Now()
	require.NoError(c.t, cmd.Start())
	died := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is the test's doing
		close(died)
	}()
	c.mu.Lock()
	c.proc, c.died = cmd, died
	c.mu.Unlock()
	for {
		if st, _, err := c.request("GET", "/readyz", "", nil); err == nil && st == http.StatusOK {
			return time.Since(begun)
		}
		select {
		case <-died:
			return time.Since(begun) // a failpoint was faster
		case <-time.After(5 * time.Millisecond):
		}
		require.Less(c.t, time.Since(begun), 30*time.Second, "the shop does not become ready")
	}
}

func (c *crashing) kill(sig syscall.Signal) {
	c.mu.Lock()
	proc, died := c.proc, c.died
	c.mu.Unlock()
	if proc == nil {
		return
	}
	_ = proc.Process.Signal(sig) // it may be dead already
	<-died
}

func (c *crashing) dead() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.died
}

func (c *crashing) request(method, path, key string, body any) (int, []byte, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+c.addr+path, content)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	client := &http.Client{Timeout: time.Minute, Transport: crashTransport}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, err
}

var crashTransport = &http.Transport{MaxIdleConnsPerHost: 256}

const crashSKUs = 20

func (c *crashing) stock() {
	c.t.Helper()
	for i := range crashSKUs {
		c.product(fmt.Sprintf("SKU-%d", i), int64(100+i), 1_000_000)
	}
}

// product puts a product into the catalog and units of it into stock.
func (c *crashing) product(sku string, price, units int64) {
	c.t.Helper()
	st, b, err := c.request("PUT", "/v1/products/"+sku, "", map[string]any{"name": sku, "price": map[string]any{"amount": price, "currency": "EUR"}})
	require.NoError(c.t, err)
	require.Contains(c.t, []int{200, 201}, st, string(b))
	st, b, err = c.request("POST", "/v1/inventory/"+sku+"/movements", "stock-"+sku, map[string]any{"quantity": units, "reason": "received"})
	require.NoError(c.t, err)
	require.Equal(c.t, 201, st, string(b))
}

// orders lists the ids of the orders with the status; of all when it is empty.
func (c *crashing) orders(status string) map[string]bool {
	c.t.Helper()
	ids, first := map[string]bool{}, "/v1/orders?limit=200"
	if status != "" {
		first += "&status=" + status
	}
	for path := first; path != ""; {
		_, raw, err := c.request("GET", path, "", nil)
		require.NoError(c.t, err)
		var page struct {
			Data []struct{ ID string }
			Next *string `json:"next_cursor"`
		}
		require.NoError(c.t, json.Unmarshal(raw, &page))
		for _, o := range page.Data {
			ids[o.ID] = true
		}
		path = ""
		if page.Next != nil {
			path = first + "&after=" + *page.Next
		}
	}
	return ids
}

// crashClients order without pause, each wish under its own key, repeated until it is answered; what they were told is kept.
type crashClients struct {
	c     *crashing
	stop  atomic.Bool
	all   sync.WaitGroup
	mu    sync.Mutex
	told  map[string]string // key → order id of every 2xx
	tried map[string]bool   // keys that were sent at least once
}

func (c *crashing) clients(n int) *crashClients { return c.pacedClients(n, 0) }

// pacedClients think for that long between two wishes.
func (c *crashing) pacedClients(n int, think time.Duration) *crashClients {
	cl := &crashClients{c: c, told: map[string]string{}, tried: map[string]bool{}}
	for i := range n {
		cl.all.Go(func() {
			for w := 0; !cl.stop.Load(); w++ {
				cl.wish(fmt.Sprintf("client-%d-wish-%d", i, w), i+w)
				<-time.After(think)
			}
		})
	}
	return cl
}

var crashMethods = [...]string{"pm_test_ok", "pm_test_ok", "pm_test_ok", "pm_test_ok", "pm_test_declined", "pm_test_error_once"}

func (cl *crashClients) wish(key string, n int) {
	body := orderOf(crashMethods[n%len(crashMethods)], fmt.Sprintf("SKU-%d", n%crashSKUs), 1, fmt.Sprintf("SKU-%d", (n*7+3)%crashSKUs), 2)
	cl.mu.Lock()
	cl.tried[key] = true
	cl.mu.Unlock()
	for !cl.stop.Load() {
		st, raw, err := cl.c.request("POST", "/v1/orders", key, body)
		if err == nil && st == http.StatusCreated {
			var o struct{ ID string }
			if json.Unmarshal(raw, &o) == nil {
				cl.mu.Lock()
				if before, again := cl.told[key]; again && before != o.ID {
					cl.c.t.Errorf("key %s was answered with %s and with %s", key, before, o.ID)
				}
				cl.told[key] = o.ID
				cl.mu.Unlock()
				return
			}
		}
		if err == nil && st < 500 {
			cl.c.t.Errorf("status %d: %s", st, raw)
			return
		}
		<-time.After(time.Duration(5+rand.IntN(10)) * time.Millisecond) // the shop is down: ask again soon
	}
}

func (cl *crashClients) finish() {
	cl.stop.Store(true)
	cl.all.Wait()
}

// settle waits until the running shop has carried every order to an outcome, stops it, and audits what it left.
func (c *crashing) settle() {
	c.t.Helper()
	c.settleRunning()
	eventually(c.t, "the audit finds nothing", func() bool { return c.command("audit").Run() == nil })
	c.kill(syscall.SIGTERM)
	out, err := c.command("audit").CombinedOutput()
	require.NoError(c.t, err, string(out))
}

// verify holds what the clients were told against the shop.
func (cl *crashClients) verify() {
	t := cl.c.t
	t.Helper()
	seen := map[string]string{}
	for key, id := range cl.told {
		if other, twice := seen[id]; twice {
			t.Errorf("keys %s and %s got the same order", key, other)
		}
		seen[id] = key
		st, raw, err := cl.c.request("GET", "/v1/orders/"+id, "", nil)
		if err != nil || st != 200 || bytes.Contains(raw, []byte(`"status":"pending"`)) {
			t.Errorf("order %s was acknowledged and is lost or open: %d %s %v", id, st, raw, err)
		}
	}
	orders := cl.c.orders("")
	require.LessOrEqual(t, len(orders), len(cl.tried), "more orders than wishes")
	require.GreaterOrEqual(t, len(orders), len(cl.told))
}

// F1: killed at random under the load of 50 clients.
func crashAtRandom(t *testing.T, url string, kills int) {
	c := newCrashing(t, url)
	c.start()
	c.stock()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	clients := c.clients(50)
	var slowest time.Duration
	for range kills {
		<-time.After(time.Duration(dice.Int64N(int64(700 * time.Millisecond)))) // the moment of death, not a wait for an event
		c.kill(syscall.SIGKILL)
		slowest = max(slowest, c.start())
	}
	clients.finish()
	clients.verifyAfter(c.settleRunning)
	t.Logf("%d kills, %d orders acknowledged, slowest start %s", kills, len(clients.told), slowest.Round(time.Millisecond))
	require.NotEmpty(t, clients.told)
}

// settleRunning waits for outcomes with the shop left running, so that it can be asked. However many orders wait and however slow the machine is, they become fewer.
func (c *crashing) settleRunning() {
	c.t.Helper()
	for left := -1; left != 0; {
		eventually(c.t, fmt.Sprintf("fewer orders without an outcome than %d", left), func() bool {
			now := len(c.orders("pending"))
			if left >= 0 && now >= left {
				<-time.After(time.Second) // counting them is work, too
				return false
			}
			left = now
			return true
		})
	}
}

// verifyAfter waits, verifies against the running shop, then stops it and audits.
func (cl *crashClients) verifyAfter(wait func()) {
	begun := time.Now()
	step := func(what string) { cl.c.t.Logf("%s after %s", what, time.Since(begun).Round(time.Millisecond)) }
	wait()
	step("settled")
	cl.verify()
	step("verified")
	cl.c.settle()
	step("audited")
}

var failpoints = []string{"before_commit", "after_commit", "before_publish", "after_publish", "before_ack", "after_ack", "before_delete"}

func TestAShopThatIsKilledAtRandomLosesNothing(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) { crashAtRandom(t, url, 20) })
}

func TestAShopThatDiesAtAnyBoundaryLosesNothing(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) {
		c := newCrashing(t, url)
		c.start()
		c.stock()
		clients := c.clients(50)
		for i, point := range failpoints {
			c.kill(syscall.SIGKILL)
			c.start(fmt.Sprintf("SHOP_FAILPOINT=%s:%d", point, 40+rand.IntN(60)))
			select {
			case <-c.dead():
			case <-time.After(30 * time.Second):
				t.Errorf("failpoint %d, %s, was not reached", i, point)
			}
		}
		c.start()
		clients.finish()
		clients.verifyAfter(c.settleRunning)
	})
}
