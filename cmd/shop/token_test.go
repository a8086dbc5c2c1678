package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/clock"
)

func TestATokenIsPrintedAloneAndBelievedByTheShopOfItsDataDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct {
		args    []string
		role    auth.Role
		subject string // a pattern
	}{
		{[]string{"--role", "operator"}, auth.Operator, "^operator$"},
		{[]string{"--role", "service"}, auth.Service, "^service$"},
		{[]string{"--role", "customer"}, auth.Customer, "^cus_[0-9a-z]{26}$"},
		{[]string{"--role", "customer", "--subject", "ann", "--ttl", "1m"}, auth.Customer, "^ann$"},
	} {
		r := run(t, append([]string{"token", "--data", dir}, c.args...)...)
		require.Equal(t, exitOK, r.code, r.stderr)
		require.Empty(t, r.stderr)
		require.Equal(t, 1, strings.Count(r.stdout, "\n"))
		signer, err := auth.DevelopmentSigner(dir)
		require.NoError(t, err)
		p, err := auth.NewVerifier(signer.Config()).Verify(t.Context(), strings.TrimSuffix(r.stdout, "\n"))
		require.NoError(t, err)
		require.Equal(t, c.role, p.Role)
		require.Regexp(t, c.subject, p.Subject)
	}
}

func TestAShopWithAnIssuerSignsNothing(t *testing.T) {
	var stdout, stderr bytes.Buffer
	dir := filepath.Join(t.TempDir(), "none")
	code := Run(t.Context(), []string{"token", "--role", "operator", "--data", dir}, jwtSettings(), &stdout, &stderr)
	require.Equal(t, exitConfiguration, code)
	require.Empty(t, stdout.String())
	require.Contains(t, stderr.String(), "tokens of this shop come from https://issuer.example")
	require.NoDirExists(t, dir)
}

func TestADevelopmentKeyIsForThisMachineAlone(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "shop.example:0"} {
		dir := filepath.Join(t.TempDir(), "none")
		r := run(t, "serve", "--addr", addr, "--admin-addr", "off", "--data", dir)
		require.Equal(t, exitConfiguration, r.code, addr)
		require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
		require.Contains(t, r.stderr, "is beyond this machine, and tokens are signed with the development key")
		require.NoDirExists(t, dir)
	}
	for _, addr := range []string{"127.0.0.1:1", "localhost:1", "[::1]:1", "127.1.2.3:1"} {
		require.NoError(t, config{addr: addr}.checkReach(), addr)
	}
	require.NoError(t, config{addr: ":1", issuer: &issuer{}}.checkReach())
}

func TestAnImportThroughAURLNeedsAToken(t *testing.T) {
	r := run(t, "import", "online-retail", "none.csv", "--url", "http://127.0.0.1:1")
	require.Equal(t, exitConfiguration, r.code)
	require.Contains(t, r.stderr, "SHOP_TOKEN: is missing")
}

// What a shop serves without a token, and what it does not.
func TestAShopAsksForATokenWhereverSomebodysThingsAre(t *testing.T) {
	h, err := (&program{stderr: &bytes.Buffer{}}).hostForDemo(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.stop()) })
	for path, status := range map[string]int{
		"/livez": 200, "/readyz": 200, "/docs": 200, "/openapi.json": 200, "/asyncapi.json": 200, "/v1/products": 200, "/v1/products/none": 404, "/v1/inventory": 200,
		"/v1/orders": 401, "/v1/orders/ord_01jd3q6k9v8xw2n4t7ryz5abcd": 401, "/v1/payments": 401, "/v1/shipments": 401, "/v1/nothing": 404,
		"/v1/inventory/none/movements": 401, "/v1/orders/ord_01jd3q6k9v8xw2n4t7ryz5abcd/saga": 401,
	} {
		require.Equal(t, status, statusOf(t, h.api.url()+path, ""), path)
	}
	for _, path := range []string{"/v1/products", "/v1/orders"} {
		require.Equal(t, 401, statusOf(t, h.api.url()+path, "Bearer x.y.z"), path)
	}
	require.Equal(t, 200, statusOf(t, h.api.url()+"/livez", "Bearer x.y.z"), "probes have no token, and need none")
}

func statusOf(t *testing.T, url, authorization string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

func TestThePublicKeyMakesAnotherShopBelieveTheTokens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "keys.pem")
	printed := run(t, "token", "key", "--data", dir)
	require.Equal(t, exitOK, printed.code, printed.stderr)
	require.Equal(t, ran{exitOK, "", ""}, run(t, "token", "key", "--data", dir, "--out", file))
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, printed.stdout, string(written))
	require.NotContains(t, printed.stdout, "PRIVATE")

	c, err := configured(t, []string{"SHOP_JWT_ISSUER=shop-dev", "SHOP_JWT_AUDIENCE=shop", "SHOP_JWT_KEYS=" + file})
	require.NoError(t, err)
	verifier, err := c.verifier(clock.System, zap.NewNop())
	require.NoError(t, err)
	token := run(t, "token", "--role", "operator", "--data", dir)
	p, err := verifier.Verify(t.Context(), strings.TrimSuffix(token.stdout, "\n"))
	require.NoError(t, err)
	require.Equal(t, auth.Principal{Role: auth.Operator, Subject: "operator"}, p)
	stranger := run(t, "token", "--role", "operator", "--data", t.TempDir())
	_, err = verifier.Verify(t.Context(), strings.TrimSuffix(stranger.stdout, "\n"))
	require.ErrorIs(t, err, auth.ErrInvalidToken)

	var stderr bytes.Buffer
	require.Equal(t, exitConfiguration, Run(t.Context(), []string{"token", "key", "--data", dir}, jwtSettings(), &stderr, &stderr))
	require.Contains(t, stderr.String(), "tokens of this shop come from")
}
