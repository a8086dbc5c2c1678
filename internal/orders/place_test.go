package orders

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/fault"
	"shop/internal/platform/money"
)

func (s *shop) post(body any, key string) reply {
	s.t.Helper()
	if key == "" {
		return s.call(http.MethodPost, "/v1/orders", body)
	}
	return s.call(http.MethodPost, "/v1/orders", body, "Idempotency-Key", key)
}

// untouched requires that nothing at all was stored.
func (s *shop) untouched() {
	s.t.Helper()
	for _, table := range []string{"events", "order_summaries", "outbox", "idempotency_keys"} {
		require.Zero(s.t, s.count(table), table)
	}
}

// with changes a basket.
func with(change func(b *placeBody)) placeBody {
	b := basket()
	change(&b)
	return b
}

func items(items ...itemBody) placeBody { return with(func(b *placeBody) { b.Items = items }) }

func expecting(m money.Money) placeBody { return with(func(b *placeBody) { b.ExpectedTotal = &m }) }

func TestAnOrderThatBreaksARuleOfPricesLeavesNoTrace(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.catalog.put("OLD", eur(100), false)
		s.catalog.put("USD", money.Money{Amount: 100, Currency: "USD"}, true)
		s.catalog.put("FREE", eur(0), true)
		s.catalog.put("DEAR", eur(math.MaxInt64/10_000+1), true)
		s.catalog.put("HALF", eur(math.MaxInt64/2+1), true)
		for name, c := range map[string]struct {
			body   placeBody
			status int
			code   string
			field  string
		}{
			"a product that is not sold":                {items(itemBody{"TEA", 1}, itemBody{"GHOST", 1}), 422, "unknown_sku", "body.items[1].sku"},
			"a product that is not sold at the moment":  {items(itemBody{"OLD", 1}), 422, "product_inactive", "body.items[0].sku"},
			"two currencies":                            {items(itemBody{"TEA", 1}, itemBody{"USD", 1}), 422, "mixed_currencies", ""},
			"a line that is too dear":                   {items(itemBody{"DEAR", 10_000}), 422, "amount_overflow", ""},
			"a sum that is too dear":                    {items(itemBody{"HALF", 1}, itemBody{"HALF", 1}), 422, "amount_overflow", ""},
			"nothing to pay":                            {items(itemBody{"FREE", 3}), 422, "nothing_to_pay", ""},
			"another total than the customer saw":       {expecting(eur(1999)), 409, "total_changed", ""},
			"another currency than the customer saw":    {expecting(money.Money{Amount: 2000, Currency: "USD"}), 409, "total_changed", ""},
			"a free order that was expected to be free": {with(func(b *placeBody) { b.Items = []itemBody{{"FREE", 1}}; b.ExpectedTotal = &money.Money{Currency: "EUR"} }), 422, "nothing_to_pay", ""},
		} {
			r := s.post(c.body, freshKey())
			r.refused(c.status, c.code)
			require.NotContains(t, string(r.body), "GHOST", name) // what was sent is not echoed
			if c.field != "" {
				require.Contains(t, string(r.body), `"location":"`+c.field+`"`, name)
			}
		}
		s.untouched()
	})
}

