package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAShopServesStopsAndGoesOn(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) {
		s := newShop(t, url)
		p := s.serve()
		p.product("MUG", 1250, 100)
		placed := p.place("basket-1", orderOf("pm_test_ok", "MUG", 2))
		require.Equal(t, "confirmed", placed.Body["status"], string(placed.Raw))
		require.LessOrEqual(t, p.terminate(), 5*time.Second, "there was nothing to wait for")

		p = s.serve()
		again := p.place("basket-1", orderOf("pm_test_ok", "MUG", 2))
		require.Equal(t, placed.Body["id"], again.Body["id"])
		level := p.do("GET", "/v1/inventory/MUG", nil)
		require.EqualValues(t, 98, level.Body["available"], string(level.Raw))
		s.audit()
		p.terminate()
		s.audit()
		for _, line := range p.log {
			var entry map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &entry), line)
			for _, field := range []string{"ts", "level", "msg", "service.name"} {
				require.Contains(t, entry, field, line)
			}
			require.NotContains(t, []any{"error", "fatal"}, entry["level"], line)
		}
	})
}

func TestTheAdminPortTellsHowTheShopIs(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) {
		s := newShop(t, url)
		p := s.serve()
		p.product("MUG", 1250, 100)
		p.place("basket-1", orderOf("pm_test_ok", "MUG", 2))

		ready, err := p.try("GET", p.Admin+"/readyz?verbose", nil)
		require.NoError(t, err)
		require.Equal(t, 200, ready.Status)
		for _, check := range []string{"orders.database", "orders.migrations", "orders.relay", "orders.bus", "testpsp.database"} {
			require.Contains(t, string(ready.Raw), `"name":"`+check+`"`)
		}
		metrics, err := p.try("GET", p.Admin+"/metrics", nil)
		require.NoError(t, err)
		for _, line := range []string{
			`shop_build_info{go="go`, `shop_outbox_pending{context="orders"} `, `shop_outbox_oldest_age_seconds{context="payments"} `, `shop_relay_leading{context="orders"} 1`,
			`shop_dead_letters{context="orders",state="dead"} 0`, `shop_db_commits_total{context="inventory"} `, `shop_db_unknown_commits_total{context="orders"} 0`,
			`http_server_request_duration_seconds_count{error_type="",http_request_method="POST",http_response_status_code="201",http_route="/v1/orders",url_scheme="http"} 1`, "go_goroutines ",
		} {
			require.Contains(t, string(metrics.Raw), line)
		}
		public, err := p.try("GET", p.URL+"/metrics", nil)
		require.NoError(t, err)
		require.Equal(t, 404, public.Status, "metrics are not public")
	})
}

func TestASecondShopOnADataDirectoryIsRefused(t *testing.T) {
	s := newShop(t, "sqlite:"+t.TempDir())
	p := s.serve()
	for _, args := range [][]string{{"serve"}, {"import", "online-retail", retailFile(t, 3)}} {
		r := s.run(args...)
		require.Equal(t, 1, r.code, "%v: %s", args, r.stderr)
		require.Contains(t, r.stderr, fmt.Sprintf("another shop (process %d) is using the data directory", p.cmd.Process.Pid))
	}
	p.kill()
	s.serve().terminate() // a dead process holds nothing
}

func TestAContextThatTalksToNobodyCanBeHostedAlone(t *testing.T) {
	s := newEmptyShop(t, "sqlite:"+t.TempDir())
	p := s.serve("--contexts", "catalog")
	require.Equal(t, 201, p.do("PUT", "/v1/products/MUG", map[string]any{"name": "Mug", "price": map[string]any{"amount": 1250, "currency": "EUR"}}).Status)
	require.Equal(t, 404, p.do("POST", "/v1/orders", orderOf("pm_test_ok", "MUG", 1), "Idempotency-Key", "1").Status)
	p.terminate()
	require.NoFileExists(t, filepath.Join(strings.TrimPrefix(s.url, "sqlite:"), "orders.db"), "what is not hosted has no database here")
	r := s.run("audit", "--contexts", "catalog")
	require.Equal(t, 0, r.code, r.stderr)
	r = s.run("serve", "--contexts", "all,-payments")
	require.Equal(t, 3, r.code)
	require.Contains(t, r.stderr, "orders is hosted here and payments is not, but they talk")
}

