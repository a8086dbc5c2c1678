package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/web"
)

func TestTheHealthCheckSaysWhatReadyzSays(t *testing.T) {
	health := web.NewHealth(zap.NewNop())
	server := httptest.NewServer(http.HandlerFunc(health.Ready))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	require.Equal(t, ran{exitOK, "", ""}, run(t, "healthcheck", "--admin-addr", addr))
	require.Equal(t, ran{exitOK, "", ""}, run(t, "healthcheck", "--admin-addr", "off", "--addr", addr), "there is no admin port")

	health.Add("orders.database", func(context.Context) error { return nil })
	health.Add("orders.relay", func(context.Context) error { return errors.New("stuck") })
	require.Equal(t, ran{exitFailed, "", "shop: not ready: failing orders.relay\n"}, run(t, "healthcheck", "--admin-addr", addr))
	health.SetStopping()
	require.Equal(t, ran{exitFailed, "", "shop: not ready: stopping\n"}, run(t, "healthcheck", "--admin-addr", addr))

	server.Close()
	r := run(t, "healthcheck", "--admin-addr", addr)
	require.Equal(t, exitDependency, r.code)
	require.Contains(t, r.stderr, "refused")
}

func TestTheHealthCheckOfSomethingElseFails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	r := run(t, "healthcheck", "--admin-addr", strings.TrimPrefix(server.URL, "http://"))
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "answers 404 Not Found")
}

func TestTheHealthCheckReadsTheSettingsOfTheShop(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(web.NewHealth(zap.NewNop()).Ready))
	defer server.Close()
	var stderr bytes.Buffer
	environ := append(jwtSettings(), "SHOP_ADMIN_ADDR="+strings.TrimPrefix(server.URL, "http://"), "HTTP_PROXY=http://127.0.0.1:1")
	require.Equal(t, exitOK, Run(t.Context(), []string{"healthcheck"}, environ, &stderr, &stderr), stderr.String())

	for listens, asked := range map[string]string{
		":8081": "localhost:8081", "0.0.0.0:8081": "localhost:8081", "[::]:8081": "localhost:8081", "127.0.0.1:8081": "127.0.0.1:8081", "shop.example:80": "shop.example:80",
	} {
		require.Equal(t, asked, reachable(listens))
	}
}
