package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/fault"
	"shop/internal/platform/web"
)

var statusOfKind = map[fault.Kind]int{
	fault.Malformed: 400, fault.Unauthorized: 401, fault.Forbidden: 403, fault.NotFound: 404, fault.Conflict: 409, fault.Gone: 410,
	fault.Precondition: 412, fault.Invalid: 422, fault.TooMany: 429, fault.Unavailable: 503,
}

func TestEachKindOfFaultHasItsStatusAndComesBackFromIt(t *testing.T) {
	for kind, status := range statusOfKind {
		f := fault.Wrap(errors.New("cause"), kind, "some_code", "what went wrong").With(fault.Field{Location: "body.a", Detail: "expected b"})
		p := web.ProblemOf(context.Background(), fmt.Errorf("context: %w", f))
		require.Equal(t, status, p.Status, kind)
		require.Equal(t, "urn:shop:problem:some_code", p.Type)
		require.Equal(t, "what went wrong", p.Detail)
		body, err := json.Marshal(p)
		require.NoError(t, err)
		require.NotContains(t, string(body), "cause")

		back := fault.FromProblem(status, nil, body)
		require.ErrorIs(t, back, f, "kind and code survive")
		require.Equal(t, f.Message, back.Message)
		require.Equal(t, f.Fields, back.Fields)
	}
	require.Equal(t, len(statusOfKind)+1, kinds(), "a new kind needs its status here")
}

// kinds counts the kinds of fault by their names.
func kinds() int {
	names := map[string]bool{}
	for k := range fault.Kind(100) {
		names[k.String()] = true
	}
	return len(names)
}

func TestAnAnswerThatIsNoProblemBecomesAFaultOfItsStatus(t *testing.T) {
	for status, kind := range map[int]fault.Kind{
		502: fault.Unavailable, 504: fault.Unavailable, 503: fault.Unavailable, 408: fault.Unavailable, 500: fault.Internal, 418: fault.Internal,
		404: fault.NotFound, 413: fault.Malformed, 429: fault.TooMany,
	} {
		for _, body := range []string{"", "<html>", "{}", `{"code":""}`, "null"} {
			require.Equal(t, kind, fault.KindOf(fault.FromProblem(status, nil, []byte(body))), "%d %s", status, body)
		}
	}
	require.Equal(t, fault.Internal, fault.KindOf(fault.FromProblem(500, nil, []byte(`{"code":"internal","status":500}`))))
}

func TestAContextThatRanOutIsUnavailable(t *testing.T) {
	for _, err := range []error{context.DeadlineExceeded, fmt.Errorf("asking: %w", context.Canceled)} {
		p := web.ProblemOf(context.Background(), err)
		require.Equal(t, 503, p.Status)
		require.Equal(t, "timeout", p.Code)
	}
}

func TestTooManyAndUnavailableSayWhenToComeBack(t *testing.T) {
	s := open(t, func(e *web.Edge) {
		e.Router.Get("/busy", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "30")
			web.WriteProblem(w, r, fault.New(fault.TooMany, "rate_limited", "slow down"))
		})
		e.Router.Get("/down", func(w http.ResponseWriter, r *http.Request) {
			web.WriteProblem(w, r, fault.New(fault.Unavailable, "database_down", "try again"))
		})
		e.Router.Get("/open", func(w http.ResponseWriter, r *http.Request) {
			f := fault.New(fault.Unavailable, "payments_unavailable", "try again")
			f.RetryAfter = 11*time.Second + time.Millisecond
			web.WriteProblem(w, r, fmt.Errorf("asking: %w", f))
		})
	})
	busy := s.send(t, "GET", "/busy", "")
	busy.problem(t, 429, "rate_limited")
	require.Equal(t, "30", busy.Header.Get("Retry-After"))
	down := s.send(t, "GET", "/down", "")
	down.problem(t, 503, "database_down")
	require.Equal(t, "1", down.Header.Get("Retry-After"))
	open := s.send(t, "GET", "/open", "")
	open.problem(t, 503, "payments_unavailable")
	require.Equal(t, "12", open.Header.Get("Retry-After"), "rounded up")
	require.Equal(t, 12*time.Second, fault.FromProblem(503, open.Header, []byte(open.body)).RetryAfter, "it survives the wire")
}

