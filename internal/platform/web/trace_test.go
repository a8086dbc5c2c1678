package web_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

func TestAValidTraceparentIsContinuedAndAnyOtherReplaced(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	cases := map[string]bool{
		"00-" + id + "-00f067aa0ba902b7-01":       true,
		"00-" + id + "-00f067aa0ba902b7-00":       true,
		"cc-" + id + "-00f067aa0ba902b7-01-later": true,
		"":                                       false,
		"00-" + id + "-00f067aa0ba902b7-01-more": false,
		"ff-" + id + "-00f067aa0ba902b7-01":      false,
		"00-" + id + "-0000000000000000-01":      false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": false,
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01": false,
		"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01":  false,
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01": false,
		"00-" + id + "-00f067aa0ba902b7-0":                        false,
		"00_" + id + "_00f067aa0ba902b7_01":                       false,
		"00-" + id + "-00f067aa0ba902b7-01\t":                     true, // net/http trims
	}
	var parent string
	s := open(t, func(e *web.Edge) {
		e.Router.Get("/trace", func(w http.ResponseWriter, r *http.Request) {
			parent = telemetry.Traceparent(r.Context())
			_, _ = w.Write([]byte(web.TraceID(r.Context())))
		})
	})
	for header, valid := range cases {
		a := s.send(t, "GET", "/trace", "", "Traceparent", header)
		require.Regexp(t, "^[0-9a-f]{32}$", a.body, header)
		require.Equal(t, a.body, a.Header.Get("X-Request-Id"))
		require.Equal(t, valid, a.body == id, "%q gave %s", header, a.body)
		require.Regexp(t, "^00-"+a.body+"-[0-9a-f]{16}-0[01]$", parent)
		require.NotContains(t, parent, "00f067aa0ba902b7", "a call onward is a span of its own")
	}
	require.Empty(t, web.TraceID(context.Background()))
	require.Empty(t, telemetry.Traceparent(context.Background()))
	require.Nil(t, web.RequestBody(context.Background()))
}

func TestTheTraceOfTheTracerWins(t *testing.T) {
	edge := web.New(web.Options{
		Use: []func(http.Handler) http.Handler{authtest.Trust}, TraceID: func(context.Context) string { return "0af7651916cd43dd8448eb211c80319c" },
	})
	registerOperations(edge)
	s := serve(t, edge)
	p := s.send(t, "GET", "/v1/orders/ord_2", "").problem(t, 404, "not_found")
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", p.TraceID)
	require.Equal(t, "urn:shop:request:0af7651916cd43dd8448eb211c80319c", p.Instance)
}

func TestTheAccessLogTellsWhatHappenedAndNoSecrets(t *testing.T) {
	s := open(t)
	s.send(t, "GET", "/v1/orders/ord_1?token=hunter2", "", "Authorization", "Bearer hunter2")
	s.send(t, "POST", "/v1/orders", `{"items":[{"sku":"hunter2!","quantity":1}]}`).problem(t, 422, "invalid_input")
	logged := s.logs.FilterMessage("request").All()
	require.Len(t, logged, 2)
	require.Equal(t, "debug", logged[0].Level.String())
	m := logged[0].ContextMap()
	require.Equal(t, "GET", m["http.request.method"])
	require.Equal(t, "/v1/orders/{id}", m["http.route"])
	require.Equal(t, "/v1/orders/ord_1", m["url.path"])
	require.EqualValues(t, 200, m["http.response.status_code"])
	require.Positive(t, m["http.response.body.size"])
	require.Equal(t, "info", logged[1].Level.String())
	require.Equal(t, "invalid_input", logged[1].ContextMap()["error.type"])
	for _, l := range logged {
		for _, v := range l.ContextMap() {
			require.NotContains(t, fmt.Sprint(v), "hunter2")
		}
	}
}
