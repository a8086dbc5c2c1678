package e2e

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus/natsbus/natstest"
	"shop/internal/platform/sqldb/pgtest"
)

// stuckPage is what somebody reads who has the id of a stuck order. The tests make such orders and type what it says.
const stuckPage = "../../docs/how-to/find-out-why-an-order-is-stuck.md"

// chapter is a chapter of the page: the commands that lead to the cause, and those that end it.
type chapter struct{ causes, ends []string }

const endIt = "**End it.**"

// page reads a chapter. No more than four commands may lead to a cause.
func page(t testing.TB, title string) chapter {
	t.Helper()
	b, err := os.ReadFile(stuckPage)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(b), "\n## "+title+"\n")
	require.True(t, found, "there is no chapter %q", title)
	rest, _, _ = strings.Cut(rest, "\n## ")
	before, after, found := strings.Cut(rest, "\n"+endIt)
	require.True(t, found, "%s says nothing on how it ends", title)
	c := chapter{commandsIn(before), commandsIn(after)}
	require.NotEmpty(t, c.causes)
	require.Less(t, len(c.causes), 5, "%s: too many commands", title)
	return c
}

var shellBlocks = regexp.MustCompile("(?s)\n```sh\n(.*?)\n```")

func commandsIn(text string) (commands []string) {
	for _, block := range shellBlocks.FindAllStringSubmatch(text, -1) {
		commands = append(commands, strings.Split(block[1], "\n")...)
	}
	return commands
}