func TestAnOrderThatIsNotWellFormedLeavesNoTrace(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		many := make([]itemBody, 1001)
		for i := range many {
			many[i] = itemBody{fmt.Sprintf("SKU-%d", i), 1}
		}
		valid := `{"items":[{"sku":"TEA","quantity":1}],"payment_method":"pm_test_ok","shipping_address":{"name":"A","line1":"1","city":"C","country":"GB"}`
		for name, c := range map[string]struct {
			body   any
			status int
		}{
			"no lines":                     {items(), 422},
			"1001 lines":                   {items(many...), 422},
			"none of something":            {items(itemBody{"TEA", 0}), 422},
			"less than none":               {items(itemBody{"TEA", -1}), 422},
			"more than 10,000":             {items(itemBody{"TEA", 10_001}), 422},
			"half of one":                  {strings.Replace(valid, `:1}`, `:1.5}`, 1) + "}", 422},
			"2^63 of something":            {strings.Replace(valid, `:1}`, `:9223372036854775808}`, 1) + "}", 422},
			"a SKU that cannot be one":     {items(itemBody{"TEA; DROP TABLE events", 1}), 422},
			"no SKU":                       {items(itemBody{"", 1}), 422},
			"no payment method":            {with(func(b *placeBody) { b.PaymentMethod = "" }), 422},
			"no country":                   {with(func(b *placeBody) { b.Address.Country = "" }), 422},
			"a country in words":           {with(func(b *placeBody) { b.Address.Country = "England" }), 422},
			"an email that is none":        {with(func(b *placeBody) { b.Email = "ann" }), 422},
			"a customer that cannot be":    {with(func(b *placeBody) { b.CustomerID = "../cus_1" }), 422},
			"an expected total in nothing": {valid + `,"expected_total":{"amount":750}}`, 422},
			"51 pieces of metadata":        {with(func(b *placeBody) { b.Metadata = pieces(51) }), 422},
			"a total of its own":           {valid + `,"total":{"amount":1,"currency":"EUR"}}`, 422},
			"a status of its own":          {valid + `,"status":"delivered"}`, 422},
			"a price of its own":           {strings.Replace(valid, `"quantity"`, `"unit_price":{"amount":1,"currency":"EUR"},"quantity"`, 1) + "}", 422},
			"a field in another case":      {strings.Replace(valid, `"items"`, `"Items"`, 1) + "}", 422},
			"the same field twice":         {valid + `,"payment_method":"pm_test_declined"}`, 400},
			"something behind the body":    {valid + `}{}`, 400},
			"half a body":                  {valid, 400},
			"a NUL in a name":              {strings.Replace(valid, `"name":"A"`, `"name":"A\u0000"`, 1) + "}", 400},
			"no body":                      {nil, 400},
		} {
			t.Run(name, func(t *testing.T) {
				r := s.post(c.body, freshKey())
				require.Equal(t, c.status, r.status, string(r.body))
			})
		}
		s.untouched()
	})
}

func pieces(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("piece-%d", i)] = "x"
	}
	return m
}

func TestAnOrderAtTheLimitsIsTaken(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		var many []itemBody
		for i := range 1000 {
			sku := fmt.Sprintf("SKU-%d", i)
			s.catalog.put(sku, eur(1), true)
			many = append(many, itemBody{sku, 10_000})
		}
		o := s.post(with(func(b *placeBody) { b.Items = many; b.Metadata = pieces(50) }), freshKey()).is(http.StatusCreated).order()
		require.Equal(t, eur(10_000_000), o.Total)
		require.Len(t, o.Items, 1000)
		o = s.untilStatus(o.ID, Confirmed)
		require.Equal(t, pieces(50), o.Metadata)
		s.sound()
		require.Len(t, last[inventoryapi.ReserveStock](s.heard).Lines, 1000)

		s.catalog.put("RICH", eur(math.MaxInt64), true)
		o = s.post(items(itemBody{"RICH", 1}), freshKey()).is(http.StatusCreated).order()
		require.Equal(t, eur(math.MaxInt64), s.untilStatus(o.ID, Confirmed).Total)
	})
}

func TestTheSameProductOnTwoLinesStaysOnTwoLines(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		o := s.post(items(itemBody{"TEA", 1}, itemBody{"CUP", 1}, itemBody{"TEA", 2}), freshKey()).is(http.StatusCreated).order()
		require.Len(t, o.Items, 3)
		require.Equal(t, eur(2750), o.Total)
		s.untilStatus(o.ID, Confirmed)
		require.Equal(t, []inventoryapi.Line{{SKU: "TEA", Quantity: 1}, {SKU: "CUP", Quantity: 1}, {SKU: "TEA", Quantity: 2}}, last[inventoryapi.ReserveStock](s.heard).Lines)
	})
}

func TestAnOrderKeepsThePriceOfItsMoment(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		o := s.post(expecting(eur(2000)), freshKey()).is(http.StatusCreated).order()
		s.catalog.put("TEA", eur(99_999), true)
		s.untilStatus(o.ID, Confirmed)
		require.Equal(t, o.Items, s.read(o.ID).Items)
	})
}