func TestTheDemoShowsEveryOutcome(t *testing.T) {
	s := newEmptyShop(t, "sqlite:"+t.TempDir())
	r := s.run("demo", "--once")
	require.Equal(t, 0, r.code, r.stderr)
	require.Empty(t, r.stderr)
	require.NotContains(t, r.stdout, "\x1b", "no colour where there is no terminal")
	for _, words := range []string{"stock.reserved", "payment.captured", "order.confirmed", "order.delivered", "is confirmed", "card_declined", "reserve_stock is taken back",
		"payment_declined", "out_of_stock", "The same order", "404 order_not_found"} {
		require.Contains(t, r.stdout, words)
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "shop-demo-*"))
	require.NoError(t, err)
	require.NotContains(t, strings.Join(left, " "), demoDirectory(r.stdout), "the temporary directory is gone")

	dir := filepath.Join(t.TempDir(), "kept")
	for range 2 { // the second time in what the first left
		r = s.run("demo", "--once", "--data", dir)
		require.Equal(t, 0, r.code, r.stderr)
	}
	r = s.run("audit", "--database-url", "sqlite:"+dir)
	require.Equal(t, 0, r.code, r.stdout)
}

// demoDirectory is where the demo says that its data are.
func demoDirectory(stdout string) string {
	_, rest, _ := strings.Cut(stdout, "data  ")
	dir, _, _ := strings.Cut(rest, "\n")
	return dir
}

func TestMigrationsAreAppliedOnceAndListed(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) {
		s := newEmptyShop(t, url)
		status := func() (applied, missing int) {
			var all []struct {
				AppliedAt time.Time `json:"applied_at"`
			}
			s.run("migrate", "status", "-o", "json").decode(t, &all)
			for _, m := range all {
				if m.AppliedAt.IsZero() {
					missing++
				} else {
					applied++
				}
			}
			return applied, missing
		}
		if !s.sqlite() {
			applied, missing := status()
			require.Zero(t, applied)
			require.NotZero(t, missing)
			r := s.run("serve")
			require.Equal(t, 3, r.code, r.stderr)
			require.Contains(t, r.stderr, "run shop migrate up")
			require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
		}
		r := s.run("migrate", "up")
		require.Equal(t, 0, r.code, r.stderr)
		require.Contains(t, r.stdout, "Applied")
		applied, missing := status()
		require.Zero(t, missing)
		require.GreaterOrEqual(t, applied, 11, "five contexts with the platform's tables, and the test provider's")
		r = s.run("migrate", "up")
		require.Equal(t, 0, r.code, r.stderr)
		require.Contains(t, r.stdout, "Nothing to do")
		s.serve().terminate()
	})
}

func TestAnAuditShowsWhatIsBroken(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) {
		s := newShop(t, url)
		p := s.serve()
		p.product("MUG", 1250, 100)
		p.place("basket-1", orderOf("pm_test_ok", "MUG", 2))
		s.audit() // while it runs
		s.exec("inventory", "stock", `UPDATE {stock} SET on_hand = on_hand + 1 WHERE sku = 'MUG'`)
		r := s.run("audit")
		require.Equal(t, 1, r.code)
		require.Contains(t, r.stdout, "I1")
		require.Contains(t, r.stdout, "MUG")
		require.Empty(t, r.stderr)
		r = s.run("audit", "-o", "json")
		require.Equal(t, 1, r.code)
		var report struct {
			OK       bool
			Findings []struct{ Invariant, Context, Subject string }
			Checked  []struct {
				Context string
				Rows    map[string]int64
			}
		}
		r.decode(t, &report)
		require.False(t, report.OK)
		require.Len(t, report.Findings, 1)
		require.Equal(t, "inventory", report.Findings[0].Context)
		require.Equal(t, "MUG", report.Findings[0].Subject)
		require.Len(t, report.Checked, len(databases))
		for _, c := range report.Checked {
			if c.Context == "orders" {
				require.EqualValues(t, 1, c.Rows["order_summaries"])
			}
		}
	})
}

