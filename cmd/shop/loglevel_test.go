package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/logging"
	"shop/internal/platform/web"
)

// adminOf serves the admin port of a shop that logs as it is configured.
func adminOf(t *testing.T, log *logging.Log) string {
	t.Helper()
	h := &host{log: log.Logger, logs: log}
	server := httptest.NewServer(h.adminHandler(http.NotFoundHandler()))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTheLevelOfARunningShopIsShownAndChanged(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, zapcore.InfoLevel, config{service: "shop"})
	admin := adminOf(t, log)
	require.Equal(t, ran{exitOK, "info\n", ""}, run(t, "log-level", "--admin-url", admin))
	require.Equal(t, ran{exitOK, "warn (configured: info)\n", ""}, run(t, "log-level", "warn", "--admin-url", admin))
	require.False(t, log.Core().Enabled(zapcore.InfoLevel))

	u, err := url.Parse(admin)
	require.NoError(t, err)
	r := run(t, "log-level", "debug", "--for", "10m", "--admin-addr", u.Host)
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Regexp(t, `^debug until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, then info\n$`, r.stdout)
	require.True(t, log.Core().Enabled(zapcore.DebugLevel))
	var state logging.LevelState
	require.NoError(t, json.Unmarshal([]byte(run(t, "log-level", "--admin-url", admin, "-o", "json").stdout), &state))
	require.Equal(t, log.Level.State(), state)
	log.Close()
}

func TestAskingForALevelThatMakesNoSenseIsRefusedHereOrThere(t *testing.T) {
	for _, args := range [][]string{
		{"loud"}, {"debug", "info"}, {"debug", "--for", "soon"}, {"debug", "--for", "0s"}, {"debug", "--for", "48h"}, {"--for", "10m"}, {"--admin-addr", "off"}, {"--admin-url", "localhost"},
	} {
		r := run(t, append([]string{"log-level"}, args...)...)
		require.Equal(t, exitUsage, r.code, "%v: %s", args, r.stderr)
	}
	log := newLog(io.Discard, zapcore.InfoLevel, config{})
	other := httptest.NewServer(http.HandlerFunc(web.NewHealth(log.Logger).Live))
	r := run(t, "log-level", "--admin-url", other.URL)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "that is no admin port of this version of shop")
	other.Close()
	require.Equal(t, exitDependency, run(t, "log-level", "--admin-url", other.URL).code)
}

func TestTheLogKnowsThePasswordsAndTokensAmongTheSettings(t *testing.T) {
	given := map[string]string{
		"SHOP_TOKEN": "ey.token", "SHOP_DATABASE_URL": "postgres://shop:p%40ss%2Fword@db/shop", "SHOP_SMTP_URL": "smtp://u:mailword@mail.example", "SHOP_BUS_URL": "nats://a:natsword@n1,b:other@n2",
		"SHOP_CACHE_URL": "redis://:redisword@cache:6379", "SHOP_ORDERS_URL": "http://orders:8080", "PATH": "http://u:notours@x",
	}
	secrets := secretsIn(given)
	for _, s := range []string{"ey.token", "p%40ss%2Fword", "p@ss/word", "mailword", "natsword", "redisword"} {
		require.Contains(t, secrets, s)
	}
	require.NotContains(t, secrets, "notours")
}
