package main

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/ratelimit"
)

func TestWhoMayAskHowOftenIsSetByTheRole(t *testing.T) {
	c, err := configured(t, nil)
	require.NoError(t, err)
	require.Equal(t, ratelimit.Options{Customer: 12000, Address: 12000, Failures: 60}, c.front.limits)
	require.Equal(t, 512, c.front.most)
	require.Empty(t, c.front.proxies)
	require.Empty(t, c.front.elsewhere)

	c, err = configured(t, []string{
		"SHOP_RATE_LIMIT_CUSTOMER=1", "SHOP_RATE_LIMIT_ADDRESS=2", "SHOP_RATE_LIMIT_STAFF=3", "SHOP_RATE_LIMIT_FAILURES=0", "SHOP_MAX_CONCURRENT=5",
		"SHOP_TRUSTED_PROXIES=10.1.2.3/8, 192.0.2.7,2001:db8::/32", "SHOP_CACHE_URL=redis://u:p@redis:6379/1",
	})
	require.NoError(t, err)
	require.Equal(t, ratelimit.Options{Customer: 1, Address: 2, Staff: 3}, c.front.limits)
	require.Equal(t, 5, c.front.most)
	require.Equal(t, ratelimit.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32")}, c.front.proxies)
}

func TestAContextIsHereOrAtItsURLOrNowhere(t *testing.T) {
	c, err := configured(t, []string{"SHOP_CONTEXTS=catalog", "SHOP_ORDERS_URL=http://orders:8080/", "SHOP_CUSTOMERS_URL=https://customers.example", "SHOP_CATALOG_URL=http://x"})
	require.NoError(t, err)
	require.Len(t, c.front.elsewhere, 2)
	require.Equal(t, "http://orders:8080", c.front.elsewhere["orders"].String())
	require.Equal(t, "https://customers.example", c.front.elsewhere["customers"].String())
	require.Empty(t, c.front.shared)
	require.Equal(t, []string{"SHOP_CATALOG_URL has no effect without SHOP_FLAGS: catalog is hosted here"}, c.warnings)
}

func TestAContextThatIsHereMayBeSharedWithItsURL(t *testing.T) {
	c, err := configured(t, []string{"SHOP_CONTEXTS=catalog", "SHOP_ORDERS_URL=http://orders:8080", "SHOP_CATALOG_URL=http://catalog:8080", "SHOP_FLAGS=flags.json"})
	require.NoError(t, err)
	require.Len(t, c.front.elsewhere, 1)
	require.Len(t, c.front.shared, 1)
	require.Equal(t, "http://catalog:8080", c.front.shared["catalog"].String())
	require.Equal(t, "flags.json", c.front.flags)
	require.Empty(t, c.warnings)
	_, err = configured(t, []string{"SHOP_CATALOG_URL=catalog:8080"})
	require.ErrorContains(t, err, "SHOP_CATALOG_URL: expected http://HOST:PORT", "also where it has no effect")
}

func TestAWrongSettingOfTheFrontIsOneLineThatNamesIt(t *testing.T) {
	for setting, says := range map[string]string{
		"SHOP_RATE_LIMIT_CUSTOMER=many":          `SHOP_RATE_LIMIT_CUSTOMER: "many" is no whole number`,
		"SHOP_RATE_LIMIT_STAFF=-1":               `SHOP_RATE_LIMIT_STAFF: "-1" is no whole number from 0`,
		"SHOP_MAX_CONCURRENT=1e3":                `SHOP_MAX_CONCURRENT: "1e3" is no whole number`,
		"SHOP_TRUSTED_PROXIES=10.0.0.0/8,proxy":  `SHOP_TRUSTED_PROXIES: "proxy" is neither a network`,
		"SHOP_CACHE_URL=memcached://u:geheim@h":  "SHOP_CACHE_URL: expected redis://",
		"SHOP_ORDERS_URL=orders:8080":            "SHOP_ORDERS_URL: expected http://HOST:PORT",
		"SHOP_ORDERS_URL=http://u:geheim@orders": "SHOP_ORDERS_URL: expected http://HOST:PORT",
		"SHOP_ORDERS_URL=http://orders/api":      "SHOP_ORDERS_URL: expected http://HOST:PORT",
		"SHOP_ORDERS_URL=http://orders?x=y":      "SHOP_ORDERS_URL: expected http://HOST:PORT",
		"SHOP_ORDERS_URL=file:///etc/passwd":     "SHOP_ORDERS_URL: expected http://HOST:PORT",
	} {
		_, err := configured(t, []string{"SHOP_CONTEXTS=catalog", setting})
		require.ErrorContains(t, err, says, setting)
		require.NotContains(t, err.Error(), "geheim")
	}
}
