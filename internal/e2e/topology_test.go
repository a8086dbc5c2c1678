package e2e

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus/amqpbus/amqptest"
	"shop/internal/platform/bus/kafkabus/kafkatest"
	"shop/internal/platform/bus/natsbus/natstest"
	"shop/internal/platform/telemetry/otlptest"
)

// deployed is one cell of the matrix: how the shop is cut, what carries its messages, where it keeps its data.
type deployed struct {
	topology topology
	bus      string // memory, nats, kafka, amqp
	database string // sqlite, postgres
}

func (c deployed) String() string { return c.topology.name + "/" + c.bus + "/" + c.database }

// sample is what `make test` runs of the matrix.
func sample() []deployed {
	return []deployed{
		{out(), "memory", "sqlite"}, {out("payments"), "nats", "postgres"}, {allOut(), "nats", "sqlite"}, {out("payments"), "kafka", "sqlite"}, {out("payments"), "amqp", "sqlite"},
	}
}

// matrix is all of it: `make test-all`.
func matrix() []deployed {
	topologies := []topology{out(), allOut()}
	for _, c := range contexts {
		topologies = append(topologies, out(c.name))
	}
	var all []deployed
	for _, database := range []string{"sqlite", "postgres"} {
		all = append(all, deployed{out(), "memory", database})
		for _, tp := range topologies {
			all = append(all, deployed{tp, "nats", database})
		}
		for _, bus := range []string{"kafka", "amqp"} {
			all = append(all, deployed{out("payments"), bus, database}, deployed{allOut(), bus, database})
		}
	}
	return all
}

func TestTheSameOrdersHaveTheSameOutcomesHoweverTheShopIsCut(t *testing.T) {
	cells := sample()
	if os.Getenv("SHOP_TEST_TOPOLOGIES") == "all" {
		cells = matrix()
	}
	for _, c := range cells {
		t.Run(c.String(), func(t *testing.T) {
			collector := otlptest.Start(t)
			d := deploy(t, c.topology, startBus(t, c.bus), places(t, c.database), traced(t, collector)...)
			d.isOneTrace(collector, d.specification())
			for _, p := range d.processes {
				p.terminate()
			}
			r := d.whole.run("audit")
			require.Equal(t, 0, r.code, "%s%s", r.stdout, r.stderr)
		})
	}
}

// startBus starts a broker for the test and returns its URL.
func startBus(t testing.TB, kind string) string {
	t.Helper()
	switch kind {
	case "nats":
		return natstest.Start(t).URL()
	case "kafka":
		return kafkatest.Start(t).URL(8)
	case "amqp":
		return amqptest.Start(t).URL(4)
	}
	return "memory:"
}

