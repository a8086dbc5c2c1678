package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
	"shop/internal/platform/sqldb/dbtest"
)

// What is planted into a run, each of it recognisable, and must not be read by those who read logs, metrics or others' answers.
var planted = map[string]string{
	"name":           "Zebulon Quuxworthy",
	"street":         "77 Hidden Larch Lane",
	"city":           "Kleinwinkelhausen",
	"postal code":    "QX9 7ZZ",
	"phone":          "+49 170 5550123",
	"email":          "zebulon.quux@secretmail.example",
	"another email":  "second.quux@othermail.example",
	"payment method": "pm_live_SecretMethod77",
	"card":           "4242 4242 4242 4242",
	"card, close":    "4000056655665556",
	"words":          "please ring twice at Zebs back door",
	"false token":    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ6ZWJ1bG9uIn0.cGxhbnRlZHNpZ25hdHVyZQ",
}

// revealed are the planted things that a text contains, by their names, and the lines around.
func revealed(text string, secrets map[string]string) (found []string) {
	for name, secret := range secrets {
		for _, spelled := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			if i := strings.Index(strings.ToLower(text), strings.ToLower(spelled)); i >= 0 {
				line := text[strings.LastIndexByte(text[:i], '\n')+1:]
				found = append(found, name+" in: "+line[:min(len(line), 600)])
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

// gossip is a mail server that repeats in its refusals all that it was told.
type gossip struct{ to string }

func (g *gossip) Mail(string, *smtp.MailOptions) error { return nil }
func (g *gossip) Reset()                               {}
func (g *gossip) Logout() error                        { return nil }

func (g *gossip) Rcpt(to string, _ *smtp.RcptOptions) error {
	g.to = to
	if strings.HasPrefix(to, "second") {
		return &smtp.SMTPError{Code: 550, Message: "there is no <" + to + "> at " + planted["street"]}
	}
	return nil
}

func (g *gossip) Data(r io.Reader) error {
	_, _ = io.Copy(io.Discard, r)
	return &smtp.SMTPError{Code: 451, Message: "later, " + planted["name"] + " <" + g.to + ">"}
}

// openGossip starts one and returns its address.
func openGossip(t *testing.T) string {
	t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &gossip{}, nil }))
	server.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

// everyLine is the whole log so far.
func (p *running) everyLine() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

func TestNothingPrivateIsReadInLogsMetricsOrProblems(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		passwords := map[string]string{"password of redis": "redisHunter77", "password of the issuer's keys": "unusedHunter77"}
		s := newShop(t, url, "SHOP_LOG_LEVEL=debug", "SHOP_LOG_LIMIT=0", "SHOP_SMTP_URL=smtp://"+openGossip(t)+"?tls=none", "SHOP_MAIL_FROM=Tea Shop <orders@tea.example>",
			"SHOP_CACHE_URL=redis://shop:"+passwords["password of redis"]+"@127.0.0.1:1", "SHOP_RATE_LIMIT_FAILURES=0", "SHOP_TRUSTED_PROXIES=127.0.0.1")
		s.plantDeadLetters()
		p := s.serve()
		v := &varied{running: p, t: t}
		v.product("MUG", 1250, 10_000)
		v.customers()
		v.orders(60)
		v.nonsense()
		v.tokens()

		written := func(message string) int {
			n := 0
			for _, line := range p.everyLine() {
				if strings.Contains(line, `"msg":"`+message+`"`) {
					n++
				}
			}
			return n
		}
		eventually(t, "what goes wrong was written about", func() bool {
			return written("replay failed") >= 3 && written("the mail server refuses a message") > 0 && written("a message could not be sent for the moment") > 0
		})
		metrics := p.do("GET", "/v1/products/MUG", nil) // whatever is counted last
		require.Equal(t, 200, metrics.Status)
		resp, err := (&http.Client{Timeout: time.Minute}).Get(p.Admin + "/metrics")
		require.NoError(t, err)
		exposed, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		p.terminate()

		lines := p.everyLine()
		require.Greater(t, written("request"), 200)
		for _, line := range lines {
			require.True(t, json.Valid([]byte(line)), "not JSON: %s", line)
		}
		requireFields(t, lines)
		secrets := map[string]string{"a token": p.token, "signature of a token": p.token[strings.LastIndexByte(p.token, '.')+1:], "an address": "203.0.113.77"}
		for _, more := range []map[string]string{planted, passwords, v.sent} {
			for name, secret := range more {
				secrets[name] = secret
			}
		}
		require.Empty(t, revealed(strings.Join(lines, "\n"), secrets), "in the log")
		require.Empty(t, revealed(string(exposed), secrets), "in the metrics")
		require.Empty(t, v.problems, "in problems")
	})
}

