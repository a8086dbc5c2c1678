package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb/dbtest"
)

func (f *fortress) attackBusiness(t *testing.T) {
	staff := f.as(f.behind, "operator", "staff")
	staff.product("DEAR", 1<<53, 10_000)
	staff.product("RARE", 500, 3)
	a := staff.do("PUT", "/v1/products/DOLLAR", map[string]any{"name": "Dollar", "price": map[string]any{"amount": 100, "currency": "USD"}})
	require.Equal(t, 201, a.Status, string(a.Raw))
	order := func(name string, change func(o map[string]any), want int, code string) attack {
		return attack{name: name, who: "ann", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", "b " + name, "Prefer", "wait=20"}, body: orderText(change), want: want, code: code}
	}
	quantity := func(q any) func(o map[string]any) {
		return func(o map[string]any) { o["items"].([]map[string]any)[0]["quantity"] = q }
	}
	lines := func(lines ...any) func(o map[string]any) {
		return func(o map[string]any) { o["items"] = own("", lines...)["items"] }
	}
	expected := func(amount int64, currency string) func(o map[string]any) {
		return func(o map[string]any) {
			o["expected_total"] = map[string]any{"amount": amount, "currency": currency}
		}
	}
	raw := func(q string) attack {
		return attack{name: "a quantity of " + q, who: "ann", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", "b " + q},
			body: strings.Replace(orderText(nil), `"quantity":1`, `"quantity":`+q, 1), want: 422, code: "invalid_input"}
	}
	refund := func(name, body string, want int) attack {
		return attack{name: name, who: "staff", method: "POST", path: "/v1/payments/{payment}/refunds", headers: []string{"Idempotency-Key", "b " + name}, body: body, want: want}
	}
	outcome := func(status string) func(*testing.T, answer) {
		return func(t *testing.T, a answer) { require.Equal(t, status, a.Body["status"], string(a.Raw)) }
	}
	with := func(a attack, check func(*testing.T, answer)) attack { a.check = check; return a }
	before := f.count(t)
	f.run(t, []attack{
		raw("0"), raw("-1"), raw("1.5"), raw("10001"), raw("9223372036854775808"), raw("-9223372036854775809"), raw("1e3"), raw(`"1"`), raw("true"), raw("null"),
		order("a price times a quantity that is no number any more", func(o map[string]any) { o["items"] = own("", "DEAR", 10_000)["items"] }, 422, "amount_overflow"),
		order("lines that are no number together", lines("DEAR", 600, "DEAR", 600), 422, "amount_overflow"),
		order("two currencies", lines("MUG", 1, "DOLLAR", 1), 422, "mixed_currencies"),
		order("a price that has changed", expected(1249, "EUR"), 409, ""),
		order("the price in another currency", expected(1250, "USD"), 409, ""),
		order("a price below zero", expected(-1250, "EUR"), 409, ""),
		order("a product that is not there", lines("NOTHING", 1), 422, ""),
		refund("a refund of less than nothing", `{"amount":-1}`, 422),
		refund("a refund of nothing", `{"amount":0}`, 422),
		refund("a refund of more than was paid", `{"amount":2501}`, 409),
		refund("a refund of far more than was paid", `{"amount":9223372036854775807}`, 409),
		refund("a refund in another currency", `{"amount":{"amount":1,"currency":"USD"}}`, 422),
		refund("a refund of half a cent", `{"amount":0.5}`, 422),
	})
	require.Equal(t, before, f.count(t), "none of this became an order")
	f.run(t, []attack{
		with(order("one product on two lines is summed", lines("RARE", 2, "RARE", 2), 201, ""), outcome("cancelled")),
		with(order("and sold when there is enough", lines("RARE", 1, "RARE", 2), 201, ""), outcome("confirmed")),
		with(order("a small order", quantity(1), 201, ""), outcome("confirmed")),
	})

	t.Run("a hundred refunds at once give back what was paid, once", func(t *testing.T) {
		var mu sync.Mutex
		var all sync.WaitGroup
		byStatus := map[int]int{}
		for i := range 100 { // of 100 cents each; 2500 were paid
			all.Go(func() {
				a, err := staff.try("POST", f.front.URL+"/v1/payments/"+f.payment+"/refunds", map[string]any{"amount": 100}, "Idempotency-Key", fmt.Sprintf("parallel %d", i))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					byStatus[a.Status]++
				}
			})
		}
		all.Wait()
		require.Equal(t, map[int]int{201: 25, 409: 75}, byStatus)
		a := f.send(t, attack{who: "staff", method: "GET", path: "/v1/payments/{payment}"})
		require.EqualValues(t, 2500, a.Body["refunded"], string(a.Raw))
	})
}

// A shop that is set up carelessly does not start, or shows nothing.
func TestACarelessDeploymentIsRefused(t *testing.T) {
	s := newEmptyShop(t, "sqlite:"+t.TempDir())
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		r := s.run("serve", "--addr", addr)
		require.Equal(t, 3, r.code, r.stderr)
		require.Contains(t, r.stderr, "SHOP_JWT_")
	}

	p := s.serve()
	for path, status := range map[string]int{"/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/cmdline": 200} {
		inside, err := p.asNobody().try("GET", p.Admin+path, nil)
		require.NoError(t, err)
		require.Equal(t, status, inside.Status, path)
		require.Equal(t, 404, p.do("GET", path, nil).Status, path)
	}
	require.Contains(t, p.Admin, "//127.0.0.1:")
	p.terminate()
}

func TestA500TellsNothingOfTheInside(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := newShop(t, url)
		p := s.serve("--contexts", "catalog")
		s.exec("catalog", "products", `ALTER TABLE {products} RENAME TO gone`)
		a := p.do("GET", "/v1/products", nil)
		require.Equal(t, 500, a.Status, string(a.Raw))
		require.Equal(t, "internal", a.Body["code"], string(a.Raw))
		requireDecency(t, a)
		require.NotContains(t, string(a.Raw), "products\"")
		eventually(t, "whoever runs the shop is told", func() bool { return strings.Contains(p.logged(), `"error.type":"internal"`) })
	})
}

func TestTheImageRunsAsNobodyAndHoldsNothingElse(t *testing.T) {
	b, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	stages := regexp.MustCompile(`(?m)^FROM `).Split(string(b), -1)
	last := stages[len(stages)-1]
	require.Regexp(t, `^gcr\.io/distroless/static:nonroot\n`, last, "no shell, no package manager")
	require.Regexp(t, `(?m)^USER 65532:65532$`, last)
	require.Contains(t, stages[1], "CGO_ENABLED=0")
	require.NotRegexp(t, `(?m)^(ADD|RUN) `, last)
	require.NotRegexp(t, `(?i)(secret|password|token|private)[A-Z_]*=`, string(b))
	require.Regexp(t, `(?m)^ENTRYPOINT \["/shop"\]$`, last, "no shell between the orchestrator and the program")
}
