package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/fault"
	"shop/internal/platform/money"
	"shop/internal/platform/web"
)

// The operations of the tests: a small shop of its own.

type item struct {
	SKU      string `json:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$" example:"SKU-1"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"10000" example:"2"`
}

type order struct {
	ID     string      `json:"id" example:"ord_1"`
	Status string      `json:"status" enum:"pending,confirmed" example:"confirmed"`
	Note   string      `json:"note,omitempty"`
	Items  []item      `json:"items"`
	Total  money.Money `json:"total"`
	At     time.Time   `json:"at"`
}

type placeBody struct {
	Items    []item            `json:"items" minItems:"1" maxItems:"100"`
	Email    string            `json:"email,omitempty" format:"email"`
	Note     string            `json:"note,omitempty" maxLength:"20"`
	Expected *money.Money      `json:"expected_total,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty" maxProperties:"3"`
}

type placeInput struct {
	Prefer string `header:"Prefer"`
	Body   placeBody
}

type idInput struct {
	ID string `path:"id" pattern:"^ord_[0-9a-z]+$" example:"ord_1"`
}

type listInput struct {
	web.PageParams
	Status string `query:"status" enum:"pending,confirmed"`
}

type cancelInput struct {
	ID   string `path:"id"`
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"100"`
	}
}

type shop struct {
	*httptest.Server
	edge    *web.Edge
	logs    *observer.ObservedLogs
	metrics *prometheus.Registry
}

// open serves the operations over TCP.
func open(t *testing.T, register ...func(*web.Edge)) *shop {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	registry := prometheus.NewRegistry()
	edge := web.New(web.Options{Title: "shop", Version: "test", Logger: zap.New(core), Metrics: registry, Use: []func(http.Handler) http.Handler{authtest.Trust}})
	registerOperations(edge)
	for _, r := range register {
		r(edge)
	}
	s := serve(t, edge)
	s.logs, s.metrics = logs, registry
	return s
}

func serve(t testing.TB, edge *web.Edge, configure ...func(*http.Server)) *shop {
	t.Helper()
	s := &shop{Server: httptest.NewUnstartedServer(nil), edge: edge}
	s.Config = edge.Server("")
	for _, c := range configure {
		c(s.Config)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

var at = web.Time(1795348800123456)

func registerOperations(e *web.Edge) {
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/orders", ID: "place-order", Summary: "Place an order", Tags: []string{"Orders"},
		Status: http.StatusCreated, Returns: order{}, Errors: []int{http.StatusConflict},
		Also: []int{http.StatusOK, http.StatusNotModified}, Headers: map[string]string{"Location": "Where the order is"},
	}, func(ctx context.Context, in *placeInput) (web.Raw, error) {
		o := order{ID: "ord_1", Status: "confirmed", Note: in.Body.Note, Items: in.Body.Items, Total: money.Money{Amount: 1999, Currency: "EUR"}, At: at}
		raw, err := web.JSON(http.StatusCreated, o)
		return raw.With("Location", "/v1/orders/ord_1").With("ETag", web.ETag(1)), err
	})
	web.Register(e.API, web.Op{Method: http.MethodGet, Path: "/v1/orders/{id}", ID: "get-order", Summary: "Get an order"},
		func(ctx context.Context, in *idInput) (order, error) {
			switch in.ID {
			case "ord_1":
				return order{ID: in.ID, Status: "pending", Note: "<b>&", Items: []item{}, Total: money.Money{Amount: 5, Currency: "EUR"}, At: at}, nil
			case "ord_panic":
				panic("secret of the panic")
			case "ord_broken":
				return order{}, errors.New("secret of the error")
			case "ord_internal":
				return order{}, fault.Wrap(errors.New("secret cause"), fault.Internal, "secret_code", "secret message")
			case "ord_slow":
				<-ctx.Done()
				return order{}, ctx.Err()
			}
			return order{}, fault.New(fault.NotFound, "not_found", "there is no such order")
		})
	web.Register(e.API, web.Op{Method: http.MethodGet, Path: "/v1/orders", ID: "list-orders", Summary: "List orders", Public: true},
		func(ctx context.Context, in *listInput) (web.Page[item], error) {
			after, err := web.ParseCursor(in.After, 1)
			if err != nil {
				return web.Page[item]{}, err
			}
			rows := []item{{"a", 1}, {"b", 2}, {"c", 3}}
			for after != nil && len(rows) > 0 && rows[0].SKU <= after[0] {
				rows = rows[1:]
			}
			if len(rows) > in.Limit+1 {
				rows = rows[:in.Limit+1]
			}
			return web.NewPage(rows, in.Limit, func(i item) string { return web.Cursor(i.SKU) }), nil
		})
	web.Register(e.API, web.Op{Method: http.MethodPost, Path: "/v1/orders/{id}/cancel", ID: "cancel-order", Summary: "Cancel", Timeout: 50 * time.Millisecond},
		func(ctx context.Context, in *cancelInput) (struct{}, error) {
			if in.ID == "ord_slow" {
				<-ctx.Done()
				return struct{}{}, ctx.Err()
			}
			if in.Body != nil && in.Body.Reason == "echo" {
				return struct{}{}, fault.New(fault.Conflict, "not_cancellable", string(web.RequestBody(ctx)))
			}
			return struct{}{}, nil
		})
}

// answer is a response whose body is read.
type answer struct {
	*http.Response
	body string
}

func (s *shop) send(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, s.URL+path, reader)
	require.NoError(t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.Client().Transport.RoundTrip(r) // no redirects
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res, string(b)}
}

// is requires the answer to be this, byte for byte.
func (a answer) is(t *testing.T, status int, body string) {
	t.Helper()
	require.Equal(t, status, a.StatusCode, a.body)
	require.Equal(t, body, a.body)
}

// problem requires the answer to be a problem with status and code, and returns it.
func (a answer) problem(t *testing.T, status int, code string) web.Problem {
	t.Helper()
	require.Equal(t, status, a.StatusCode, a.body)
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	var p web.Problem
	d := json.NewDecoder(bytes.NewReader([]byte(a.body)))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&p))
	require.Equal(t, status, p.Status)
	require.Equal(t, code, p.Code, a.body)
	require.NotEmpty(t, p.Title)
	require.Equal(t, a.Header.Get("X-Request-Id"), p.TraceID)
	return p
}

const goodOrder = `{"items":[{"sku":"SKU-1","quantity":2}],"email":"ada@example.com","note":"hello"}`

func TestAnOrderIsAnsweredAsTheHandlerMadeIt(t *testing.T) {
	s := open(t)
	a := s.send(t, "POST", "/v1/orders", goodOrder)
	a.is(t, http.StatusCreated, `{"id":"ord_1","status":"confirmed","note":"hello","items":[{"sku":"SKU-1","quantity":2}],`+
		`"total":{"amount":1999,"currency":"EUR"},"at":"2026-11-22T12:00:00.123456Z"}`)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	require.Equal(t, "/v1/orders/ord_1", a.Header.Get("Location"))
	require.Equal(t, `"1"`, a.Header.Get("ETag"))
	require.EqualValues(t, len(a.body), a.ContentLength)
}

func TestAStructIsAnsweredCompactAndWithoutHTMLEscapes(t *testing.T) {
	a := open(t).send(t, "GET", "/v1/orders/ord_1", "")
	a.is(t, http.StatusOK, `{"id":"ord_1","status":"pending","note":"<b>&","items":[],"total":{"amount":5,"currency":"EUR"},"at":"2026-11-22T12:00:00.123456Z"}`)
}

func TestAnAnswerWithoutABodyIs204(t *testing.T) {
	s := open(t)
	require.Equal(t, 204, s.send(t, "POST", "/v1/orders/ord_1/cancel", "").StatusCode)
	require.Equal(t, 204, s.send(t, "POST", "/v1/orders/ord_1/cancel", `{"reason":"late"}`).StatusCode)
}

func TestTheHandlerSeesTheBodyAsItWasSent(t *testing.T) {
	body := ` { "reason" : "echo" } `
	p := open(t).send(t, "POST", "/v1/orders/ord_1/cancel", body).problem(t, 409, "not_cancellable")
	require.Equal(t, body, p.Detail)
}

func TestAnUnknownErrorIsA500ThatHidesIt(t *testing.T) {
	for _, id := range []string{"ord_broken", "ord_internal", "ord_panic"} {
		s := open(t)
		a := s.send(t, "GET", "/v1/orders/"+id, "")
		p := a.problem(t, 500, "internal")
		require.Empty(t, p.Detail)
		require.NotContains(t, a.body, "secret")
		logged := s.logs.FilterMessage("request").All()
		require.Len(t, logged, 1)
		require.Equal(t, zapcore.ErrorLevel, logged[0].Level)
		require.Contains(t, logged[0].ContextMap()["error"], "secret")
		require.Equal(t, p.TraceID, logged[0].ContextMap()["trace_id"])
	}
}

func TestAPanicIsLoggedWithItsStackAndTheServerGoesOn(t *testing.T) {
	s := open(t)
	s.send(t, "GET", "/v1/orders/ord_panic", "").problem(t, 500, "internal")
	logged := s.logs.FilterMessage("panic").All()
	require.Len(t, logged, 1)
	require.Contains(t, logged[0].ContextMap()["stack"], "registerOperations")
	require.Equal(t, 200, s.send(t, "GET", "/v1/orders/ord_1", "").StatusCode)
}

func TestAHandlerThatRunsOutOfTimeIsA503(t *testing.T) {
	s := open(t)
	a := s.send(t, "POST", "/v1/orders/ord_slow/cancel", "")
	a.problem(t, 503, "timeout")
	require.Equal(t, "1", a.Header.Get("Retry-After"))
}

func TestUnknownAddressesAndMethodsAreProblems(t *testing.T) {
	s := open(t)
	for _, path := range []string{"/nothing", "/v1/orders/", "//v1/orders", "/v1//orders", "/v1/orders/ord_1/../x", "/v1/orders;x=1", "/v1/orders/%2e%2e", "/v1/%2e%2e/v1/orders"} {
		a := s.send(t, "GET", path, "")
		require.Equal(t, 404, a.StatusCode, "%s: %s", path, a.body)
		a.problem(t, 404, "not_found")
	}
	a := s.send(t, "DELETE", "/v1/orders", "")
	a.problem(t, 405, "method_not_allowed")
	require.Equal(t, []string{"GET", "HEAD", "POST"}, a.Header.Values("Allow"))
	for _, method := range []string{"TRACE", "PROPFIND", "OPTIONS", "CONNECTED"} {
		s.send(t, method, "/v1/orders/ord_1", "").problem(t, 405, "method_not_allowed")
		s.send(t, method, "/nothing", "").problem(t, 404, "not_found")
	}
}

func TestAMethodOverrideIsIgnored(t *testing.T) {
	s := open(t)
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		a := s.send(t, "GET", "/v1/orders/ord_1", "", header, "DELETE")
		require.Equal(t, 200, a.StatusCode)
	}
	require.Equal(t, 201, s.send(t, "POST", "/v1/orders?_method=DELETE", goodOrder).StatusCode)
}

func TestHEADIsGETWithoutABody(t *testing.T) {
	s := open(t)
	a := s.send(t, "HEAD", "/v1/orders/ord_1", "")
	require.Equal(t, 200, a.StatusCode)
	require.Empty(t, a.body)
	require.Positive(t, a.ContentLength)
	require.Equal(t, 404, s.send(t, "HEAD", "/v1/orders/ord_2", "").StatusCode)
}

func TestAPathThatCannotNameAnythingIs404(t *testing.T) {
	s := open(t, func(e *web.Edge) {
		web.Register(e.API, web.Op{Method: http.MethodPut, Path: "/v1/products/{sku}", ID: "put-product"},
			func(ctx context.Context, in *struct {
				SKU string `path:"sku" pattern:"^[A-Z]+$"`
			}) (struct{}, error) {
				return struct{}{}, nil
			})
	})
	for _, id := range []string{"1%27%20OR%201=1", "x", "ORD_1", "ord_%F0%9F%98%80"} {
		s.send(t, "GET", "/v1/orders/"+id, "").problem(t, 404, "not_found")
	}
	p := s.send(t, "PUT", "/v1/products/lower", "").problem(t, 422, "invalid_input")
	require.Equal(t, []web.ProblemField{{Location: "path.sku", Detail: "expected string to match pattern ^[A-Z]+$"}}, p.Errors)
	require.Equal(t, 204, s.send(t, "PUT", "/v1/products/UPPER", "").StatusCode)
}

func TestTextThatADatabaseCannotStoreIsRefusedAtTheDoor(t *testing.T) {
	s := open(t)
	for _, path := range []string{"/v1/orders/ord_%00", "/v1/orders/ord_%ff", "/v1/orders?after=%00", "/v1/orders?after=a%ff", "/v1/orders?after=%zz", "/v1/orders?%00=1"} {
		s.send(t, "GET", path, "").problem(t, 400, "malformed_url")
	}
	s.send(t, "GET", "/v1/orders/ord_1", "", "Prefer", "\xff").problem(t, 400, "malformed_header")
}

func TestACodedBodyIs415(t *testing.T) {
	s := open(t)
	for _, coding := range []string{"gzip", "br", "identity"} {
		s.send(t, "POST", "/v1/orders", goodOrder, "Content-Encoding", coding).problem(t, 415, "unsupported_encoding")
	}
}

func TestABodyThatIsNotJSONIs415(t *testing.T) {
	s := open(t)
	for _, mediaType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "application/jsonp", "json"} {
		s.send(t, "POST", "/v1/orders", goodOrder, "Content-Type", mediaType).problem(t, 415, "unsupported_media_type")
	}
	for _, mediaType := range []string{"application/json; charset=utf-8", "Application/JSON", "application/vnd.shop+json"} {
		require.Equal(t, 201, s.send(t, "POST", "/v1/orders", goodOrder, "Content-Type", mediaType).StatusCode, mediaType)
	}
}

func TestABodyOverTheLimitIs413(t *testing.T) {
	s := open(t)
	exact := goodOrder + strings.Repeat(" ", 1<<20-len(goodOrder))
	require.Equal(t, 201, s.send(t, "POST", "/v1/orders", exact).StatusCode)
	s.send(t, "POST", "/v1/orders", exact+" ").problem(t, 413, "body_too_large")

	// Chunked, the length is not known before the limit is reached.
	r, err := http.NewRequest(http.MethodPost, s.URL+"/v1/orders", io.MultiReader(strings.NewReader(exact), strings.NewReader(" ")))
	require.NoError(t, err)
	require.EqualValues(t, 0, r.ContentLength)
	r.Header.Set("Content-Type", "application/json")
	res, err := s.Client().Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 413, res.StatusCode)
}

func TestAMissingBodyIs400(t *testing.T) {
	open(t).send(t, "POST", "/v1/orders", "").problem(t, 400, "body_required")
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	s := open(t)
	for _, path := range []string{"/v1/orders/ord_1", "/nothing", "/openapi.json", "/livez"} {
		h := s.send(t, "GET", path, "").Header
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"), path)
		require.Empty(t, h.Get("Access-Control-Allow-Origin"), path)
		require.Empty(t, h.Get("Server"), path)
	}
	require.Equal(t, "no-store", s.send(t, "GET", "/v1/orders/ord_1", "", "Origin", "null").Header.Get("Cache-Control"))
}

func TestAnAuthenticationMiddlewareRunsAroundOperationsAlone(t *testing.T) {
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			web.WriteProblem(w, r, fault.New(fault.Unauthorized, "no_token", "who are you?"))
		})
	}}})
	registerOperations(edge)
	s := serve(t, edge)
	a := s.send(t, "GET", "/v1/orders/ord_1", "")
	a.problem(t, 401, "no_token")
	require.Equal(t, "Bearer", a.Header.Get("WWW-Authenticate"))
	require.Equal(t, 200, s.send(t, "GET", "/livez", "").StatusCode)
	require.Equal(t, 200, s.send(t, "GET", "/openapi.json", "").StatusCode)
}

func TestADeprecatedOperationAnnouncesItsEnd(t *testing.T) {
	s := open(t, func(e *web.Edge) {
		web.Register(e.API, web.Op{Method: http.MethodGet, Path: "/v0/orders", ID: "old-orders", Deprecated: &web.Deprecation{
			Since: time.Unix(1700000000, 0), Sunset: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), Link: "/docs",
		}}, func(ctx context.Context, in *listInput) (web.Page[item], error) {
			return web.NewPage([]item{{"a", 1}, {"b", 2}}, 1, func(i item) string { return web.Cursor(i.SKU) }), nil
		})
	})
	h := s.send(t, "GET", "/v0/orders", "").Header
	require.Equal(t, "@1700000000", h.Get("Deprecation"))
	require.Equal(t, "Sat, 02 Jan 2027 03:04:05 GMT", h.Get("Sunset"))
	require.Equal(t, []string{`</docs>; rel="deprecation"`, `</v0/orders?after=YQ>; rel="next"`}, h.Values("Link"))
	require.Empty(t, s.send(t, "GET", "/v1/orders", "").Header.Get("Deprecation"))
}

func TestADocumentOfAnotherIsServedBesideOurs(t *testing.T) {
	s := open(t, func(e *web.Edge) { e.Document("/asyncapi.json", "application/json", []byte(`{"asyncapi":"3.0.0"}`)) })
	a := s.send(t, "GET", "/asyncapi.json", "")
	a.is(t, http.StatusOK, `{"asyncapi":"3.0.0"}`)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	require.NotEmpty(t, a.Header.Get("ETag"))
}
