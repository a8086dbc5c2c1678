package web

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOfAPathOnlyTheWordsOfItsRouteAndOurOwnIDsAreTold(t *testing.T) {
	const order = "ord_01jd3q6k9v8xw2n4t7ryz5abcd"
	for _, c := range []struct{ path, route, told string }{
		{"/v1/orders/" + order, "/v1/orders/{id}", "/v1/orders/" + order},
		{"/v1/customers/ann@example.org", "/v1/customers/{id}", "/v1/customers/*"},
		{"/v1/customers/ann/addresses/" + strings.Replace(order, "ord", "adr", 1), "/v1/customers/{id}/addresses/{address_id}", "/v1/customers/*/addresses/adr_01jd3q6k9v8xw2n4t7ryz5abcd"},
		{"/v1/orders/" + order + "/smith", "/v1/orders/*", "/v1/orders/" + order + "/*"},
		{"/v1/orders/*", "/v1/orders/*", "/v1/orders/*"},
		{"/v1/smith/orders/" + order, "", "/v1/*/*/" + order},
		{"/smith", "", "/*"},
		{"/pm_secretsecretsecretsecretse", "", "/*"},
		{"/sue_smith", "", "/*"},
		{"/", "/", "/"},
		{"", "", ""},
		{"/v1/", "", "/v1/"},
		{strings.Repeat("/x", 100), "", strings.Repeat("/*", 15) + "/…"},
	} {
		require.Equal(t, c.told, toldPath(c.path, c.route), c.path)
	}
}

func TestOfAnAddressOnlyTheNetworkIsTold(t *testing.T) {
	for remote, told := range map[string]string{
		"203.0.113.77:1234": "203.0.113.0/24", "[2001:db8:1:2::3%eth0]:1234": "2001:db8:1::/48", "[::ffff:203.0.113.77]:1": "203.0.113.0/24", "@": "",
	} {
		require.Equal(t, told, toldAddress(peerAddress(&http.Request{RemoteAddr: remote})), remote)
	}
	require.Empty(t, toldAddress(netip.Addr{}))
}