func TestParametersAreRefusedByNameWithoutTheirValue(t *testing.T) {
	s := open(t)
	for query, field := range map[string]web.ProblemField{
		"limit=1000000000":           {Location: "query.limit", Detail: "expected number <= 200"},
		"limit=0":                    {Location: "query.limit", Detail: "expected number >= 1"},
		"limit=-1":                   {Location: "query.limit", Detail: "expected number >= 1"},
		"limit=hunter2":              {Location: "query.limit", Detail: "invalid integer"},
		"limit=99999999999999999999": {Location: "query.limit", Detail: "invalid integer"},
		"status=hunter2":             {Location: "query.status", Detail: `expected value to be one of "pending, confirmed"`},
		"status=x'%20OR%20'1'='1":    {Location: "query.status", Detail: `expected value to be one of "pending, confirmed"`},
		"after=hunter2":              {Location: "query.after", Detail: "expected next_cursor of an earlier page"},
	} {
		a := s.send(t, "GET", "/v1/orders?"+query, "")
		code := "invalid_input"
		if field.Location == "query.after" {
			code = "invalid_cursor"
		}
		require.Equal(t, []web.ProblemField{field}, a.problem(t, 422, code).Errors)
		require.NotContains(t, a.body, "hunter2")
	}
}

func TestBodiesAreRefusedOverTheWire(t *testing.T) {
	s := open(t)
	good := `"items":[{"sku":"SKU-1","quantity":1}]`
	for body, want := range map[string]struct {
		status int
		code   string
	}{
		`{` + good:                                               {400, "malformed_json"},
		`{` + good + `} {}`:                                      {400, "malformed_json"},
		`{` + good + `,` + good + `}`:                            {400, "duplicate_key"},
		`{` + good + `,"price":1}`:                               {422, "unknown_field"},
		`{` + good + `,"status":"paid"}`:                         {422, "unknown_field"},
		`{` + good + `,"Email":"a@b.c"}`:                         {422, "unknown_field"},
		`{"Items":[]}`:                                           {422, "unknown_field"},
		`{"items":[]}`:                                           {422, "invalid_input"},
		`{"items":[{"sku":"S","quantity":0}]}`:                   {422, "invalid_input"},
		`{"items":[{"sku":"S","quantity":-1}]}`:                  {422, "invalid_input"},
		`{"items":[{"sku":"S","quantity":1.5}]}`:                 {422, "invalid_input"},
		`{"items":[{"sku":"S","quantity":10001}]}`:               {422, "invalid_input"},
		`{"items":[{"sku":"S","quantity":9223372036854775808}]}`: {422, "invalid_input"},
		`{"items":[{"sku":"S'; --","quantity":1}]}`:              {422, "invalid_input"},
		`[]`: {422, "invalid_input"},
	} {
		s.send(t, "POST", "/v1/orders", body).problem(t, want.status, want.code)
	}
}

type plainInput struct {
	Body struct {
		Name string `json:"name" maxLength:"5"`
	}
}

func TestAnOperationRegisteredWithHumaItselfIsAsStrict(t *testing.T) {
	s := open(t, func(e *web.Edge) {
		huma.Register(e.API, huma.Operation{Method: http.MethodPost, Path: "/plain", OperationID: "plain"}, func(ctx context.Context, in *plainInput) (*struct{}, error) {
			if in.Body.Name == "fault" {
				return nil, fault.New(fault.Conflict, "taken", "the name is taken")
			}
			return nil, errors.New("secret")
		})
	})
	s.send(t, "POST", "/plain", `{"name":"fault"}`).problem(t, 409, "taken")
	require.NotContains(t, s.send(t, "POST", "/plain", `{"name":"x"}`).body, "secret")
	s.send(t, "POST", "/plain", `{"name":"a","name":"b"}`).problem(t, 400, "malformed_json")
	s.send(t, "POST", "/plain", `{"name":"hunter2"}`).problem(t, 422, "invalid_input")
	s.send(t, "POST", "/plain", `{"Name":"a"}`).problem(t, 422, "invalid_input")
	require.NotContains(t, s.send(t, "POST", "/plain", `{"name":"hunter2"}`).body, "hunter2")
	require.NotContains(t, s.send(t, "POST", "/plain", `hunter2`).body, "hunter2")
}