func TestAnOrderOfNobodyInParticularIsAGuests(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		o := s.post(with(func(b *placeBody) { b.CustomerID, b.Email = "", "" }), freshKey()).is(http.StatusCreated)
		require.Equal(t, "guest", o.order().CustomerID)
		require.NotContains(t, string(o.body), `"email"`)
		require.NotContains(t, string(o.body), `"metadata"`)
		require.NotContains(t, string(o.body), `"cancellation"`)
	})
}

func TestAnOrderNeedsAnIdempotencyKey(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.post(basket(), "").refused(http.StatusBadRequest, "idempotency_key_missing")
		s.post(items(itemBody{"GHOST", 1}), "").refused(http.StatusBadRequest, "idempotency_key_missing")
		s.post(basket(), strings.Repeat("k", 256)).refused(http.StatusBadRequest, "idempotency_key_invalid")
		s.untouched()
		s.post(basket(), strings.Repeat("k", 255)).is(http.StatusCreated)
	})
}

func TestFiftyRequestsWithOneKeyAreOneOrder(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		key := freshKey()
		answers := make([]reply, 50)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = s.post(basket(), key) })
		}
		all.Wait()
		replayed := 0
		for _, r := range answers {
			r.is(http.StatusCreated)
			require.Equal(t, string(answers[0].body), string(r.body))
			require.Equal(t, answers[0].header.Get("Location"), r.header.Get("Location"))
			if r.header.Get("Idempotency-Replayed") == "true" {
				replayed++
			}
		}
		require.Equal(t, 49, replayed)
		require.Equal(t, 1, s.count("order_summaries"))
		require.Equal(t, 1, s.count("idempotency_keys"))
		id := answers[0].order().ID
		s.untilStatus(id, Confirmed)
		s.sound()
		s.commands(id, "ReserveStock", "TakePayment", "CreateShipment")
	})
}

func TestAKeyIsGoodForOneWishOnly(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		key := freshKey()
		first := s.post(basket(), key).is(http.StatusCreated)
		s.post(items(itemBody{"TEA", 1}), key).refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
		s.post(items(itemBody{"GHOST", 1}), key).refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
		require.Equal(t, 1, s.count("order_summaries"))
		require.Equal(t, string(first.body), string(s.post(basket(), key).is(http.StatusCreated).body))
	})
}

func TestARepeatedWishGetsItsAnswerThoughItCouldNotBeMetToday(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		key := freshKey()
		first := s.post(basket(), key).is(http.StatusCreated)
		s.untilStatus(first.order().ID, Confirmed)
		for _, today := range []func(){
			func() { s.catalog.put("TEA", eur(1), true) },
			func() { s.catalog.put("TEA", eur(1), false) },
			func() { s.catalog.remove("TEA") },
			func() { s.catalog.fail(fault.New(fault.Unavailable, "catalog_unavailable", "catalog does not answer")) },
		} {
			today()
			again := s.post(basket(), key).is(http.StatusCreated)
			require.Equal(t, string(first.body), string(again.body)) // as it was answered then
			require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
			waited := s.call(http.MethodPost, "/v1/orders", basket(), "Idempotency-Key", key, "Prefer", "wait=20").is(http.StatusCreated)
			require.Equal(t, "confirmed", waited.order().Status) // who wants to wait gets the outcome
			require.Equal(t, first.order().ID, waited.order().ID)
		}
		require.Equal(t, 1, s.count("order_summaries"))
	})
}

func TestARefusedWishMayBeRepeatedWithItsKey(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		key := freshKey()
		s.post(items(itemBody{"GHOST", 1}), key).refused(http.StatusUnprocessableEntity, "unknown_sku")
		s.catalog.put("GHOST", eur(1), true)
		s.post(items(itemBody{"GHOST", 1}), key).is(http.StatusCreated)
	})
}

func TestNothingIsTakenWhileThePricesAreNotKnown(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.catalog.fail(fault.New(fault.Unavailable, "catalog_unavailable", "catalog does not answer"))
		r := s.post(basket(), freshKey())
		r.refused(http.StatusServiceUnavailable, "catalog_unavailable")
		require.NotEmpty(t, r.header.Get("Retry-After"))
		s.untouched()
	})
}
