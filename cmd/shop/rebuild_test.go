package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/cmd/shop/internal/rest"
	"shop/internal/platform/auth"
)

func TestSummariesAreRebuiltWhileTheShopRuns(t *testing.T) {
	h, environ, _ := runningShop(t, func(*config) {})
	client := rest.New(h.api.url(), 1)
	defer client.Close()
	as := func(role auth.Role, subject string) {
		var err error
		client.Token, err = h.cfg.signer.Sign(auth.Principal{Role: role, Subject: subject}, time.Now(), time.Hour)
		require.NoError(t, err)
	}
	as(auth.Operator, "test")
	_, err := client.Do(t.Context(), rest.Request{Method: http.MethodPut, Path: "/v1/products/MUG", Body: map[string]any{
		"name": "Mug", "description": "", "price": map[string]any{"amount": 900, "currency": "EUR"}, "active": true}}, nil)
	require.NoError(t, err)
	as(auth.Customer, "cus_1")
	var order struct{ ID, Status string }
	_, err = client.Do(t.Context(), rest.Request{Method: http.MethodPost, Path: "/v1/orders", Key: "k", Wait: 5, Body: map[string]any{
		"items": []any{map[string]any{"sku": "MUG", "quantity": 1}}, "payment_method": "pm_test_ok",
		"shipping_address": map[string]any{"name": "Ann", "line1": "1 Road", "city": "Town", "postal_code": "1", "country": "DE"}}}, &order)
	require.NoError(t, err)
	require.Equal(t, "cancelled", order.Status, "there is no stock")

	var stdout, stderr strings.Builder
	require.Equal(t, exitOK, Run(t.Context(), []string{"rebuild", "orders", "-o", "json"}, environ, &stdout, &stderr), stderr.String())
	var done rebuilt
	require.NoError(t, json.Unmarshal([]byte(stdout.String()), &done))
	require.Equal(t, 1, done.Orders)
	require.Regexp(t, `^orders 0/1\norders 1/1  .* in `, stderr.String())
	_, err = client.Do(t.Context(), rest.Request{Method: http.MethodGet, Path: "/v1/orders/" + order.ID}, &order)
	require.NoError(t, err)
	require.Equal(t, "cancelled", order.Status)

	r := run(t, "rebuild", "orders", "--data", t.TempDir())
	require.Equal(t, exitConfiguration, r.code)
	require.Contains(t, r.stderr, "no shop has run")
	require.Equal(t, exitUsage, run(t, "rebuild").code)
	require.Equal(t, exitUsage, run(t, "rebuild", "orders", "now").code)
}
