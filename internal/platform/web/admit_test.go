package web_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/web"
)

type admitInput struct {
	N    int `query:"n" minimum:"1" required:"true"`
	Body struct {
		Name string `json:"name"`
	}
}

// guarded are one operation for each of those who may call it.
func guarded(called *[]string) func(*web.Edge) {
	return func(e *web.Edge) {
		register := func(name string, public bool, roles ...auth.Role) {
			op := web.Op{Method: http.MethodPost, Path: "/guarded/" + name, ID: name, Public: public, Roles: roles}
			web.Register(e.API, op, func(ctx context.Context, _ *admitInput) (struct{}, error) {
				*called = append(*called, auth.From(ctx).String())
				return struct{}{}, nil
			})
		}
		register("open", true)
		register("known", false)
		register("staff", false, auth.Operator, auth.Service)
		register("operators", false, auth.Operator)
	}
}

func TestAnOperationIsForThoseItNames(t *testing.T) {
	var called []string
	s := open(t, guarded(&called))
	operator := func() []string {
		name, value := authtest.Header(auth.Principal{Role: auth.Operator, Subject: "o"})
		return []string{name, value}
	}()
	for _, c := range []struct {
		who     string
		headers []string
		want    map[string]int
	}{
		{"anonymous", authtest.AsNobody(), map[string]int{"open": 204, "known": 401, "staff": 401, "operators": 401}},
		{"customer:c", authtest.AsCustomer("c"), map[string]int{"open": 204, "known": 204, "staff": 403, "operators": 403}},
		{"service:test", authtest.AsService(), map[string]int{"open": 204, "known": 204, "staff": 204, "operators": 403}},
		{"operator:o", operator, map[string]int{"open": 204, "known": 204, "staff": 204, "operators": 204}},
	} {
		for name, status := range c.want {
			called = nil
			a := s.send(t, "POST", "/guarded/"+name+"?n=1", `{"name":"x"}`, c.headers...)
			switch status {
			case http.StatusUnauthorized:
				a.problem(t, status, "unauthorized")
				require.Equal(t, "Bearer", a.Header.Get("WWW-Authenticate"))
			case http.StatusForbidden:
				a.problem(t, status, "forbidden")
			default:
				require.Equal(t, status, a.StatusCode, "%s %s: %s", c.who, name, a.body)
				require.Equal(t, []string{c.who}, called)
				continue
			}
			require.Empty(t, called, "%s %s", c.who, name)
		}
	}
}

func TestWhoMayNotCallAnOperationLearnsNothingOfItsInput(t *testing.T) {
	var called []string
	s := open(t, guarded(&called))
	for _, body := range []string{"", "{", `{"nome":1}`} {
		s.send(t, "POST", "/guarded/operators?n=x", body, authtest.AsNobody()...).problem(t, 401, "unauthorized")
		s.send(t, "POST", "/guarded/operators", body, authtest.AsCustomer("c")...).problem(t, 403, "forbidden")
	}
	s.send(t, "POST", "/guarded/operators?n=0", `{"name":"x"}`).problem(t, 422, "invalid_input")
}

func TestTheDocumentSaysWhoMayCallAnOperation(t *testing.T) {
	d := open(t, guarded(new([]string))).document(t)
	bearer, optional := []map[string][]string{{"bearer": {}}}, []map[string][]string{{}, {"bearer": {}}}
	for name, want := range map[string]struct {
		security []map[string][]string
		roles    []string
		says     string
	}{
		"open":      {optional, nil, "Needs no token."},
		"known":     {bearer, nil, "Needs a token. A customer reaches only what is their own"},
		"staff":     {bearer, []string{"operator", "service"}, "Needs a token of the role `operator` or `service`."},
		"operators": {bearer, []string{"operator"}, "Needs a token of the role `operator`."},
	} {
		op := d.Paths["/guarded/"+name]["post"]
		require.Equal(t, want.security, op.Security, name)
		require.Equal(t, want.roles, op.Roles, name)
		require.Contains(t, op.Description, want.says, name)
		_, forbidden := op.Responses["403"]
		require.Equal(t, len(want.roles) > 0, forbidden, name)
		require.Contains(t, op.Responses, "401", name)
	}
}
