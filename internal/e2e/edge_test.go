package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
)

// newGateway is a shop that believes the tokens of another.
func newGateway(t *testing.T, inner *shop, environ ...string) *shop {
	t.Helper()
	s := newEmptyShop(t, "sqlite:"+t.TempDir(), environ...)
	key, err := os.ReadFile(filepath.Join(inner.dir, "data", "development-key.pem"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "data", "development-key.pem"), key, 0o600))
	s.signer, err = auth.DevelopmentSigner(filepath.Join(s.dir, "data"))
	require.NoError(t, err)
	return s
}

func TestAnOrderIsPlacedAndSeenThroughAProcessThatHostsNoOrders(t *testing.T) {
	inner := newEmptyShop(t, "sqlite:"+t.TempDir())
	behind := inner.serve()
	behind.product("MUG", 1250, 100)
	var elsewhere []string
	for _, context := range []string{"CUSTOMERS", "INVENTORY", "ORDERS", "PAYMENTS", "SHIPPING"} {
		elsewhere = append(elsewhere, "SHOP_"+context+"_URL="+behind.URL)
	}
	p := newGateway(t, inner, elsewhere...).serve("--contexts", "catalog")
	ann, bob := p.as("ann"), p.as("bob")

	order := ann.do("POST", "/v1/orders", own("pm_test_ok", "MUG", 2), "Idempotency-Key", "1", "Prefer", "wait=20")
	require.Equal(t, 201, order.Status, string(order.Raw))
	require.Equal(t, "confirmed", order.Body["status"], "the wait goes along")
	path := "/v1/orders/" + order.Body["id"].(string)
	again := ann.do("POST", "/v1/orders", own("pm_test_ok", "MUG", 2), "Idempotency-Key", "1")
	require.Equal(t, order.Body["id"], again.Body["id"], "the key goes along")

	eventually(t, "the shipment is known, and the order does not change any more", func() bool {
		return ann.do("GET", path, nil).Body["fulfillment_status"] == "preparing"
	})
	details := ann.do("GET", path+"/details", nil)
	require.Equal(t, 200, details.Status, string(details.Raw))
	require.Equal(t, ann.do("GET", path, nil).Body, details.Body["order"])
	require.Len(t, details.Body["payments"], 1)
	require.Equal(t, []any{map[string]any{"sku": "MUG", "available": 98.0}}, details.Body["stock"])
	require.Empty(t, details.Body["unavailable"])

	for _, hidden := range []string{path, path + "/details"} {
		require.Equal(t, 404, bob.do("GET", hidden, nil, "X-User-Id", "ann", "X-Role", "operator", "X-Forwarded-User", "ann").Status, hidden)
		require.Equal(t, 401, p.asNobody().do("GET", hidden, nil).Status, hidden)
	}
	require.Equal(t, 404, p.do("GET", "/v1/notifications", nil).Status, "nobody said where they are")

	behind.kill()
	for gone, code := range map[string]string{path: "upstream_unavailable", path + "/details": "orders_unavailable"} { // passed on; put together here
		answer := ann.do("GET", gone, nil)
		require.Equal(t, 503, answer.Status)
		require.Equal(t, code, answer.Body["code"])
	}
	require.Equal(t, 200, ann.do("GET", "/v1/products", nil).Status, "what is hosted here goes on")
	p.terminate()
}

func TestTheDetailsOfAnOrderHearOfChangesOfItsCustomer(t *testing.T) {
	p := newEmptyShop(t, "sqlite:"+t.TempDir()).serve()
	p.product("MUG", 1250, 100)
	ann := p.as("ann")
	path := "/v1/orders/" + ann.place("1", own("pm_test_ok", "MUG", 1)).Body["id"].(string) + "/details"
	customer := func() any { return ann.do("GET", path, nil).Body["customer"] }
	require.Nil(t, customer(), "there is no profile yet")
	a := ann.do("POST", "/v1/customers", map[string]any{"name": "Ann", "email": "ann@example.org"}, "Idempotency-Key", "1")
	require.Equal(t, 201, a.Status, string(a.Raw))
	require.Equal(t, "Ann", customer().(map[string]any)["name"], "that there is none is not kept")
	began := time.Now()
	a = ann.do("PATCH", "/v1/customers/ann", map[string]any{"name": "Ann Other"})
	require.Equal(t, 200, a.Status, string(a.Raw))
	eventually(t, "the new name is seen", func() bool { return customer().(map[string]any)["name"] == "Ann Other" })
	require.Less(t, time.Since(began), 20*time.Second, "it was not the event, the old name was given up after its time")
	p.terminate()
}

