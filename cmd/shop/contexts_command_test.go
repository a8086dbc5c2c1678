package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/bus"
	"shop/internal/platform/web"
)

// keeping is a bus that tells how many messages wait, as one of a broker does.
type keeping struct {
	bus.Transport
	away atomic.Bool
}

func (k *keeping) Backlog(_ context.Context, group string) (map[string]uint64, error) {
	if k.away.Load() {
		return nil, errors.New("the broker is away")
	}
	return map[string]uint64{"shop.orders.events": 3, "shop." + group + ".commands": 4}, nil
}

func TestWhereEachContextIsAndHowItDoesIsOneTable(t *testing.T) {
	cfg := config{hosted: []string{"catalog", "customers"}, databases: map[string]string{}, data: t.TempDir(), busURL: memoryBus}
	for _, name := range databaseNames() {
		cfg.databases[name] = sqlitePrefix + cfg.data
	}
	cfg.front.flags = filepath.Join(cfg.data, "flags.json")
	require.NoError(t, os.WriteFile(cfg.front.flags, []byte(`{"route.catalog": {"percent": 12.5, "allow": ["ann"], "deny": ["bob", "eve"], "mirror": true, "fallback": true}}`), 0o600))
	at := func(s string) *url.URL {
		u, err := url.Parse(s)
		require.NoError(t, err)
		return u
	}
	cfg.front.shared = map[string]*url.URL{"catalog": at("http://catalog:1"), "customers": at("http://customers:1")}
	cfg.front.elsewhere = map[string]*url.URL{"orders": at("http://orders:1")}
	var err error
	cfg.signer, err = auth.NewSigner()
	require.NoError(t, err)
	cfg.addr, cfg.adminAddr = "127.0.0.1:0", "127.0.0.1:0"
	h, err := openHost(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	broker := &keeping{Transport: h.bus}
	h.bus = broker
	require.NoError(t, h.start(t.Context()))
	defer func() { require.NoError(t, h.stop()) }()

	r := run(t, "contexts", "--admin-url", h.adminURL())
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Regexp(t, `^CONTEXT +HOSTED +URL +SHARE +BREAKER +OUTBOX +AGE +WAITING +DEAD\n`, r.stdout)
	require.Regexp(t, `\ncatalog +both +http://catalog:1 +12.5% \+1 -2 mirror fallback +closed +0\*? +0s +7 +0\n`, r.stdout)
	require.Regexp(t, `\ncustomers +both +http://customers:1 +no flag +closed +0\*? +0s +7 +0\n`, r.stdout)
	require.Regexp(t, `\ninventory +nowhere +- +- +- +- +- +- +-\n`, r.stdout)
	require.Regexp(t, `\norders +elsewhere +http://orders:1 +- +closed +- +- +- +-\n`, r.stdout)

	r = run(t, "contexts", "--admin-url", h.adminURL(), "-o", "json")
	require.Equal(t, exitOK, r.code, r.stderr)
	var all []placement
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &all))
	require.Len(t, all, len(contextMap))
	require.Equal(t, map[string]int64{"shop.orders.events": 3, "shop.catalog.commands": 4}, all[0].Waiting)
	require.Equal(t, &placementShare{Flag: "route.catalog", Percent: 12.5, Allow: 1, Deny: 2, Mirror: true, Fallback: true}, all[0].Share)

	broker.away.Store(true)
	r = run(t, "contexts", "--admin-url", h.adminURL())
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stdout, "\ncatalog: waiting cannot be read\n")
	require.Empty(t, r.stderr, "it was told already")
}

func TestWhereContextsAreIsAskedOfAnAdminPort(t *testing.T) {
	for _, wrong := range []string{"127.0.0.1:8081", "ftp://x", "http://", "http://x/metrics", "http://x?y", "http://u:p@x"} {
		require.Equal(t, exitUsage, run(t, "contexts", "--admin-url", wrong).code, wrong)
	}
	require.Equal(t, exitUsage, run(t, "contexts", "--admin-addr", "off").code)
	health := web.NewHealth(zap.NewNop())
	other := httptest.NewServer(http.HandlerFunc(health.Live))
	r := run(t, "contexts", "--admin-url", other.URL)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "that is no admin port of this version of shop")
	other.Close()
	r = run(t, "contexts", "--admin-addr", other.Listener.Addr().String())
	require.Equal(t, exitDependency, r.code)
	require.Contains(t, r.stderr, "refused")
}