func TestDeadLettersAreListedReplayedAndDiscarded(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) {
		s := newShop(t, url)
		p := s.serve()
		letter := func(messageID, typ string) {
			s.exec("orders", "dead_letters", `INSERT INTO {dead_letters} (consumer, message_id, parcel, bit, type, key, headers, body, state, error, attempts, created_at)
				VALUES ('orders', '`+messageID+`', '`+messageID+`', 1, '`+typ+`', '`+messageID+`', '{}', '{"reference":"ord_none"}', 'dead', 'it did not work', 8, 1790000000000000)`)
		}
		letter("msg_1", "shop.shipping.shipment.created.v1") // of an order that is not there: applied now, it changes nothing
		letter("msg_2", "shop.shipping.nonsense.v1")
		type listed struct {
			Ref, State, Error string
			MessageID         string `json:"message_id"`
		}
		list := func() map[string]listed {
			var all []listed
			s.run("deadletters", "list", "-o", "json").decode(t, &all)
			byMessage := map[string]listed{}
			for _, l := range all {
				byMessage[l.MessageID] = l
			}
			return byMessage
		}
		before := list()
		require.Len(t, before, 2)
		require.Contains(t, s.run("deadletters", "list").stdout, "it did not work")
		require.Contains(t, s.run("deadletters", "list", "--context", "payments").stdout, "There are no dead letters.")
		shown := s.run("deadletters", "show", before["msg_1"].Ref)
		require.Contains(t, shown.stdout, `ord_none`)
		require.Contains(t, shown.stdout, `shop.shipping.shipment.created.v1`)

		r := s.run("deadletters", "replay", before["msg_1"].Ref, before["msg_2"].Ref)
		require.Equal(t, 0, r.code, r.stderr)
		eventually(t, "one is applied and the other dead again, for another reason", func() bool {
			now := list()
			return len(now) == 1 && now["msg_2"].State == "dead" && now["msg_2"].Error != "it did not work"
		})
		r = s.run("deadletters", "discard", before["msg_2"].Ref)
		require.Equal(t, 0, r.code, r.stderr)
		require.Empty(t, list())
		r = s.run("deadletters", "discard", before["msg_2"].Ref)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.stderr, "there is no such dead letter")
		p.terminate()
	})
}

// F14: whoever was told that an order is taken finds it, nobody is told that something broke, and the end comes in time.
func TestAShopThatIsStoppedUnderLoadFailsNobody(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) {
		s := newShop(t, url)
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		dice := rand.New(rand.NewPCG(seed, 0))
		p := s.serve()
		p.product("MUG", 1250, 10_000_000)
		told := map[string]string{} // key → order
		for round := range 5 {
			if round > 0 {
				p = s.serve()
			}
			clients := startClients(p, fmt.Sprintf("round-%d", round))
			require.True(t, clients.placedAtLeast(50+dice.Int64N(200)), "the shop ended by itself: %s", p.logged())
			took := p.terminate()
			clients.stop()
			require.Empty(t, clients.failures, "round %d", round)
			for key, id := range clients.told {
				told[key] = id
			}
			t.Logf("round %d: %d orders, stopped in %s", round, len(clients.told), took.Round(time.Millisecond))
		}
		p = s.serve()
		for key, id := range told {
			a := p.do("POST", "/v1/orders", orderOf("pm_test_ok", "MUG", 1), "Idempotency-Key", key)
			require.Equal(t, id, a.Body["id"], string(a.Raw))
		}
		eventually(t, "every order has its outcome", func() bool {
			return strings.Contains(string(p.do("GET", "/v1/orders?status=pending&limit=1", nil).Raw), `"data":[]`)
		})
		s.audit()
		p.terminate()
		s.audit()
	})
}