// requireFields requires of some kinds of lines that they lead to what they were written for.
func requireFields(t *testing.T, lines []string) {
	t.Helper()
	want := map[string][]string{
		"request":                                    {"trace_id", "span_id"},
		"the mail server refuses a message":          {"trace_id", "order_id", "context"},
		"a message could not be sent for the moment": {"trace_id", "order_id", "context"},
		"replay failed":                              {"message_id", "context", "error"},
	}
	seen := map[string]int{}
	for _, line := range lines {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		msg, _ := fields["msg"].(string)
		seen[msg]++
		for _, field := range want[msg] {
			require.NotEmpty(t, fields[field], "%s: %s", field, line)
		}
		if route, _ := fields["http.route"].(string); strings.HasPrefix(route, "/v1/orders/{id}/") {
			require.Regexp(t, "^ord_", fields["order_id"], line)
		}
	}
	for msg := range want {
		require.Positive(t, seen[msg], msg)
	}
}

// plantDeadLetters puts messages back to be applied that cannot be, with private things where other things belong.
func (s *shop) plantDeadLetters() {
	for i, body := range []string{
		`{"customer_id":"` + planted["email"] + `","name":["` + planted["name"] + `"],"email":7}`,
		`{"customer_id":{"` + planted["street"] + `":1}}`,
		`{"customer_id":"cus_1","name":"` + planted["name"] + `","email":"` + planted["email"] + `","version":"` + planted["phone"] + `"}`,
	} {
		s.exec("notifications", "dead_letters", fmt.Sprintf(`INSERT INTO {dead_letters} (consumer, message_id, parcel, bit, type, key, headers, body, state, error, attempts, created_at)
			VALUES ('notifications', 'msg_p%d', 'msg_p%d', 1, 'shop.customers.customer.registered.v1', '%d%s', '{}', '%s', 'replay', 'it did not work', 1, 1790000000000000)`, i, i, i, planted["email"], body))
	}
}

// varied uses a shop in all the ways in which somebody might give it what is private.
type varied struct {
	*running
	t *testing.T

	mu       sync.Mutex
	sent     map[string]string // more that is private
	problems []string          // that repeat something
}

// send sends a request, of whatever success, and looks at the answer if it is a problem.
func (v *varied) send(who *running, method, path string, body any, headers ...string) answer {
	v.t.Helper()
	a, err := who.try(method, v.URL+path, body, append(headers, "X-Forwarded-For", "203.0.113.77")...)
	require.NoError(v.t, err)
	if a.Header.Get("Content-Type") == "application/problem+json" {
		v.mu.Lock()
		v.problems = append(v.problems, revealed(string(a.Raw), planted)...)
		v.mu.Unlock()
	}
	return a
}

func address() map[string]any {
	return map[string]any{"name": planted["name"], "line1": planted["street"], "city": planted["city"], "postal_code": planted["postal code"], "country": "DE"}
}

func (v *varied) customers() {
	for _, c := range []map[string]any{
		{"id": planted["email"], "name": planted["name"], "email": planted["email"], "phone": planted["phone"], "addresses": []any{address()}},
		{"id": "second", "name": planted["name"], "email": planted["another email"]},
	} {
		a := v.send(v.running, "POST", "/v1/customers", c)
		require.Equal(v.t, 201, a.Status, string(a.Raw))
		require.Equal(v.t, 409, v.send(v.running, "POST", "/v1/customers", c).Status, "it is there already")
	}
	zeb := v.as(planted["email"]) // whose subject is his address
	require.Equal(v.t, 200, v.send(zeb, "GET", "/v1/customers/"+planted["email"], nil).Status)
	v.send(zeb, "PATCH", "/v1/customers/"+planted["email"], map[string]any{"phone": []string{planted["phone"]}})
	v.send(v.running, "GET", "/v1/customers?email="+url.QueryEscape(planted["email"]), nil)
	v.send(v.running, "GET", "/v1/customers/"+url.PathEscape(planted["name"]), nil)
	v.send(v.running, "GET", "/v1/orders?customer_id="+url.QueryEscape(planted["email"]), nil)
}

// orders places orders of all kinds of fates, at once.
func (v *varied) orders(n int) {
	methods := []string{"pm_test_ok", "pm_test_declined", "pm_test_error_once", "pm_test_timeout", planted["payment method"], planted["card"], planted["card, close"]}
	var all sync.WaitGroup
	places := make(chan struct{}, 16)
	for i := range n {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			body := orderOf(methods[i%len(methods)], "MUG", 1+i%3)
			body["customer_id"], body["shipping_address"], body["email"] = planted["email"], address(), planted["email"]
			if i%2 == 0 {
				body["customer_id"], body["email"] = "second", planted["another email"]
			}
			body["metadata"] = map[string]string{"note": planted["words"]}
			if i%10 == 9 {
				body["items"] = []map[string]any{{"sku": "MUG", "quantity": 10_000}, {"sku": "MUG", "quantity": 10_000}}
			}
			a := v.send(v.running, "POST", "/v1/orders", body, "Idempotency-Key", fmt.Sprint("k", i), "Traceparent", fmt.Sprintf("00-%032x-00f067aa0ba902b7-01", i+1))
			if i%5 == 0 && a.Status == http.StatusCreated {
				v.send(v.running, "POST", "/v1/orders/"+a.Body["id"].(string)+"/cancel", map[string]any{"reason": planted["words"]})
			}
		})
	}
	all.Wait()
}