// specification is what a shop does for its customers, whoever hosts what: every step is asked of the front. It returns the id of an order that was delivered.
func (d *deployment) specification() (orderID string) {
	t, p := d.t, d.front
	ann, bob := p.as("ann"), p.as("bob")
	p.product("MUG", 1250, 10)
	p.product("POT", 3000, 2)
	require.Equal(t, 201, ann.do("POST", "/v1/customers", map[string]any{"name": "Ann", "email": "ann@example.org"}, "Idempotency-Key", "ann").Status)

	// prices come from the catalog, and an order from stock to shipment
	ok := ann.do("POST", "/v1/orders", own("pm_test_ok", "MUG", 2, "POT", 1), "Idempotency-Key", "1", "Prefer", "wait=30")
	require.Equal(t, 201, ok.Status, string(ok.Raw))
	require.Equal(t, "confirmed", ok.Body["status"], string(ok.Raw))
	require.Equal(t, map[string]any{"amount": 5500.0, "currency": "EUR"}, ok.Body["total"])
	require.Equal(t, ok.Body["id"], ann.do("POST", "/v1/orders", own("pm_test_ok", "MUG", 2, "POT", 1), "Idempotency-Key", "1").Body["id"], "one wish is one order")
	path := "/v1/orders/" + ok.Body["id"].(string)
	require.Equal(t, 404, bob.do("GET", path, nil).Status)
	require.Equal(t, 401, p.asNobody().do("GET", path, nil).Status)

	// what cannot be ordered is told by whoever knows, in the same words everywhere
	unknown := ann.do("POST", "/v1/orders", own("pm_test_ok", "CUP", 1), "Idempotency-Key", "2")
	require.Equal(t, 422, unknown.Status, string(unknown.Raw))
	require.Equal(t, "unknown_sku", unknown.Body["code"])
	check := p.asNobody().do("POST", "/v1/inventory/check", map[string]any{"items": []map[string]any{{"sku": "MUG", "quantity": 9}}})
	require.Equal(t, false, check.Body["available"], string(check.Raw))

	// the other outcomes, each taken back as far as it went
	for key, c := range map[string]struct{ method, sku, reason string }{"3": {"pm_test_declined", "MUG", "payment_declined"}, "4": {"pm_test_ok", "POT", "out_of_stock"}} {
		o := ann.do("POST", "/v1/orders", own(c.method, c.sku, 2), "Idempotency-Key", key, "Prefer", "wait=30")
		require.Equal(t, "cancelled", o.Body["status"], string(o.Raw))
		require.Equal(t, c.reason, o.Body["cancellation"].(map[string]any)["reason"])
	}
	for key, method := range map[string]string{"5": "pm_test_timeout", "6": "pm_test_error_once"} {
		o := ann.do("POST", "/v1/orders", own(method, "MUG", 1), "Idempotency-Key", key, "Prefer", "wait=30")
		require.Equal(t, "confirmed", o.Body["status"], string(o.Raw))
	}
	regretted := ann.do("POST", "/v1/orders", own("pm_test_ok", "MUG", 3), "Idempotency-Key", "7", "Prefer", "wait=30")
	require.Equal(t, "confirmed", regretted.Body["status"], string(regretted.Raw))
	gone := "/v1/orders/" + regretted.Body["id"].(string)
	require.Equal(t, 202, ann.do("POST", gone+"/cancel", map[string]any{"reason": "changed my mind"}).Status)
	eventually(t, "the money is given back", func() bool {
		o := ann.do("GET", gone, nil).Body
		return o["status"] == "cancelled" && o["payment_status"] == "refunded"
	})

	// the order as a whole, from five contexts
	eventually(t, "the shipment is made", func() bool { return ann.do("GET", path, nil).Body["fulfillment_status"] == "preparing" })
	details := ann.do("GET", path+"/details", nil)
	require.Equal(t, 200, details.Status, string(details.Raw))
	require.Empty(t, details.Body["unavailable"], string(details.Raw))
	require.Len(t, details.Body["payments"], 1)
	require.Len(t, details.Body["shipments"], 1)
	require.Equal(t, "Ann", details.Body["customer"].(map[string]any)["name"])
	require.Equal(t, []any{map[string]any{"sku": "MUG", "available": 6.0}, map[string]any{"sku": "POT", "available": 1.0}}, details.Body["stock"])

	shipment := "/v1/shipments/" + details.Body["shipments"].([]any)[0].(map[string]any)["id"].(string)
	require.Equal(t, 200, p.do("POST", shipment+"/dispatch", map[string]any{"carrier": "post", "tracking_number": "T1"}).Status)
	eventually(t, "it is shipped", func() bool { return ann.do("GET", path, nil).Body["status"] == "shipped" })
	require.Equal(t, 200, p.do("POST", shipment+"/deliver", map[string]any{}).Status)
	eventually(t, "it is delivered", func() bool { return ann.do("GET", path, nil).Body["status"] == "delivered" })
	payment := "/v1/payments/" + details.Body["payments"].([]any)[0].(map[string]any)["id"].(string)
	refund := p.do("POST", payment+"/refunds", map[string]any{"amount": map[string]any{"amount": 1250, "currency": "EUR"}, "reason": "a crack"}, "Idempotency-Key", "8")
	require.Equal(t, 201, refund.Status, string(refund.Raw))
	eventually(t, "the order knows", func() bool { return ann.do("GET", path, nil).Body["payment_status"] == "partially_refunded" })

	// what the customer was told: four confirmations, three cancellations, one parcel, one refund (a cancellation says itself what is given back)
	told := func() map[string]int {
		kinds := map[string]int{}
		for _, n := range p.do("GET", "/v1/notifications?limit=100", nil).Body["data"].([]any) {
			kinds[n.(map[string]any)["kind"].(string)]++
		}
		return kinds
	}
	want := map[string]int{"order_confirmed": 4, "order_cancelled": 3, "order_shipped": 1, "refunded": 1}
	eventually(t, "the customer is told", func() bool { return maps.Equal(told(), want) })
	d.settled()
	require.Equal(t, want, told())
	stock := p.do("GET", "/v1/inventory/MUG", nil).Body
	require.Equal(t, []any{8.0, 2.0, 6.0}, []any{stock["on_hand"], stock["reserved"], stock["available"]})
	return ok.Body["id"].(string)
}