// clients order one after another until the shop is gone.
type clients struct {
	all     sync.WaitGroup
	stopped atomic.Bool
	placed  atomic.Int64

	mu       sync.Mutex
	told     map[string]string // key → order of every 201
	failures []string          // answers that no client should see
}

func startClients(p *running, name string) *clients {
	c := &clients{told: map[string]string{}}
	for i := range 50 {
		c.all.Go(func() {
			for n := 0; !c.stopped.Load(); n++ {
				key := fmt.Sprintf("%s-%d-%d", name, i, n)
				a, err := p.try("POST", p.URL+"/v1/orders", orderOf("pm_test_ok", "MUG", 1), "Idempotency-Key", key, "Prefer", "wait=5")
				if err != nil {
					return // the shop is gone
				}
				c.note(key, a)
			}
		})
	}
	return c
}

func (c *clients) note(key string, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, _ := a.Body["id"].(string)
	if a.Status != http.StatusCreated || id == "" {
		c.failures = append(c.failures, fmt.Sprintf("%d %s", a.Status, a.Raw))
		return
	}
	c.told[key] = id
	c.placed.Add(1)
}

// placedAtLeast waits until so many orders were placed; false says that the clients gave up before.
func (c *clients) placedAtLeast(n int64) bool {
	gone := make(chan struct{})
	go func() {
		c.all.Wait()
		close(gone)
	}()
	for c.placed.Load() < n {
		select {
		case <-gone:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

func (c *clients) stop() {
	c.stopped.Store(true)
	c.all.Wait()
}

// The provider charges and does not answer, so that the order stays pending for seconds.
func TestACustomerWhoWaitsIsAnsweredWhenTheShopStops(t *testing.T) {
	s := newShop(t, "sqlite:"+t.TempDir())
	p := s.serve()
	p.product("MUG", 1250, 100)
	got := make(chan answer, 1)
	go func() {
		a, err := p.try("POST", p.URL+"/v1/orders", orderOf("pm_test_timeout", "MUG", 1), "Idempotency-Key", "slow", "Prefer", "wait=60")
		if err != nil {
			a.Raw = []byte(err.Error())
		}
		got <- a
	}()
	eventually(t, "the order is there", func() bool {
		return !strings.Contains(string(p.do("GET", "/v1/orders?limit=1", nil).Raw), `"data":[]`)
	})
	p.terminate()
	a := <-got
	require.Equal(t, 201, a.Status, string(a.Raw))
	require.NotEmpty(t, a.Body["id"])
	p = s.serve()
	eventually(t, "the order is confirmed by the next start", func() bool {
		return p.do("GET", "/v1/orders/"+a.Body["id"].(string), nil).Body["status"] == "confirmed"
	})
	p.terminate()
	s.audit()
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	s := newShop(t, "sqlite:"+t.TempDir())
	p := s.serve()
	p.product("MUG", 1250, 100)
	go func() { // keeps the first signal from ending it
		_, _ = p.try("POST", p.URL+"/v1/orders", orderOf("pm_test_timeout", "MUG", 1), "Idempotency-Key", "slow", "Prefer", "wait=60")
	}()
	eventually(t, "the order is there", func() bool {
		return !strings.Contains(string(p.do("GET", "/v1/orders?limit=1", nil).Raw), `"data":[]`)
	})
	p.signal()
	eventually(t, "it is stopping", func() bool { return strings.Contains(p.logged(), `"msg":"stopping"`) })
	p.signal()
	select {
	case <-p.ended:
	case <-time.After(2 * time.Second):
		require.FailNow(t, "the second signal did not kill")
	}
	require.Equal(t, -1, p.cmd.ProcessState.ExitCode(), "killed by the signal")
	p = s.serve() // nothing is lost
	eventually(t, "the order is confirmed by the next start", func() bool {
		return strings.Contains(string(p.do("GET", "/v1/orders?limit=1", nil).Raw), `"status":"confirmed"`)
	})
	p.terminate()
	s.audit()
}
