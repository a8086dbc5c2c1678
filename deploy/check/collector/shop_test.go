package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is the path of shop, built for these tests.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "collector-check")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		program = filepath.Join(dir, "shop")
		build := exec.Command("go", "build", "-o", program, "./cmd/shop")
		build.Dir = filepath.Join("..", "..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building shop: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// subject is the customer, and the operator.
const subject = "ada"

// process is a shop that runs, on SQLite.
type process struct {
	cmd                *exec.Cmd
	log                bytes.Buffer // whole when it has ended
	url                string
	operator, customer string
}

// start runs a shop with the settings that compose gives its processes for telemetry, and fills its shelf.
func start(t *testing.T, collector string) *process {
	t.Helper()
	data, address := t.TempDir(), freeAddress(t)
	p := &process{url: "http://" + address}
	token := func(role string) string {
		cmd := exec.CommandContext(t.Context(), program, "token", "--role", role, "--subject", subject)
		cmd.Env = []string{"SHOP_DATA=" + data}
		out, err := cmd.Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	p.operator, p.customer = token("operator"), token("customer")
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel) // kills what a failed test leaves
	p.cmd = exec.CommandContext(ctx, program, "serve")
	p.cmd.Stderr = &p.log
	p.cmd.Env = append(composed(t, "x-settings"), "SHOP_DATA="+data, "SHOP_ADDR="+address, "SHOP_ADMIN_ADDR=", "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+collector)
	require.NoError(t, p.cmd.Start())
	p.waitReady(t)
	p.ask(t, http.MethodPut, "/v1/products/mug", p.operator, `{"name":"Mug","price":{"amount":1250,"currency":"EUR"}}`)
	p.ask(t, http.MethodPost, "/v1/inventory/mug/movements", p.operator, `{"quantity":1000,"reason":"received"}`)
	return p
}

func (p *process) waitReady(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if answer, err := http.Get(p.url + "/readyz"); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	require.Fail(t, "not ready", p.log.String())
}

// requests counts them, for keys that are each used once.
var requests int

// ask sends a request and returns the answer, which has to be a good one.
func (p *process) ask(t *testing.T, method, path, token, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	require.NoError(t, err)
	requests++
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", fmt.Sprint("request-", requests))
	r.Header.Set("Prefer", "wait=20")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Less(t, answer.StatusCode, 300, "%s %s: %s", method, path, text)
	var v map[string]any
	require.NoError(t, json.Unmarshal(text, &v), string(text))
	return v
}

// order places an order and returns its id when it is confirmed.
func (p *process) order(t *testing.T, paymentMethod string) string {
	t.Helper()
	o := p.ask(t, http.MethodPost, "/v1/orders", p.customer, `{"items":[{"sku":"mug","quantity":1}],"payment_method":"`+paymentMethod+`",
		"shipping_address":{"name":"Ada Lovelace","line1":"12 St James Square","city":"London","postal_code":"SW1Y 4JH","country":"GB"}}`)
	id, _ := o["id"].(string)
	for o["status"] != "confirmed" {
		require.NotContains(t, []any{"rejected", "cancelled", "failed"}, o["status"], id)
		require.NoError(t, t.Context().Err())
		o = p.ask(t, http.MethodGet, "/v1/orders/"+id, p.customer, "")
	}
	return id
}

// stop ends it as an operator would; the last spans are sent before it ends.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait(), "%s", &p.log)
	require.NotContains(t, p.log.String(), "no effect")
}
