package ratelimit_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/ratelimit"
)

// FuzzForwardedFor: whatever somebody writes to the left of what our proxies add, they stay who they are.
func FuzzForwardedFor(f *testing.F) {
	f.Add("203.0.113.7", "10.0.0.1:1")
	f.Add("10.0.0.2, 203.0.113.7", "192.0.2.1:80")
	f.Add("::ffff:10.0.0.1,[2001:db8::1%25eth0]:5,,unknown", "[::1]:1")
	f.Add("10.0.0.1", "@")
	proxies := ratelimit.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	f.Fuzz(func(t *testing.T, forwarded, peer string) {
		address := func(peer string, lines ...string) netip.Addr {
			return proxies.Address(&http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": lines}})
		}
		first, again := address(peer), address(peer)
		require.Equal(t, first, again, "it is a function")
		stranger := netip.MustParseAddr("192.0.2.1")
		require.Equal(t, stranger, address("192.0.2.1:80", forwarded), "a stranger is not believed")
		require.Equal(t, stranger, address("10.0.0.1:80", forwarded+",192.0.2.1"))
		require.Equal(t, stranger, address("10.0.0.1:80", forwarded, "192.0.2.1, 10.0.0.9"))
		require.Equal(t, stranger, address("[fd00::1]:80", forwarded, "192.0.2.1:4711"))
		got := address("10.0.0.1:80", forwarded)
		if got != netip.MustParseAddr("10.0.0.1") {
			require.True(t, got.IsValid())
			require.Empty(t, got.Zone())
			require.False(t, got.Is4In6())
			require.NotEmpty(t, strings.TrimSpace(forwarded))
		}
	})
}
