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
