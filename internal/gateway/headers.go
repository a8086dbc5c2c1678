package gateway

import (
	"net/http"
	"slices"
	"strings"

	"shop/internal/platform/telemetry"
)

// requestHeaders are those that a context elsewhere gets from the client. All others stay here: among them whatever a context could take for the word of somebody it trusts,
// such as X-User-Id, X-Forwarded-For, X-Real-Ip, Forwarded, X-Request-Id or X-Http-Method-Override, and what concerns only the connection. An operation that reads
// another header needs it here.
var requestHeaders = []string{
	"Accept", "Accept-Language", "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "Prefer", "User-Agent",
}

// via is how a gateway signs what it passes on (RFC 9110, 7.6.3), and maxHops how many signatures are no mistake yet: of two processes that lead to each other.
const (
	via     = "1.1 shop"
	maxHops = 3
)

func goesInCircles(h http.Header) bool {
	hops := 0
	for _, line := range h["Via"] {
		hops += strings.Count(line, via)
	}
	return hops > maxHops
}

// forward makes the headers of the request to a context elsewhere: the client's that may pass, where it comes from, and the trace it belongs to.
func (m *Module) forward(in *http.Request) http.Header {
	out := make(http.Header, len(requestHeaders)+2)
	for _, name := range requestHeaders {
		if values := in.Header[name]; len(values) > 0 {
			out[name] = slices.Clone(values)
		}
	}
	if _, ok := out["User-Agent"]; !ok {
		out["User-Agent"] = []string{""} // else net/http invents one
	}
	if from := m.needs.Client(in); from.IsValid() {
		out.Set("X-Forwarded-For", from.String())
	}
	out["Via"] = append(slices.Clone(in.Header["Via"]), via)
	if trace := telemetry.Traceparent(in.Context()); trace != "" {
		out.Set("Traceparent", trace)
	}
	return out
}

// innerHeaders are what an answer says about the machine it comes from, or to a browser about this address: nobody's business, or ours.
var innerHeaders = []string{"Server", "X-Powered-By", "Via", "Alt-Svc", "Set-Cookie", "Strict-Transport-Security", "Date", "Traceparent", "Tracestate"}

// back takes out of an answer what the client does not get. What this process says itself already, it says alone: the context elsewhere knows neither how often this client
// has asked here nor who watches over the headers of security. Only how long the answer may be kept is for the context to say.
func back(answer, ours http.Header) {
	for _, name := range innerHeaders {
		answer.Del(name)
	}
	if answer.Get("Cache-Control") != "" {
		ours.Del("Cache-Control")
	}
	for name := range ours {
		answer.Del(name)
	}
}