// operates types commands with the settings of a process, and returns what they print.
func operates(t testing.TB, s *shop, commands []string, environ ...string) string {
	t.Helper()
	var all strings.Builder
	for _, line := range commands {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = s.dir
		cmd.Env = append(append(slices.Clone(s.environ), environ...), "PATH="+filepath.Dir(s.binary)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || !strings.HasPrefix(line, "shop doctor") { // which fails when it finds something
			require.NoError(t, err, "%s: %s", line, out)
		}
		all.Write(out)
	}
	t.Logf("%v\n%s", commands, all.String())
	return all.String()
}

// atFixedPorts gives a shop ports of its own, so that commands with its settings find it.
func atFixedPorts(t testing.TB, s *shop) {
	s.environ = append(s.environ, "SHOP_ADDR="+freeAddr(t), "SHOP_ADMIN_ADDR="+freeAddr(t))
}

// stuckShop is a shop with mugs, in its data directory.
func stuckShop(t testing.TB) (*shop, *running) {
	t.Helper()
	s := newEmptyShop(t, "sqlite:"+t.TempDir())
	atFixedPorts(t, s)
	p := s.serve()
	p.product("MUG", 1250, 100)
	return s, p
}

// order places an order that is not confirmed for now.
func (p *running) order(key string) (id string) {
	p.t.Helper()
	o := p.do("POST", "/v1/orders", orderOf("pm_test_ok", "MUG", 2), "Idempotency-Key", key)
	require.Equal(p.t, 201, o.Status, string(o.Raw))
	return o.Body["id"].(string)
}

// becomes waits until an order has a status.
func (p *running) becomes(id, status string) {
	p.t.Helper()
	eventually(p.t, "the order is "+status, func() bool {
		o, err := p.try("GET", p.URL+"/v1/orders/"+id, nil)
		return err == nil && o.Body["status"] == status
	})
}

// says waits until shop trace says something of an order: what the page shows is seen by somebody who comes a little later.
func says(t testing.TB, s *shop, id, words string) {
	t.Helper()
	eventually(t, "shop trace says "+words, func() bool { return strings.Contains(s.run("trace", id).stdout, words) })
}

func TestAnOrderWhoseProviderIsDownLeadsToIt(t *testing.T) {
	t.Parallel()
	s, p := stuckShop(t)
	provider, err := sql.Open("sqlite", "file:"+filepath.Join(strings.TrimPrefix(s.url, "sqlite:"), "testpsp.db")+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	defer func() { require.NoError(t, provider.Close()) }()
	outage, err := provider.Begin() // the provider cannot write into its books, and does not answer
	require.NoError(t, err)
	id := p.order("1")
	says(t, s, id, "The last attempt, ")

	does := page(t, "The payment provider is down")
	seen := operates(t, s, does.causes, "ORDER="+id)
	require.Contains(t, seen, "It waits for take_payment, by payments")
	require.Contains(t, seen, "The payment provider does not say what became of pay_")
	require.Contains(t, seen, `failed after 3.0`)
	require.Contains(t, seen, "1 payments of which the provider has not told the outcome")
	p.mu.Lock()
	require.Regexp(t, `"the provider did not answer".*"order_id":"`+id, strings.Join(p.log, "\n"), "the page names this line")
	p.mu.Unlock()

	require.NoError(t, outage.Rollback())
	p.becomes(id, "confirmed")
	require.Contains(t, operates(t, s, does.ends, "ORDER="+id), id+" is confirmed")
	p.terminate()
	s.audit()
}

func TestAnOrderBehindADeadLetterLeadsToIt(t *testing.T) {
	t.Parallel()
	s, p := stuckShop(t)
	s.exec("payments", "payments", `CREATE TRIGGER broken BEFORE INSERT ON payments BEGIN SELECT RAISE(ABORT, 'payments are not allowed yet'); END`)
	id := p.order("1")
	says(t, s, id, "is the dead letter ")
	require.Equal(t, 202, p.do("POST", "/v1/orders/"+id+"/cancel", map[string]any{"reason": "too slow"}).Status)
	says(t, s, id, "is parked behind")

	does := page(t, "A message is a dead letter")
	seen := operates(t, s, does.causes, "ORDER="+id)
	require.Contains(t, seen, "shop.payments.payment.take.v1 is the dead letter payments/1 of payments: payments could not apply it in 8 attempts")
	require.Contains(t, seen, "payments are not allowed yet")
	require.Contains(t, seen, "shop.payments.payment.cancel.v1 is parked behind the dead letter, as payments/2")
	require.Contains(t, seen, `body       {"reference":"`+id)

	s.exec("payments", "payments", `DROP TRIGGER broken`)
	require.Contains(t, operates(t, s, does.ends, "ORDER="+id), "payments/1 replayed")
	p.becomes(id, "cancelled")
	require.Contains(t, s.run("trace", id).stdout, id+" is cancelled; its process is compensated.")
	require.Contains(t, s.run("deadletters", "list").stdout, "There are no dead letters.")
	p.terminate()
	s.audit()
}

func TestAnOrderThatWaitsForADatabaseThatIsDownLeadsToIt(t *testing.T) {
	t.Parallel()
	inventory := pgtest.Start(t) // of its own, so that it can be stopped
	s := newEmptyShop(t, "sqlite:"+t.TempDir(), "SHOP_INVENTORY_DATABASE_URL="+inventory.URL())
	atFixedPorts(t, s)
	r := s.run("migrate", "up")
	require.Equal(t, 0, r.code, r.stderr)
	p := s.serve()
	p.product("MUG", 1250, 100)
	require.NoError(t, inventory.StopImmediate())
	id := p.order("1")
	says(t, s, id, "waits in the outbox of orders")

	does := page(t, "The database of a context is down")
	seen := operates(t, s, does.causes, "ORDER="+id)
	require.Contains(t, seen, "not looked at: the outboxes and dead letters of inventory (database of inventory: database_unavailable")
	require.Contains(t, seen, "shop.inventory.stock.reserve.v1 waits in the outbox of orders")
	require.Regexp(t, `fail  inventory\.database +PostgreSQL on \S+ does not answer: .*SHOP_INVENTORY_DATABASE_URL`, seen)
	require.Empty(t, does.ends)

	require.NoError(t, inventory.Start())
	p.becomes(id, "confirmed")
	require.Contains(t, s.run("deadletters", "list").stdout, "There are no dead letters.")
	p.terminate()
	s.audit()
}

var usesIt = regexp.MustCompile(`process (\d+) uses it`)

// A shop in two processes: first payments is away, then the broker, and then the process that sends the messages of orders stands still.
func TestAnOrderThatAnotherProcessOrTheRelayDoesNotCarryOnLeadsToThem(t *testing.T) {
	t.Parallel()
	broker := natstest.Start(t)
	d := deploy(t, out("payments"), broker.URL(), places(t, "sqlite"))
	for _, p := range d.processes { // their admin ports are in the settings
		p.terminate()
		p.shop.environ = append(p.shop.environ, "SHOP_ADMIN_ADDR="+freeAddr(t))
		p.start()
	}
	front, s := d.front, d.front.shop
	front.product("MUG", 1250, 100)

	d.process("payments").terminate()
	id := front.order("1")
	says(t, s, id, "It waits for take_payment")
	does := page(t, "The process that has the next step is away")
	seen := operates(t, s, does.causes, "ORDER="+id)
	require.Regexp(t, `payments is elsewhere, at http://\S+, which does not answer: .*refused\.\n  next: shop serve --contexts payments `, seen)
	require.Equal(t, []string{"shop serve --contexts payments"}, does.ends)
	d.process("payments").start()
	front.becomes(id, "confirmed")

	broker.Stop()
	id = front.order("2")
	says(t, s, id, "waits in the outbox of orders")
	does = page(t, "The broker is away")
	seen = operates(t, s, does.causes, "ORDER="+id)
	require.Contains(t, seen, "shop.inventory.stock.reserve.v1 waits in the outbox of orders")
	require.Regexp(t, `fail  broker +that of SHOP_BUS_URL does not answer`, seen)
	require.Empty(t, does.ends)

	require.NoError(t, front.cmd.Process.Signal(syscall.SIGSTOP))
	broker.Resume(t)
	eventually(t, "its leases have run out", func() bool {
		var patient struct{ Unled []string }
		r := s.run("trace", id, "--admin", "127.0.0.1:1", "-o", "json")
		require.Equal(t, 0, r.code, r.stderr)
		r.decode(t, &patient)
		return slices.Contains(patient.Unled, "orders")
	})
	does = page(t, "The relay stands still")
	seen = operates(t, s, does.causes, "ORDER="+id)
	require.Contains(t, seen, "waits in the outbox of orders")
	require.Contains(t, seen, "No process leads orders: nobody sends its messages")
	require.Regexp(t, `fail  process +the one on \S+ takes connections and does not answer: it hangs, or is stopped`, seen)
	require.NotContains(t, seen, "fail  broker")
	process := usesIt.FindStringSubmatch(seen)
	require.NotNil(t, process, seen)
	require.Equal(t, "shop serve", does.ends[1])
	operates(t, s, does.ends[:1], "PROCESS="+process[1])
	<-front.ended
	front.start()
	front.becomes(id, "confirmed")
	d.settled()
}
