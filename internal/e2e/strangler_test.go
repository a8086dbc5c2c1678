package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb/pgtest"
)

// strangler is a shop that hosts all contexts, and beside it a process that hosts the catalog on the same database.
type strangler struct {
	*running
	shop  *shop
	other *running
	flags string // the file
}

func newStrangler(t *testing.T) *strangler {
	t.Helper()
	place := newShop(t, pgtest.NewDatabase(t))
	other := place.serve("--contexts", "catalog")
	s := &strangler{other: other, flags: filepath.Join(place.dir, "flags.json")}
	old := *place
	old.environ = append(old.environ[:len(old.environ):len(old.environ)], "SHOP_CATALOG_URL="+other.URL, "SHOP_FLAGS="+s.flags)
	s.shop = &old
	require.NoError(t, os.WriteFile(s.flags, []byte(`{}`), 0o600))
	s.running = old.serve()
	return s
}

// flag changes the file while the shop runs, and waits until the shop has taken it over.
func (s *strangler) flag(text string) {
	s.t.Helper()
	before := s.metric(`shop_flags_reloads_total{result="ok"}`)
	require.NoError(s.t, os.WriteFile(s.flags+".new", []byte(text), 0o600))
	require.NoError(s.t, os.Rename(s.flags+".new", s.flags))
	eventually(s.t, "the flags are taken over", func() bool { return s.metric(`shop_flags_reloads_total{result="ok"}`) > before })
}

func (p *running) metric(line string) int {
	p.t.Helper()
	a, err := p.try("GET", p.Admin+"/metrics", nil)
	require.NoError(p.t, err)
	for l := range strings.Lines(string(a.Raw)) {
		if value, ok := strings.CutPrefix(l, line+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			require.NoError(p.t, err)
			return int(n)
		}
	}
	return 0
}

func (s *strangler) answered(to string) int {
	return s.metric(`shop_shared_requests_total{context="catalog",to="` + to + `"}`)
}

// readAll has n customers read a product, and gives how many of them were answered elsewhere.
func (s *strangler) readAll(n int) int {
	s.t.Helper()
	before := s.answered("elsewhere")
	for i := range n {
		a := s.as(fmt.Sprint("customer-", i)).do("GET", "/v1/products/MUG", nil)
		require.Equal(s.t, 200, a.Status, string(a.Raw))
	}
	return s.answered("elsewhere") - before
}

// placed is what shop contexts says of a context.
type placed struct {
	Context, Hosted, URL string
	Share                *struct {
		Flag    string
		Percent float64
		Kill    bool
	}
	Breakers    []struct{ Traffic, State string }
	Outbox      *struct{ Pending int64 }
	Leading     *bool
	DeadLetters map[string]int64 `json:"dead_letters"`
}

func (s *strangler) contexts() map[string]placed {
	s.t.Helper()
	r := s.shop.run("contexts", "--admin-url", s.Admin, "-o", "json")
	require.Equal(s.t, 0, r.code, r.stderr)
	var all []placed
	r.decode(s.t, &all)
	byName := map[string]placed{}
	for _, c := range all {
		byName[c.Context] = c
	}
	return byName
}

func TestAContextMovesOutShareByShareAndBack(t *testing.T) {
	s := newStrangler(t)
	s.product("MUG", 1250, 100)
	require.Zero(t, s.readAll(20), "without a flag all is answered in the shop")

	s.flag(`{"route.catalog": {"percent": 0, "mirror": true}}`)
	require.Zero(t, s.readAll(20))
	same := `shop_mirrored_requests_total{context="catalog",result="same"}`
	eventually(t, "all reads are compared", func() bool { return s.metric(same) == 20 })
	s.product("TEA", 400, 10)
	require.Equal(t, 20, s.metric(same), "writes are not")
	require.Zero(t, s.metric(`shop_mirrored_requests_total{context="catalog",result="body"}`)+s.metric(`shop_mirrored_requests_total{context="catalog",result="status"}`))

	s.flag(`{"route.catalog": {"percent": 50}}`)
	const customers = 100
	half := s.readAll(customers)
	require.InDelta(t, customers/2, half, 25) // five standard deviations
	require.Equal(t, half, s.readAll(customers), "each stays where they are")
	catalog, orders := s.contexts()["catalog"], s.contexts()["orders"]
	require.Equal(t, "both", catalog.Hosted)
	require.Equal(t, s.other.URL, catalog.URL)
	require.Equal(t, "route.catalog", catalog.Share.Flag)
	require.InDelta(t, 50, catalog.Share.Percent, 0)
	require.Equal(t, "closed", catalog.Breakers[0].State)
	require.Equal(t, "here", orders.Hosted)
	require.NotNil(t, orders.Outbox)
	require.Equal(t, map[string]int64{"dead": 0, "parked": 0, "replay": 0}, orders.DeadLetters)

	s.flag(`{"route.catalog": {"percent": 100, "fallback": true}}`)
	require.Equal(t, 20, s.readAll(20))
	s.product("CUP", 900, 50)
	a := s.place("order-1", orderOf("pm_test_ok", "CUP", 2))
	require.Equal(t, "confirmed", a.Body["status"], "what was written there is known in the shop: %s", a.Raw)

	s.other.kill()
	fallbacks := s.answered("fallback")
	require.Equal(t, 10, s.readAll(10), "tried there, and read here")
	require.Equal(t, fallbacks+10, s.answered("fallback"))
	a = s.do("PUT", "/v1/products/POT", map[string]any{"name": "Pot", "price": map[string]any{"amount": 1, "currency": "EUR"}})
	require.Equal(t, 503, a.Status, "a write is not done elsewhere than it was sent: %s", a.Raw)

	s.flag(`{"route.catalog": {"percent": 100, "kill": true}}`)
	s.product("POT", 2000, 5)
	require.Zero(t, s.readAll(10))
	require.NoError(t, os.WriteFile(s.flags, []byte(`{"route.katalog": {}}`), 0o600))
	eventually(t, "a wrong file is noticed", func() bool { return s.metric("shop_flags_valid") == 0 })
	require.Zero(t, s.readAll(10), "and changes nothing")
	require.True(t, s.contexts()["catalog"].Share.Kill)
	r := s.shop.run("contexts", "--admin-url", s.Admin)
	require.Equal(t, 0, r.code, r.stderr)
	require.Regexp(t, `(?m)^catalog +both +http://\S+ +killed `, r.stdout)
	s.terminate()
	s.shop.audit()
	require.Equal(t, 4, s.shop.run("contexts", "--admin-url", s.Admin).code, "nobody answers")
}
