package orders

import (
	"bytes"
	"flag"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/v1-order.golden, which was recorded before there was a second version")

// v1 is what GET /v1/orders/{id} answers through the life of two orders, an answer a line: what clients of the first version have always read.
func v1(t *testing.T, s *shop) []byte {
	var all bytes.Buffer
	add := func(id, query string) {
		body := s.get("/v1/orders/" + id + query).is(200).body
		all.Write(bytes.ReplaceAll(body, []byte(id), []byte("ord_ID")))
		all.WriteByte('\n')
	}
	id := slowOrder(s)
	for _, at := range []string{"12:00:00", "12:01:00", "12:02:00", "12:03:00", "12:04:00"} {
		add(id, "?as_of="+url.QueryEscape("2026-11-22T"+at+"Z"))
	}
	add(id, "")
	s.behave()
	full := basket()
	full.Metadata = map[string]string{"gift": "yes", "note": `<b>"quoted"</b>`}
	full.Address.Line2, full.Address.Phone = "Flat 2", "+44 20 7946 0000"
	second := s.call("POST", "/v1/orders", full, "Idempotency-Key", freshKey()).is(201).order().ID
	s.until(second, func(o orderBody) bool { return o.Fulfillment == "preparing" }) // nothing is under way any more
	s.rest()
	s.cancel(second).is(202)
	s.untilStatus(second, Cancelled)
	s.rest()
	add(second, "")
	return all.Bytes()
}

func TestAClientOfTheFirstVersionSeesNoDifference(t *testing.T) {
	const file = "testdata/v1-order.golden"
	s := openShop(t, "sqlite:"+t.TempDir())
	got := v1(t, s)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(file, got, 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestTheFirstVersionSaysWhenItEnds(t *testing.T) {
	s := openShop(t, "sqlite:"+t.TempDir())
	id := s.place()
	for _, r := range []reply{s.get("/v1/orders/" + id), s.get("/v1/orders/ord_01jd3q6k9v8xw2n4t7ryz5abcd")} {
		require.Equal(t, "@1796083200", r.header.Get("Deprecation"))
		require.Equal(t, "Thu, 01 Jun 2028 00:00:00 GMT", r.header.Get("Sunset"))
		require.Equal(t, `</docs#tag/orders>; rel="deprecation"`, r.header.Get("Link"))
	}
	for _, r := range []reply{s.get("/v2/orders/" + id), s.get("/v1/orders")} {
		r.is(200)
		require.Empty(t, r.header.Get("Deprecation"))
		require.Empty(t, r.header.Get("Sunset"))
	}
}

// Two versions show one order: what both say is the same, at every moment of its life.
func TestTheVersionsAreFormsOfOneOrder(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := slowOrder(s)
		for _, query := range []string{"?as_of=2026-11-22T12:00:00Z", "?as_of=2026-11-22T12:02:00Z", ""} {
			first, second := s.get("/v1/orders/"+id+query).is(200), s.get("/v2/orders/"+id+query).is(200)
			require.Equal(t, first.header.Get("ETag"), second.header.Get("ETag"))
			o, v2 := first.order(), as[orderBodyV2](second)
			want := orderBodyV2{ID: o.ID, Status: o.Status, Version: o.Version, Payment: o.Payment, Fulfillment: o.Fulfillment, Cancelled: o.Cancelled, PlacedAt: o.PlacedAt,
				UpdatedAt: o.UpdatedAt, CustomerID: o.CustomerID, UnitCount: 3, Total: o.Total, Address: o.Address, Metadata: o.Metadata}
			for _, l := range o.Items {
				want.Items = append(want.Items, lineBodyV2{l.SKU, l.Name, l.Quantity, priceBodyV2{l.UnitPrice, l.Total}})
			}
			require.Equal(t, want, v2)
		}
		tag := s.get("/v2/orders/" + id).header.Get("ETag")
		s.get("/v2/orders/"+id, "If-None-Match", tag).is(304)
		s.get("/v2/orders/"+id+"?as_of=2026-11-22T11:00:00Z").refused(404, "order_not_found")
	})
}
