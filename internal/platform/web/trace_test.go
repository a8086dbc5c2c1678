package web_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

func TestTheTraceOfARequestIsThatOfItsCallerOrANewOne(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	var parent, begun string
	s := open(t, func(e *web.Edge) {
		e.Router.Get("/trace", func(_ http.ResponseWriter, r *http.Request) {
			parent, begun = telemetry.Traceparent(r.Context()), web.TraceBegun(r.Context())
		})
	})
	for header, valid := range map[string]bool{
		"00-" + id + "-00f067aa0ba902b7-01":   true,
		"00-" + id + "-00f067aa0ba902b7-01\t": true, // net/http trims
		"00-" + id + "-0000000000000000-01":   false,
		"":                                    false,
	} {
		named := s.send(t, "GET", "/trace", "", "Traceparent", header).Header.Get("X-Request-Id")
		require.Equal(t, valid, named == id, "%q gave %s", header, named)
		require.Regexp(t, "^00-"+named+"-[0-9a-f]{16}-0[01]$", parent)
		require.NotContains(t, parent, "00f067aa0ba902b7", "a call onward is a span of its own")
		require.Equal(t, !valid, begun == named, begun)
		require.Equal(t, valid, begun == "", begun)
	}
	require.Nil(t, web.RequestBody(t.Context()))
	require.Empty(t, web.TraceBegun(t.Context()))
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
	require.Equal(t, "/v1/orders/*", m["url.path"])
	require.Equal(t, "127.0.0.0/24", m["client.address"])
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
