package onlineretail

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/cmd/shop/internal/rest"
)

// fakeShop answers like a shop, except where a test says otherwise.
type fakeShop struct {
	mu     sync.Mutex
	keys   map[string]int // how often each Idempotency-Key came
	orders map[string]orderBody
	looks  int // at orders

	refuse  string // invoice that is refused
	status  string // of a new order
	premium int64  // on every total
	down    bool
}

func (s *fakeShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	if s.keys[key] > 0 {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	s.keys[key]++
	answer := func(status int, body any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	switch {
	case s.down:
		answer(http.StatusInternalServerError, map[string]any{"status": 500, "code": "internal"})
	case r.URL.Path == "/v1/products/batch":
		var b struct{ Products []productBody }
		_ = json.NewDecoder(r.Body).Decode(&b)
		answer(http.StatusOK, ProductCount{Created: len(b.Products)})
	case r.URL.Path == "/v1/inventory/batch":
		answer(http.StatusOK, struct{}{})
	case r.Method == http.MethodPost:
		var b orderBody
		_ = json.NewDecoder(r.Body).Decode(&b)
		if b.Metadata["invoice"] == s.refuse {
			answer(http.StatusConflict, map[string]any{"status": 409, "code": "total_changed", "detail": "look again"})
			return
		}
		s.orders[key] = b
		b.ExpectedTotal.Amount += s.premium
		answer(http.StatusCreated, placedOrder{"ord_" + b.Metadata["invoice"], s.status, b.ExpectedTotal})
	default:
		s.looks++
		for _, b := range s.orders {
			if strings.HasSuffix(r.URL.Path, "ord_"+b.Metadata["invoice"]) {
				answer(http.StatusOK, placedOrder{"ord_" + b.Metadata["invoice"], "confirmed", b.ExpectedTotal})
				return
			}
		}
	}
}

// silent is a Progress that adds up.
type silent struct {
	mu    sync.Mutex
	total map[string]int
	what  string
}

func (p *silent) Begin(what string, _ int) { p.what = what }
func (p *silent) End()                     {}
func (p *silent) Add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total[p.what] += n
}

var threeInvoices = []string{
	"1,12345,X,1,d,1.00,1,France", "1,12346,X,2,d,1.00,1,France", "1,POST,X,1,d,1.00,1,France",
	"2,12345,X,3,d,1.00,1,France",
	"3,12345,X,1,d,9.99,,France",
}

func runOn(t *testing.T, s *fakeShop, o Options) (*Result, *silent, error) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	shop := rest.New(server.URL, 4)
	t.Cleanup(shop.Close)
	if s.keys == nil {
		s.keys, s.orders = map[string]int{}, map[string]orderBody{}
	}
	if s.status == "" {
		s.status = "confirmed"
	}
	progress := &silent{total: map[string]int{}}
	o.Progress = progress
	o.Workers = 3
	result, err := planned(t, threeInvoices...).Run(t.Context(), shop, o)
	return result, progress, err
}

func TestARunOrdersEveryInvoice(t *testing.T) {
	s := &fakeShop{}
	r, progress, err := runOn(t, s, Options{})
	require.NoError(t, err)
	require.Equal(t, LineCount{In: 5, Ordered: 4, Reported: 1}, r.Lines)
	require.True(t, r.Lines.Complete())
	require.Equal(t, ProductCount{Created: 3}, r.Products)
	require.Equal(t, StockCount{SKUs: 3, Units: 7}, r.Stock)
	require.Equal(t, OrderCount{Placed: 3}, r.Orders)
	require.Equal(t, map[string]int{"confirmed": 3}, r.Statuses)
	require.EqualValues(t, 300+300+999, r.Ordered.Amount)
	require.True(t, r.Balanced())
	require.Equal(t, map[string]int{"products": 3, "stock": 3, "orders": 3}, progress.total)

	again, _, err := runOn(t, s, Options{})
	require.NoError(t, err)
	require.Equal(t, OrderCount{Placed: 3, Repeated: 3}, again.Orders)
	require.True(t, again.Stock.Repeated)
	require.Len(t, s.orders, 3)
}

func TestALimitLeavesThePlanAsItIs(t *testing.T) {
	s := &fakeShop{}
	r, _, err := runOn(t, s, Options{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, LineCount{In: 5, Ordered: 2, Reported: 1, BeyondLimit: 2}, r.Lines)
	require.True(t, r.Lines.Complete())
	require.EqualValues(t, 7, r.Stock.Units, "stock for all, so that the rest can follow")
	require.True(t, r.Balanced())
	limited := s.keys
	s.keys = map[string]int{}
	_, _, err = runOn(t, s, Options{})
	require.NoError(t, err)
	for key := range limited {
		require.Contains(t, s.keys, key, "the same requests")
	}
}

func TestAnOrderThatIsRefusedIsReportedAndTheSumsDiffer(t *testing.T) {
	r, _, err := runOn(t, &fakeShop{refuse: "1"}, Options{})
	require.NoError(t, err)
	require.Equal(t, OrderCount{Placed: 2, Refused: 1}, r.Orders)
	require.Equal(t, LineCount{In: 5, Ordered: 2, Reported: 3}, r.Lines)
	require.True(t, r.Lines.Complete())
	require.False(t, r.Balanced())
	require.Equal(t, 2, r.Rejected[Refused])
	require.Equal(t, []int{2, 3, 4}, []int{r.Report[0].Line, r.Report[1].Line, r.Report[2].Line}, "by line")
	require.Equal(t, "409 total_changed: look again", r.Report[0].Detail)
}

func TestAPennyTooMuchIsNoticed(t *testing.T) {
	r, _, err := runOn(t, &fakeShop{premium: 1}, Options{})
	require.NoError(t, err)
	require.False(t, r.Balanced())
}

func TestAnOrderWithoutOutcomeIsAskedFor(t *testing.T) {
	s := &fakeShop{status: pending}
	r, _, err := runOn(t, s, Options{})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"confirmed": 3}, r.Statuses)
	require.Equal(t, 3, s.looks)
}

func TestAShopThatFailsEndsTheRun(t *testing.T) {
	_, _, err := runOn(t, &fakeShop{down: true}, Options{})
	var p *rest.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, http.StatusInternalServerError, p.Status)
}