func TestAClientWhoAsksTooOftenIsToldSoAndNobodyElse(t *testing.T) {
	s := newEmptyShop(t, "sqlite:"+t.TempDir(), "SHOP_RATE_LIMIT_CUSTOMER=30", "SHOP_RATE_LIMIT_ADDRESS=30", "SHOP_RATE_LIMIT_FAILURES=30") // below 60: the window is a minute
	p := s.serve("--contexts", "catalog")
	refused := func(ask func(i int) answer) (last answer) {
		for i := range 61 { // a minute may end in between
			if last = ask(i); last.Status == 429 {
				break
			}
		}
		require.Equal(t, 429, last.Status)
		require.NotEmpty(t, last.Header.Get("Retry-After"))
		return last
	}
	customer := refused(func(int) answer { return p.as("ann").do("GET", "/v1/products", nil) })
	require.Equal(t, "too_many_requests", customer.Body["code"])
	require.Equal(t, `"customer";q=30;w=60`, customer.Header.Get("RateLimit-Policy"))
	require.Equal(t, 200, p.as("bob").do("GET", "/v1/products", nil).Status)

	address := refused(func(i int) answer { // whatever address it pretends to come from
		from := "203.0.113." + string(rune('0'+i%10))
		return p.asNobody().do("GET", "/v1/products", nil, "X-Forwarded-For", from, "X-Real-IP", from, "Forwarded", "for="+from)
	})
	require.Equal(t, "too_many_requests", address.Body["code"])

	guesses := refused(func(int) answer { return p.asNobody().do("GET", "/v1/products", nil, "Authorization", "Bearer guess") })
	require.Equal(t, "too_many_failures", guesses.Body["code"])

	for range 100 {
		require.Equal(t, 200, p.do("GET", "/v1/products", nil).Status, "operators have no limit")
	}
	require.Equal(t, 200, p.as("bob").do("GET", "/v1/products", nil).Status, "a valid token passes where others guess")
	p.terminate()
}

// TestAFloodOfOneClientAndTheOthersTime tells how much slower one customer's requests get while another sends what they can. It asserts only that nobody else is
// refused: time is for people to judge.
func TestAFloodOfOneClientAndTheOthersTime(t *testing.T) {
	s := newEmptyShop(t, "sqlite:"+t.TempDir())
	p := s.serve()
	p.product("MUG", 1250, 1000)
	ann, eve := p.as("ann"), p.as("eve")
	order := ann.place("1", own("pm_test_ok", "MUG", 1))
	path := "/v1/orders/" + order.Body["id"].(string)
	measure := func() (p50, p99 time.Duration) {
		var took []time.Duration
		for range 200 {
			began := time.Now()
			require.Equal(t, 200, ann.do("GET", path, nil).Status)
			took = append(took, time.Since(began))
			<-time.After(2 * time.Millisecond) // a person, not a machine
		}
		slices.Sort(took)
		return took[len(took)/2], took[len(took)*99/100]
	}
	measure() // what is slow only at first
	calm50, calm99 := measure()

	var answered, refused atomic.Int64
	stop := make(chan struct{})
	var flood sync.WaitGroup
	for range 64 {
		flood.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, err := eve.try("GET", eve.URL+"/v1/orders", nil)
				if err == nil && a.Status == 200 {
					answered.Add(1)
				} else {
					refused.Add(1)
				}
			}
		})
	}
	for answered.Load()+refused.Load() < 1000 {
		<-time.After(time.Millisecond)
	}
	flood50, flood99 := measure()
	close(stop)
	flood.Wait()
	t.Logf("one customer's p50 %s and p99 %s, while another floods (%d answered, %d refused) %s and %s: %.1f and %.1f times",
		calm50, calm99, answered.Load(), refused.Load(), flood50, flood99, float64(flood50)/float64(calm50), float64(flood99)/float64(calm99))
	require.NotZero(t, refused.Load())
	require.NotContains(t, p.logged(), "panic")
	p.kill()
}
