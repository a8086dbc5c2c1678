package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shop/cmd/shop/internal/rest"
	"shop/internal/orders"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
)

const tracePatience = 30 * time.Second

// served is the whole program, serving.
type served struct {
	t         *testing.T
	environ   []string
	api       string
	adminAddr string
	client    *rest.Client
	stop      func()
}

// serveIn runs shop serve until the test stops it, or ends.
func serveIn(t *testing.T, environ ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	log, stderr := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"}, environ, io.Discard, stderr)
		_ = stderr.Close()
	}()
	serving := make(chan [2]string, 1)
	go func() {
		for lines := bufio.NewScanner(log); lines.Scan(); {
			var line struct {
				Msg, URL string
				Admin    string `json:"admin_url"`
			}
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				serving <- [2]string{line.URL, line.Admin}
			}
		}
		_, _ = io.Copy(io.Discard, log)
	}()
	s := &served{t: t, environ: environ}
	select {
	case at := <-serving:
		s.api, s.adminAddr = at[0], strings.TrimPrefix(at[1], "http://")
	case code := <-ended:
		require.FailNow(t, "it does not serve", "exit code %d", code)
	case <-time.After(tracePatience):
		require.FailNow(t, "it does not serve")
	}
	s.stop = func() {
		cancel()
		if s.client != nil {
			s.client.Close()
			require.Equal(t, exitOK, <-ended)
		}
		s.client = nil
	}
	s.client = rest.New(s.api, 2)
	s.client.Token = s.token()
	t.Cleanup(s.stop)
	return s
}

func (s *served) token() string {
	var stdout, stderr bytes.Buffer
	require.Equal(s.t, exitOK, Run(s.t.Context(), []string{"token", "--role", "operator"}, s.environ, &stdout, &stderr), stderr.String())
	return strings.TrimSpace(stdout.String())
}

// order sells a mug and places an order for it.
func (s *served) order(payment string, wait int) string {
	s.t.Helper()
	for _, r := range []rest.Request{
		{Method: http.MethodPut, Path: "/v1/products/mug", Body: object{"name": "Mug", "price": object{"amount": 1250, "currency": "EUR"}}},
		{Method: http.MethodPost, Path: "/v1/inventory/mug/movements", Key: "delivery", Body: object{"quantity": 100, "reason": "received"}},
	} {
		_, err := s.client.Do(s.t.Context(), r, nil)
		require.NoError(s.t, err)
	}
	var placed struct{ ID string }
	address := object{"name": "Ada Lovelace", "line1": "12 St James Square", "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"}
	_, err := s.client.Do(s.t.Context(), rest.Request{Method: http.MethodPost, Path: "/v1/orders", Key: "basket " + payment, Wait: wait,
		Body: object{"items": []object{{"sku": "mug", "quantity": 1}}, "payment_method": payment, "shipping_address": address}}, &placed)
	require.NoError(s.t, err)
	return placed.ID
}

// traceIn runs the command beside the shop.
func traceIn(ctx context.Context, t require.TestingT, environ []string, args ...string) ran {
	var stdout, stderr bytes.Buffer
	code := Run(ctx, append([]string{"trace"}, args...), environ, &stdout, &stderr)
	return ran{code, stdout.String(), stderr.String()}
}

func traced(ctx context.Context, t require.TestingT, environ []string, args ...string) (found orderTrace) {
	r := traceIn(ctx, t, environ, append(args, "-o", "json")...)
	require.Equal(t, exitOK, r.code, r.stderr)
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &found))
	require.NotNil(t, found.Order)
	return found
}

func TestAnOrderIsTracedInAShopThatRunsOrByItsHistory(t *testing.T) {
	s := serveIn(t, "SHOP_DATA="+t.TempDir())
	id := s.order("pm_test_ok", 5)
	var r ran
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		r = traceIn(t.Context(), c, s.environ, id, "--admin-addr", s.adminAddr)
		require.Equal(c, exitOK, r.code, r.stderr)
		require.Contains(c, r.stdout, "Its process has done its part: it waits to be dispatched")
		require.NotContains(c, r.stdout, "is incomplete", r.stdout) // spans end from the inside out
		require.Contains(c, r.stdout, "process shop.shipping.events")
	}, tracePatience, 50*time.Millisecond)
	require.Regexp(t, `\n +0\.00 ms .* POST /v1/orders  201\n`, r.stdout)
	require.Regexp(t, `▏ {5,}process shop.payments.commands  \[payments\]  shop.payments.payment.take.v1`, r.stdout)
	require.Contains(t, r.stdout, "Where the time went: ")
	require.NotContains(t, r.stdout, "EVENT", "its history adds nothing")
	require.Empty(t, r.stderr)

	// From a machine without the databases, and with a recorder that cannot be reached.
	away := []string{"SHOP_DATA=" + t.TempDir(), "SHOP_TOKEN=" + s.client.Token}
	args := []string{"--admin", "127.0.0.1:1", "--url", s.api}
	found := traced(t.Context(), t, away, append(args, id)...)
	require.Equal(t, orders.Status("confirmed"), found.Order.Status)
	require.Equal(t, "completed", found.Order.Saga)
	require.Len(t, found.Order.Events, 5)
	r = traceIn(t.Context(), t, away, append(args, id)...)
	require.Regexp(t, `\n5  \S+Z  +\S+ m?s +shipment.created +- +-\n`, r.stdout)
	require.Contains(t, r.stderr, "this is its history")
	require.Contains(t, r.stderr, "the recorder of 127.0.0.1:1 was not asked")
	r = traceIn(t.Context(), t, away, append(args, tracedOrder)...)
	require.Equal(t, ran{exitFailed, "", "shop: there is no order " + tracedOrder + "\n"}, r)
	away[1] = "SHOP_TOKEN=nonsense"
	r = traceIn(t.Context(), t, away, append(args, id)...)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "401")
}

