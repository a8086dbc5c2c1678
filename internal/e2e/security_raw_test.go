package e2e

import (
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dial opens a connection, to say what net/http would not.
func (f *fortress) dial() net.Conn {
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.front.URL, "http://"))
	require.NoError(f.t, err)
	require.NoError(f.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	f.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// answers sends bytes and reads all that comes back until the shop closes the connection.
func (f *fortress) answers(t *testing.T, text string) string {
	t.Helper()
	conn := f.dial()
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, text) // it may close before it has read everything
	b, err := io.ReadAll(conn)
	if len(b) == 0 {
		require.NoError(t, err, "the shop must close the connection")
	}
	return string(b)
}

// sendHeadersSlowly begins a request that never ends. The function that it returns requires that the shop hung up.
func (f *fortress) sendHeadersSlowly() func(t *testing.T) {
	conn := f.dial()
	_, err := io.WriteString(conn, "GET /v1/products HTTP/1.1\r\nHost: shop\r\nX-Slow")
	require.NoError(f.t, err)
	closed := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(conn)
		closed <- err
	}()
	return func(t *testing.T) { require.NoError(t, <-closed, "the shop must close the connection") }
}

// rawAttack is a request as bytes. Exactly one answer may come back: a second one would be to a request that was smuggled in.
type rawAttack struct {
	name, text string
	want       int
	lacks      string // what the answer must not contain
}