// nonsense sends what is private in the wrong places.
func (v *varied) nonsense() {
	for i, secret := range planted {
		for _, body := range []any{secret, []string{secret}, map[string]any{"items": secret, "payment_method": []string{secret}, "customer_id": secret},
			json.RawMessage(`{"name":"` + secret + `"} `)} {
			v.send(v.running, "POST", "/v1/orders", body, "Idempotency-Key", "n")
			v.send(v.running, "PUT", "/v1/products/MUG-X", body)
		}
		v.do("POST", "/v1/orders", map[string]any{secret: secret}) // the name of a field that is not there is told to whom sent it
		v.send(v.running, "GET", "/v1/orders/"+url.PathEscape(secret), nil)
		v.send(v.running, "GET", "/v1/"+url.PathEscape(secret)+"?q="+url.QueryEscape(secret), nil)
		v.send(v.running, "GET", "/v1/orders?cursor="+url.QueryEscape(secret)+"&status="+url.QueryEscape(secret), nil)
		v.send(v.running, "GET", "/v1/products", nil, "If-None-Match", secret, "Accept-Language", secret, "User-Agent", secret, "Referer", "https://x.example/?"+url.QueryEscape(i), "Cookie", secret)
		v.send(v.running, "POST", "/v1/orders", orderOf(secret, "MUG", 1), "Idempotency-Key", secret, "Prefer", secret, "Traceparent", secret)
	}
	raw, err := net.Dial("tcp", strings.TrimPrefix(v.URL, "http://"))
	require.NoError(v.t, err)
	_, err = fmt.Fprintf(raw, "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{\"name\": \"%s", v.token, planted["name"])
	require.NoError(v.t, err)
	require.NoError(v.t, raw.Close())
}

// tokens asks with tokens that are not believed.
func (v *varied) tokens() {
	late, err := v.signer.Sign(auth.Principal{Role: auth.Customer, Subject: planted["email"]}, time.Now().Add(-2*time.Hour), time.Hour)
	require.NoError(v.t, err)
	stranger, err := auth.NewSigner()
	require.NoError(v.t, err)
	v.sent = map[string]string{"token that is over": late, "token of another": tokenOf(v.t, stranger, operator)}
	asker := *v.running
	for _, token := range []string{late, v.sent["token of another"], planted["false token"], "plain-" + planted["email"], v.token + "x", planted["card"]} {
		asker.token = token
		require.Equal(v.t, 401, v.send(&asker, "GET", "/v1/orders", nil).Status)
		v.send(&asker, "GET", "/v1/orders?access_token="+url.QueryEscape(token), nil)
	}
}

// The passwords of a URL are in no word of a shop that cannot use it.
func TestAPasswordOfASettingIsNeverRepeated(t *testing.T) {
	const password = "hunter2Plant77"
	secret := map[string]string{"password": password}
	s := newEmptyShop(t, "sqlite:"+t.TempDir())
	for _, setting := range []string{
		"SHOP_DATABASE_URL=postgres://shop:" + password + "@127.0.0.1:1/shop",
		"SHOP_DATABASE_URL=postgres://shop:" + password + "%zz@127.0.0.1:1/shop",
		"SHOP_DATABASE_URL=postgres://shop:" + password + "@127.0.0.1:port/shop",
		"SHOP_DATABASE_URL=postgres://shop:" + password + "@127.0.0.1:1/shop?sslmode=sometimes&connect_timeout=x",
		"SHOP_DATABASE_URL=mysql://shop:" + password + "@127.0.0.1:1/shop",
		"SHOP_ORDERS_DATABASE_URL=postgres://shop:" + password + "@127.0.0.1:1/shop",
		"SHOP_BUS_URL=nats://shop:" + password + "@127.0.0.1:1",
		"SHOP_BUS_URL=amqp://shop:" + password + "@127.0.0.1:1",
		"SHOP_BUS_URL=kafka://shop:" + password + "@127.0.0.1:1",
		"SHOP_BUS_URL=carrier-pigeon://shop:" + password + "@127.0.0.1:1",
		"SHOP_CACHE_URL=redis://shop:" + password + "@127.0.0.1:port",
		"SHOP_SMTP_URL=smtp://shop:" + password + "@127.0.0.1:1?tls=none",
		"SHOP_ORDERS_URL=http://shop:" + password + "@127.0.0.1:1",
		"SHOP_JWT_JWKS_URL=http://shop:" + password + "@example.org/keys",
	} {
		t.Run(strings.ReplaceAll(setting, password, "***"), func(t *testing.T) {
			t.Parallel()
			asked := *s
			asked.t, asked.dir = t, t.TempDir()
			asked.environ = append(slices.Clone(s.environ), "SHOP_DATABASE_URL=sqlite:"+t.TempDir(), setting)
			r := asked.run("serve")
			require.Contains(t, []int{3, 4}, r.code, r.stderr)
			require.NotEmpty(t, r.stderr)
			require.Empty(t, revealed(r.stdout+r.stderr, secret))
		})
	}
}