// killed is how often each process dies in the test below. In `make torture` 20 times.
var killed = 3

// F1 for several processes: each is killed at random under the load of 50 clients, and comes back.
func TestProcessesThatAreKilledAtRandomLoseNothing(t *testing.T) {
	for _, c := range []deployed{{out("payments"), "nats", "sqlite"}, {out("orders", "payments"), "nats", "postgres"}} {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			d := deploy(t, c.topology, startBus(t, c.bus), places(t, c.database))
			orders := d.clients()
			orders.stock()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			dice := rand.New(rand.NewPCG(seed, 0))
			clients := orders.clients(50)
			for n := range killed * len(d.processes) {
				<-time.After(time.Duration(dice.Int64N(int64(700 * time.Millisecond)))) // the moment of death, not a wait for an event
				p := d.processes[n%len(d.processes)]
				p.kill()
				p.start()
			}
			clients.finish()
			orders.settleRunning()
			clients.verify()
			d.settled()
			t.Logf("%d kills, %d orders acknowledged", killed*len(d.processes), len(clients.told))
			require.NotEmpty(t, clients.told)
		})
	}
}

// outage is how long the broker is away in the test below. In `make torture` 30 s.
var outage = 3 * time.Second

func TestABrokerThatIsAwayForAWhileLosesNothingAndOrdersAreTakenMeanwhile(t *testing.T) {
	broker := natstest.Start(t)
	d := deploy(t, out("payments"), broker.URL(), places(t, "sqlite"))
	orders := d.clients()
	orders.stock()
	clients := orders.pacedClients(8, 50*time.Millisecond)
	taken := func() int {
		clients.mu.Lock()
		defer clients.mu.Unlock()
		return len(clients.told)
	}
	eventually(t, "orders are taken", func() bool { return taken() > 50 })
	broker.Stop()
	before := taken()
	<-time.After(outage) // the outage itself
	eventually(t, "orders are taken without a broker", func() bool { return taken() > before+50 })
	for _, p := range d.processes {
		ready, err := p.try(http.MethodGet, p.URL+"/readyz", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, ready.Status, "a load balancer must go on sending orders")
		verbose, err := p.try(http.MethodGet, p.URL+"/readyz?verbose", nil)
		require.NoError(t, err)
		require.Equal(t, "degraded", verbose.Body["status"], string(verbose.Raw))
	}
	broker.Resume(t)
	begun := time.Now()
	clients.finish()
	orders.settleRunning()
	recovered := time.Since(begun)
	clients.verify()
	d.settled()
	t.Logf("%d orders acknowledged, %d before the outage; all had their outcome %s after it", len(clients.told), before, recovered.Round(time.Millisecond))
}

func TestAProcessWhoseBrokerIsNotThereSaysSoAndEnds(t *testing.T) {
	s := newShop(t, "sqlite:"+t.TempDir(), "SHOP_BUS_URL=nats://"+freeAddr(t))
	r := s.run("serve")
	require.Equal(t, 4, r.code, r.stderr)
	require.Contains(t, r.stderr, "SHOP_BUS_URL")
}

// A context that is started long after the others finds what was said to it meanwhile.
func TestAContextThatComesLateFindsWhatWasSaid(t *testing.T) {
	d := deploy(t, out("payments"), natstest.Start(t).URL(), places(t, "sqlite"))
	late := d.process("payments")
	late.kill()
	d.front.product("MUG", 1250, 10)
	o := d.front.do("POST", "/v1/orders", orderOf("pm_test_ok", "MUG", 1), "Idempotency-Key", "1")
	require.Equal(t, 201, o.Status, string(o.Raw))
	id := o.Body["id"].(string)
	eventually(t, "stock is reserved", func() bool { return d.front.do("GET", "/v1/orders/"+id, nil).Body["fulfillment_status"] == "reserved" })
	late.start()
	eventually(t, "the order is confirmed", func() bool { return d.front.do("GET", "/v1/orders/"+id, nil).Body["status"] == "confirmed" })
	d.settled()
}
