package main

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/notifications"
)

// FuzzSettings reads one text as each setting that has a form of its own. What is taken from it is within bounds, and what is refused says so in one line.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{
		"all,-payments", "orders, catalog ,orders", "-all", ",", "10.0.0.0/8,192.0.2.7,::1/128", "10.0.0.0/33", "http://shop:8080", "https://u:p@shop/x?y#z", "sqlite:", "sqlite:/d",
		"postgres://u:p@h/d", "postgres://%zz", ":8080", "[::1]:0", "127.0.0.1:65536", "debug", "smtp://u:p@mail:25", "smtps://mail", "Shop <shop@example.org>", "a@b\r\nBcc: c@d", "\x00",
	} {
		f.Add(seed)
	}
	known := contextNames()
	f.Fuzz(func(t *testing.T, s string) {
		hosted, err := parseContexts(s, known)
		if err == nil {
			require.NotEmpty(t, hosted)
			require.Subset(t, known, hosted)
			require.True(t, slices.IsSortedFunc(hosted, func(a, b string) int { return slices.Index(known, a) - slices.Index(known, b) }), "in the order of the map, each once")
			again, err := parseContexts(strings.Join(hosted, ","), known)
			require.NoError(t, err)
			require.Equal(t, hosted, again)
		}

		if proxies, err := parseProxies(s); err == nil {
			for _, p := range proxies {
				require.True(t, p.IsValid())
				require.Equal(t, p.Masked(), p)
			}
		}
		if u, err := parseContextURL(s); err == nil {
			require.Contains(t, []string{"http", "https"}, u.Scheme)
			require.NotEmpty(t, u.Host)
			require.Nil(t, u.User)
			require.Empty(t, u.Path+u.RawQuery+u.Fragment)
		}
		if checkAddr(s) == nil {
			_, _, err := net.SplitHostPort(s)
			require.NoError(t, err)
		}
		if err := checkDatabaseURL(s); err != nil {
			require.Equal(t, errDatabaseURL, err, "nothing of the URL is repeated: it may hold a password")
		}
		if from, err := notifications.ParseFrom(s); err == nil {
			require.NotContains(t, from.Address, "\n")
			require.NotContains(t, from.Name, "\n")
		}
		_, _ = notifications.ParseSMTP(s) // it ends, and does not panic
	})
}