func (f *fortress) attackBelowHTTP(t *testing.T) {
	auth := func(who string) string { return "Host: shop\r\nAuthorization: Bearer " + f.issuer.of(who) + "\r\n" }
	get := func(who, path, headers string) string {
		return "GET " + f.fill.Replace(path) + " HTTP/1.1\r\n" + auth(who) + headers + "Connection: close\r\n\r\n"
	}
	inner := "GET /v1/orders HTTP/1.1\r\n" + auth("staff") + "\r\n"
	smuggle := func(headers, body string) string {
		return "POST /v1/orders HTTP/1.1\r\n" + auth("staff") + "Content-Type: application/json\r\nIdempotency-Key: s\r\n" + headers + "\r\n" + body + inner
	}
	const chunks = "0\r\n\r\n"
	attacks := []rawAttack{
		{"Content-Length, then chunked", smuggle("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunks), 400, ""},
		{"chunked, then Content-Length", smuggle("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunks), 400, ""},
		{"two lengths", smuggle("Content-Length: 5\r\nContent-Length: 6\r\n", chunks), 400, ""},
		{"two lengths on a line", smuggle("Content-Length: 5, 6\r\n", chunks), 400, ""},
		{"a length with a sign", smuggle("Content-Length: +5\r\n", chunks), 400, ""},
		{"a length below zero", smuggle("Content-Length: -5\r\n", chunks), 400, ""},
		{"chunked, twice", smuggle("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunks), 501, ""},
		{"a coding that is none", smuggle("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n", chunks), 501, ""},
		{"a space before the colon", smuggle("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", chunks), 400, ""},
		{"a chunk that is none", smuggle("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n"), 400, ""},
		{"a header of 64 KiB", get("ann", "/v1/orders", "X-Long: "+strings.Repeat("a", 64<<10)+"\r\n"), 431, ""},
		{"1,000 headers", get("ann", "/v1/orders", strings.Repeat("X-Header-Of-Some-Length: "+strings.Repeat("a", 30)+"\r\n", 1000)), 431, ""},
		{"a token of 100,000 dots", "GET /v1/orders HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer " + strings.Repeat(".", 100_000) + "\r\n\r\n", 431, ""},
		{"an address of 64 KiB", "GET /v1/orders?q=" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: shop\r\n\r\n", 431, ""},
		{"two Authorization headers", get("ann", "/v1/orders", "Authorization: Bearer "+f.issuer.of("staff")+"\r\n"), 401, ""},
		{"no host", "GET /v1/products HTTP/1.1\r\n\r\n", 400, ""},
		{"two hosts", get("ann", "/v1/orders", "Host: evil.example\r\n"), 400, "evil"},
		{"a forged host", "GET /v1/products HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n", 200, "evil"},
		{"a forged host in a page", strings.Replace(get("ann", "/v1/orders?limit=1", "X-Forwarded-Host: evil.example\r\n"), "Host: shop", "Host: evil.example", 1), 200, "evil"},
		{"a user's header that the connection names", "GET /v1/orders/" + f.order + " HTTP/1.1\r\nHost: shop\r\nX-User-Id: ann\r\nConnection: close, X-User-Id\r\n\r\n", 401, ""},
		{"another user's header that the connection names", strings.Replace(get("bob", "/v1/orders/{order}", "X-User-Id: ann\r\n"), "close", "close, X-User-Id, Authorization", 1), 404, ""},
		{"TRACE", "TRACE /v1/orders HTTP/1.1\r\n" + auth("ann") + "X-Secret: mirror\r\nConnection: close\r\n\r\n", 405, "mirror"},
		{"CONNECT", "CONNECT /v1/orders HTTP/1.1\r\n" + auth("ann") + "Connection: close\r\n\r\n", 405, ""},
		{"a line break in a header's value", get("ann", "/v1/orders", "X-Break: a\rSet-Cookie: x=1\r\n"), 400, "Set-Cookie"},
		{"NUL in a header's value", get("ann", "/v1/orders", "X-Null: a\x00b\r\n"), 400, ""},
		{"invalid UTF-8 in a header's value", get("ann", "/v1/orders", "X-Text: \xff\xfe\r\n"), 400, ""},
		{"a line break in an address", get("ann", "/v1/orders/x%0d%0aSet-Cookie:%20x=1", ""), 404, "Set-Cookie"},
		{"NUL in an address", get("ann", "/v1/orders/%00", ""), 400, ""},
		{"NUL in a query", get("ann", "/v1/products?q=%00", ""), 400, ""},
		{"invalid UTF-8 in an address", get("ann", "/v1/orders/%ff", ""), 400, ""},
		{"invalid UTF-8 in a query", get("ann", "/v1/products?q=%c0%af", ""), 400, ""},
		{"half a percent code", get("ann", "/v1/orders/%2", ""), 400, ""},
		{"half a percent code in a query", get("ann", "/v1/products?q=%zz", ""), 400, ""},
	}
	for _, path := range []string{
		"/v1/products/../orders", "/v1/products/%2e%2e/orders", "/v1/products/%2E%2E/orders", "/v1/products/.%2e/orders", "/v1/products/..%2forders", "/v1//orders", "//v1/orders",
		"/v1/orders//{order}", "/v1/orders/;/{order}", "/v1/orders;a=b/{order}", "/v1/orders/{order};a=b", "/v1/orders/%3b/{order}", "/v1/orders/.", "/v1/orders/..",
		"/v1/./orders", "/v1/orders/", `/v1\orders`, "/V1/orders", "/v1/Orders", "/v1/orders/{order}%2fevents", "/v1/orders/{order}/../{order}",
	} {
		attacks = append(attacks, rawAttack{"the path " + path, get("staff", path, ""), 404, f.order})
	}
	for _, at := range attacks {
		t.Run(at.name, func(t *testing.T) {
			got := f.answers(t, at.text)
			status := ""
			if parts := strings.SplitN(got, " ", 3); len(parts) > 1 {
				status = parts[1]
			}
			require.Equal(t, strconv.Itoa(at.want), status, got)
			require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "), "one answer, and the connection is closed: %s", got)
			if at.lacks != "" {
				require.NotContains(t, got, at.lacks)
			}
		})
	}
}

// What is no value stays text, or is refused.
func (f *fortress) attackByInjection(t *testing.T) {
	none := func(t *testing.T, a answer) { require.Empty(t, a.Body["data"], string(a.Raw)) }
	before := f.count(t)
	var attacks []attack
	for _, text := range []string{"'%20OR%20'1'='1", "'%3B%20DROP%20TABLE%20order_summaries%3B--", "1%20UNION%20SELECT%20data%20FROM%20events--", "$1", "%27%29%29%20OR%201=1--"} {
		attacks = append(attacks,
			attack{name: "SQL as an id " + text, who: "staff", method: "GET", path: "/v1/orders/" + text, want: 404},
			attack{name: "SQL as a customer's id " + text, who: "staff", method: "GET", path: "/v1/customers/" + text, want: 404},
			attack{name: "SQL as a customer " + text, who: "staff", method: "GET", path: "/v1/orders?customer_id=" + text, want: 200, check: none},
			attack{name: "SQL as an order " + text, who: "staff", method: "GET", path: "/v1/payments?order_id=" + text, want: 200, check: none},
			attack{name: "SQL as a status " + text, who: "staff", method: "GET", path: "/v1/orders?status=" + text, want: 422},
			attack{name: "SQL as a search " + text, method: "GET", path: "/v1/products?q=" + text, want: 200, check: none},
			attack{name: "SQL as a cursor " + text, who: "ann", method: "GET", path: "/v1/orders?after=" + text, want: 422, code: "invalid_cursor"},
			attack{name: "SQL as an address of mail " + text, who: "staff", method: "GET", path: "/v1/customers?email=" + text, want: 200, check: none},
		)
	}
	order := func(name, body string, want int) attack {
		return attack{name: name, who: "ann", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", "i " + name}, body: body, want: want}
	}
	whole := orderText(nil)
	f.run(t, append(attacks,
		attack{name: "wildcards are letters", method: "GET", path: "/v1/products?q=%25_%25", want: 200, check: none},
		attack{name: "SQL as a way to sort", who: "ann", method: "GET", path: "/v1/orders?sort=id%3BDROP%20TABLE%20events&order_by=1", want: 200},
		attack{name: "a cursor that was tampered with", who: "ann", method: "GET", path: "/v1/orders?after=b3JkX3h4", want: 200},
		attack{name: "a cursor with NUL", who: "ann", method: "GET", path: "/v1/orders?after=AAAA", want: 422, code: "invalid_cursor"},
		order("invalid UTF-8 in a body", strings.Replace(whole, "London", "\xff\xfe", 1), 400),
		order("an overlong slash in a body", strings.Replace(whole, "London", "\xc0\xaf", 1), 400),
		order("half a surrogate pair in a body", strings.Replace(whole, "London", `\ud800`, 1), 400),
		order("NUL in a body", strings.Replace(whole, "London", `\u0000`, 1), 400),
		order("a SKU that is a path", strings.Replace(whole, `"MUG"`, `"../MUG"`, 1), 422),
		order("an address of mail with a line break", strings.Replace(whole, `{`, `{"email":"a@example.org\r\nBcc: all@example.org",`, 1), 422),
		attack{name: "a key with a line break", who: "ann", method: "POST", path: "/v1/orders", headers: []string{"Idempotency-Key", "ké"}, body: whole, want: 400},
		attack{name: "a name of two lines", who: "ann", method: "PATCH", path: "/v1/customers/ann", body: `{"name":"Ann\r\nBcc: all@example.org"}`, want: 422},
		attack{name: "a script as a name stays text", who: "ann", method: "PATCH", path: "/v1/customers/ann", body: `{"name":"<script>alert(1)</script>"}`, want: 200,
			check: func(t *testing.T, a answer) {
				require.Equal(t, "application/json", a.Header.Get("Content-Type"))
				require.Equal(t, "<script>alert(1)</script>", a.Body["name"])
			}},
		attack{name: "a trace that is none", who: "ann", method: "GET", path: "/v1/orders", headers: []string{"Traceparent", "00-\"}{\"level\":\"fatal"}, want: 200},
	))
	require.Equal(t, before, f.count(t))
}
