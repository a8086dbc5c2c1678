package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"shop/internal/gateway"
	"shop/internal/platform/auth"
	"shop/internal/platform/cache"
	"shop/internal/platform/flags"
	"shop/internal/platform/ratelimit"
	"shop/internal/platform/web"
)

// frontConfig is what the settings mean for whoever comes to the API. The zero value lets everybody in.
type frontConfig struct {
	cacheURL  string // of a Redis; empty: none
	proxies   ratelimit.Proxies
	limits    ratelimit.Options   // the numbers
	most      int                 // requests that are worked on at a time; 0: no bound
	elsewhere map[string]*url.URL // contexts that others host
	shared    map[string]*url.URL // contexts that others host as well as this process
	flags     string              // the file that says which requests for those go there; empty: none do
}

// front turns the settings of the edge into what they mean. Errors: exitError with exitConfiguration.
func (s settings) front(given map[string]string, hosted []string) (c frontConfig, warnings []string, err error) {
	if c.cacheURL = s.CacheURL; c.cacheURL != "" {
		if err := cache.CheckURL(c.cacheURL); err != nil {
			return c, nil, configError("SHOP_CACHE_URL: %w", err)
		}
	}
	for _, n := range []struct {
		to              *int
		variable, value string
	}{
		{&c.limits.Customer, "SHOP_RATE_LIMIT_CUSTOMER", s.RateCustomer}, {&c.limits.Address, "SHOP_RATE_LIMIT_ADDRESS", s.RateAddress},
		{&c.limits.Staff, "SHOP_RATE_LIMIT_STAFF", s.RateStaff}, {&c.limits.Failures, "SHOP_RATE_LIMIT_FAILURES", s.RateFailures},
		{&c.most, "SHOP_MAX_CONCURRENT", s.MaxConcurrent},
	} {
		if *n.to, err = strconv.Atoi(n.value); err != nil || *n.to < 0 || *n.to > 1e9 {
			return c, nil, configError("%s: %q is no whole number from 0 to 1000000000", n.variable, n.value)
		}
	}
	if c.proxies, err = parseProxies(s.TrustedProxies); err != nil {
		return c, nil, configError("SHOP_TRUSTED_PROXIES: %w", err)
	}
	c.elsewhere, c.shared, c.flags = map[string]*url.URL{}, map[string]*url.URL{}, s.Flags
	for _, name := range contextNames() {
		variable := contextVariable(name)
		if given[variable] == "" {
			continue
		}
		u, err := parseContextURL(given[variable])
		switch {
		case err != nil:
			return c, nil, configError("%s: %w", variable, err)
		case !slices.Contains(hosted, name):
			c.elsewhere[name] = u
		case s.Flags == "":
			warnings = append(warnings, variable+" has no effect without SHOP_FLAGS: "+name+" is hosted here")
		default:
			c.shared[name] = u
		}
	}
	return c, warnings, nil
}

// contextVariable is the setting that says where a context is which is not hosted here.
func contextVariable(context string) string { return "SHOP_" + strings.ToUpper(context) + "_URL" }

func parseContextURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("expected http://HOST:PORT or https://HOST:PORT, where a shop that hosts it listens")
	}
	u.Path = ""
	return u, nil
}

// parseProxies reads a list such as "10.0.0.0/8,192.0.2.7".
func parseProxies(list string) (ratelimit.Proxies, error) {
	var proxies ratelimit.Proxies
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(item)
		if a, aerr := netip.ParseAddr(item); aerr == nil {
			prefix, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither a network, such as 10.0.0.0/8, nor an address", item)
		}
		proxies = append(proxies, prefix.Masked())
	}
	return proxies, nil
}

// front is what stands before the contexts of this process: who may ask how often, how much is worked on at a time, and the gateway.
type front struct {
	shared  *cache.Shared // nil without a Redis
	flags   *flags.Flags  // nil without a file
	store   *cache.Store
	limits  *ratelimit.Limits
	gateway *gateway.Module
	around  []func(http.Handler) http.Handler
}

// openFront puts it together; nothing runs until the gateway is started. Errors: those of the transport.
func (h *host) openFront(metrics prometheus.Registerer) (*front, error) {
	cfg := h.cfg.front
	f := &front{}
	var err error
	if cfg.cacheURL != "" {
		if f.shared, err = cache.Connect(cfg.cacheURL, h.log); err != nil {
			return nil, err
		}
	}
	f.store = cache.NewStore(cache.Options{Shared: f.shared, Log: h.log, Metrics: metrics})
	limits := cfg.limits
	limits.Proxies, limits.Shared, limits.Kind = cfg.proxies, f.shared, strings.Join(h.cfg.hosted, "+")
	limits.Metrics, limits.Refuse = metrics, web.WriteProblem
	f.limits = ratelimit.New(limits)
	f.around = []func(http.Handler) http.Handler{auth.Middleware(h.verifier, f.limits, web.WriteProblem), f.limits.Middleware}
	if cfg.most > 0 {
		f.around = append(f.around, web.NewBound(web.BoundOptions{Max: cfg.most, Client: cfg.proxies.Client, Metrics: metrics}).Middleware)
	}
	if len(cfg.elsewhere) > 0 {
		f.around = append(f.around, gateway.Remember)
	}
	if cfg.flags != "" {
		if f.flags, err = flags.Open(cfg.flags, flags.Options{Known: flagNames(), Log: h.log, Metrics: metrics}); err != nil {
			return nil, configError("SHOP_FLAGS: %w", err)
		}
	}
	if f.gateway, err = gateway.New(h.gatewayNeeds(f, metrics)); err != nil {
		return nil, err
	}
	if len(cfg.shared) > 0 {
		f.around = append(f.around, f.gateway.Share) // the last: it has to know who asks
	}
	return f, nil
}

// flagNames are the flags that there are.
func flagNames() []string {
	var names []string
	for _, name := range contextNames() {
		names = append(names, gateway.FlagOf(name))
	}
	return names
}

// gatewayNeeds says where the gateway finds each context: here, elsewhere, or nowhere.
func (h *host) gatewayNeeds(f *front, metrics prometheus.Registerer) gateway.Needs {
	cfg := h.cfg.front
	n := gateway.Needs{Elsewhere: cfg.elsewhere, Shared: cfg.shared, Flags: f.flags, Client: cfg.proxies.Address, Cache: f.store, Log: h.log, Metrics: metrics}
	n.Guards, n.Orders, n.Payments, n.Shipping, n.Inventory, n.Customers = h.upstreams(), h.ordered(), h.paid(), h.shipped(), h.stock(), h.profiles()
	if h.customers != nil {
		n.Bus = h.bus
	}
	return n
}

// start begins to hear of what changes.
func (f *front) start(ctx context.Context) error { return f.gateway.Start(ctx) }

// stop ends what runs in the background, after the contexts: they tell the gateway to the last.
func (f *front) stop() error {
	f.gateway.Stop()
	f.flags.Close()
	f.limits.Close()
	f.store.Close()
	if f.shared != nil {
		return f.shared.Close()
	}
	return nil
}