func TestAStuckOrderLeadsToItsCause(t *testing.T) {
	eachInstallation(t, func(t *testing.T, in *installation) {
		s := serveIn(t, append(in.environ, "SHOP_TRACE_SPANS=0")...)
		id := s.order("pm_test_timeout", 0) // the provider takes the money and does not answer
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			found := traced(t.Context(), c, s.environ, id, "--admin-addr", s.adminAddr)
			require.NotNil(c, found.Order.Waits)
			require.Equal(c, "take_payment", found.Order.Waits.Step)
			require.NotNil(c, found.Payment)
		}, tracePatience, 50*time.Millisecond)
		s.stop()

		r := traceIn(t.Context(), t, in.environ, id, "--admin", "127.0.0.1:1")
		require.Equal(t, exitOK, r.code, r.stderr)
		require.Contains(t, r.stdout, id+" is pending; its process is running.\n")
		require.Regexp(t, `It waits for take_payment, by payments, since \S+Z, for [0-9.]+ m?s; the order is cancelled in 9m\d+s, at \S+Z\.\n`, r.stdout)
		require.Regexp(t, `pay_\w+ `, r.stdout, "its payment")
		require.Regexp(t, `No process leads orders: .*\n  next: shop serve `, r.stdout)
		require.Contains(t, r.stdout, "No process leads payments: ")
		require.Regexp(t, `\n1  \S+Z  +- +order.placed +[0-9a-f]{32}  -\n2  \S+Z +\S+ m?s +stock.reserved +[0-9a-f]{32}  \S+\n`, r.stdout)
		require.Contains(t, r.stderr, "this is its history")

		now := clock.System.Now()
		in.write("payments", `INSERT INTO dead_letters (consumer, message_id, parcel, bit, type, key, headers, body, state, error, attempts, created_at)
			VALUES ('payments', 'm.1', 'm', 2, 'shop.payments.payment.take.v1', $1, '{}', '{}', 'dead', 'no such column', 8, $2),
				('payments', 'm.2', 'm', 4, 'shop.payments.payment.cancel.v1', $1, '{}', '{}', 'parked', 'behind', 0, $2),
				('payments', 'm.3', 'm', 8, 'shop.payments.payment.take.v1', 'ord_another', '{}', '{}', 'dead', 'no', 8, $2)`, id, sqldb.Micros(now.Add(-time.Hour)))
		in.write("inventory", `INSERT INTO outbox (topic, messages, content, created_at) VALUES ('shop.inventory.events', 2, $1, $2)`,
			`[{"i":"p.0","t":"shop.inventory.stock.reserved.v1","k":"`+id+`","b":{}},{"t":"shop.inventory.stock.reserved.v1","k":"ord_another","b":{}}]`, sqldb.Micros(now.Add(-3*time.Minute)))
		r = traceIn(t.Context(), t, in.environ, id, "--admin", "127.0.0.1:1")
		require.Regexp(t, `shop.payments.payment.take.v1 is the dead letter (payments/\d+) of payments: payments could not apply it in 8 attempts, 1h0m\ds ago: no such column\n`+
			`  next: shop deadletters show payments/\d+   # why\n  next: shop deadletters replay payments/\d+   # when the cause is mended\n`, r.stdout)
		require.Regexp(t, `shop.payments.payment.cancel.v1 is parked behind the dead letter, as payments/\d+, for 1h0m\ds\.\n`, r.stdout)
		require.Regexp(t, `shop.inventory.stock.reserved.v1 waits in the outbox of inventory, for 3m\ds \(message p.0\)\.\n`, r.stdout)
		require.Contains(t, r.stdout, "No process leads inventory: ")
		require.NotContains(t, r.stdout, "ord_another")
		held := map[string]heldMessage{}
		for _, m := range traced(t.Context(), t, in.environ, id, "--admin", "127.0.0.1:1").Messages {
			held[m.MessageID] = m
		}
		require.Equal(t, "dead", held["m.1"].State)
		require.Equal(t, "parked", held["m.2"].State)
		require.Equal(t, now.Add(-3*time.Minute), held["p.0"].Since)
		require.NotContains(t, held, "m.3")
		require.Equal(t, exitFailed, traceIn(t.Context(), t, in.environ, tracedOrder, "--admin", "127.0.0.1:1").code, "there is no such order")
	})
}
