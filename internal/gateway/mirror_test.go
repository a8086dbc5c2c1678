package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
	"shop/internal/platform/web"
)

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (b *both) mirrored(result string) int {
	b.t.Helper()
	return b.metric("shop_mirrored_requests_total", "orders", result)
}

const (
	mirrorHere  = `{"route.orders": {"percent": 0, "mirror": true, "ignore": ["updated_at", "items[].seen"]}}` // what is answered here is mirrored there
	mirrorThere = `{"route.orders": {"percent": 100, "mirror": true, "ignore": ["updated_at", "items[].seen"]}}`
)

func TestDifferencesOfAMirroredReadAreCountedByTheirKindAndNamedWithoutTheirValues(t *testing.T) {
	for name, c := range map[string]struct {
		here, there http.HandlerFunc
		result      string
		fields      string
	}{
		"the same in another order":  {answers(200, `{"a":1,"b":[1,2]}`), answers(200, ` {"b": [1,2], "a": 1}`), "same", ""},
		"what is ignored":            {answers(200, `{"updated_at":"x","items":[{"seen":1,"sku":"a"}],"data":{"updated_at":1}}`), answers(200, `{"items":[{"seen":2,"sku":"a"}],"data":{"updated_at":2}}`), "same", ""},
		"another value":              {answers(200, `{"name":"Ann Secret","total":9007199254740993}`), answers(200, `{"name":"Bob Secret","total":9007199254740992}`), "body", "[name total]"},
		"in a list":                  {answers(200, `{"items":[{"sku":"a"},{"sku":"b"}]}`), answers(200, `{"items":[{"sku":"a"},{"sku":"c"}]}`), "body", "[items[].sku]"},
		"a longer list":              {answers(200, `{"items":[1]}`), answers(200, `{"items":[1,2]}`), "body", "[items[]]"},
		"a field that is not there":  {answers(200, `{"a":{"b":null}}`), answers(200, `{"a":{}}`), "body", "[a.b]"},
		"another type":               {answers(200, `{"a":[1]}`), answers(200, `{"a":{"0":1}}`), "body", "[a]"},
		"what a customer has named":  {answers(200, `{"metadata":{"ann@secret.example":1},"x":{"Secret Street":1}}`), answers(200, `{"metadata":{},"x":{}}`), "body", "[metadata x.*]"},
		"no JSON":                    {answers(200, `Secret`), answers(200, `{}`), "body", "[(body)]"},
		"another status":             {answers(200, `{}`), answers(404, `{}`), "status", ""},
		"problems of other requests": {answers(404, `{"code":"x","trace_id":"1","instance":"2"}`), answers(404, `{"code":"x","trace_id":"3"}`), "same", ""},
		"a long one":                 {answers(200, strings.Repeat("x", 1<<20+1)), answers(200, strings.Repeat("y", 1<<20+1)), "too_long", ""},
	} {
		for where, text := range map[string]string{"answered here": mirrorHere, "answered there": mirrorThere} {
			t.Run(name+", "+where, func(t *testing.T) {
				b := share(t, text, c.here, c.there)
				b.send("GET", "/v1/orders?customer=secret", "")
				b.eventually("it is compared", func() bool { return b.mirrored(c.result) == 1 })
				said := fmt.Sprint(b.log.FilterLevelExact(zap.WarnLevel).All())
				require.NotContains(t, strings.ToLower(said), "secret", "nothing that anybody has written")
				if c.fields != "" {
					lines := b.log.FilterMessage("the two places of a context answer differently").All()
					require.Len(t, lines, 1)
					require.Equal(t, c.fields, fmt.Sprint(lines[0].ContextMap()["fields"]))
					require.Equal(t, "/v1/orders", lines[0].ContextMap()["http.route"])
				}
			})
		}
	}
}

func TestTheClientGetsTheAnswerOfTheSideThatTheFlagSaysAndWaitsForNoOther(t *testing.T) {
	release := make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		says("slow")(w, r)
	}
	b := share(t, mirrorHere, says("here"), slow)
	require.Equal(t, "here", b.send("GET", "/v1/orders", "").text)
	other := share(t, mirrorThere, slow, says("there"))
	require.Equal(t, "there", other.send("GET", "/v1/orders", "").text)
	close(release)
	b.eventually("compared", func() bool { return b.mirrored("body") == 1 && other.mirrored("body") == 1 })
}

func TestAMirroredRequestIsAskedAsTheOneThatIsAnswered(t *testing.T) {
	type seen struct{ uri, token string }
	var mu sync.Mutex
	var all []seen
	note := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		all = append(all, seen{uri: r.URL.RequestURI(), token: r.Header.Get("Authorization")})
		mu.Unlock()
		answers(200, `{}`)(w, r)
	}
	var who []string
	here := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		who = append(who, auth.From(r.Context()).String())
		mu.Unlock()
		note(w, r)
	}
	for _, text := range []string{mirrorHere, mirrorThere} {
		b := share(t, text, here, note)
		b.send("GET", "/v1/orders/"+orderID(1)+"?a=b&c=%26", "", "Authorization", "Bearer x", "Role", "customer", "Subject", "ann")
		b.eventually("compared", func() bool { return b.mirrored("same") == 1 })
	}
	want := seen{uri: "/v1/orders/" + orderID(1) + "?a=b&c=%26", token: "Bearer x"}
	require.Equal(t, []seen{want, want, want, want}, all)
	require.Equal(t, []string{"customer:ann", "customer:ann"}, who)
}

func TestOnlyReadsThatDoNotWaitAreMirrored(t *testing.T) {
	for _, text := range []string{mirrorHere, mirrorThere} {
		var here, there atomic.Int64
		count := func(n *atomic.Int64) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				answers(200, `{}`)(w, r)
			}
		}
		b := share(t, text, count(&here), count(&there))
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "HEAD"} {
			b.send(method, "/v1/orders", "{}")
		}
		b.send("GET", "/v1/orders", "", "Prefer", "wait=1")
		require.EqualValues(t, 6, here.Load()+there.Load(), "each once")
		b.send("GET", "/v1/orders", "")
		b.eventually("one is mirrored", func() bool { return here.Load()+there.Load() == 8 })
		b.flag(strings.Replace(text, `"mirror": true`, `"mirror": true, "kill": true`, 1))
		b.eventually("killed", func() bool { r, _ := b.flags.Rollout("route.orders"); return r.Kill })
		before := there.Load()
		b.send("GET", "/v1/orders", "")
		require.Equal(t, before, there.Load(), "the kill switch ends it")
	}
}

func TestWhatIsMirroredIsBoundedAndTheRestIsDropped(t *testing.T) {
	release := make(chan struct{})
	var under, most atomic.Int64
	b := share(t, mirrorHere, answers(200, `{}`), func(w http.ResponseWriter, r *http.Request) {
		if n := under.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer under.Add(-1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		answers(200, `{}`)(w, r)
	})
	const places, requests = 32, 50
	for range requests {
		require.Equal(t, http.StatusOK, b.send("GET", "/v1/orders", "").StatusCode)
	}
	require.Equal(t, requests-places, b.mirrored("dropped"))
	close(release)
	b.eventually("the others are compared", func() bool { return b.mirrored("same") == places })
	require.LessOrEqual(t, most.Load(), int64(places))
	b.send("GET", "/v1/orders", "")
	b.eventually("there are places again", func() bool { return b.mirrored("same") == places+1 })
}

func TestASideThatDoesNotAnswerIsMissing(t *testing.T) {
	broken := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, b := range map[string]*both{
		"there":                   share(t, mirrorHere, answers(200, `{}`), broken),
		"here":                    share(t, mirrorThere, broken, answers(200, `{}`)),
		"there, says its gateway": share(t, mirrorHere, answers(200, `{}`), answers(502, `{}`)),
	} {
		require.Equal(t, http.StatusOK, b.send("GET", "/v1/orders", "").StatusCode, name)
		b.eventually(name, func() bool { return b.mirrored("missing") == 1 })
	}
}

func TestAnAnswerThatIsNotOfItsSideIsComparedWithNothing(t *testing.T) {
	b := share(t, `{"route.orders": {"percent": 100, "mirror": true, "fallback": true}}`, answers(200, `{}`), answers(502, ``))
	require.Equal(t, http.StatusOK, b.send("GET", "/v1/orders", "").StatusCode)
	b.eventually("abandoned", func() bool { return b.mirrored("abandoned") == 1 })

	b = share(t, mirrorHere, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, answers(200, `{}`))
	_, err := b.Client().Get(b.URL + "/v1/orders")
	require.Error(t, err)
	b.eventually("abandoned", func() bool { return b.mirrored("abandoned") == 1 })
}

func TestTheSameDifferenceIsLoggedOnce(t *testing.T) {
	b := share(t, mirrorHere, answers(200, `{"a":1}`), answers(200, `{"a":2}`))
	for range 5 {
		b.send("GET", "/v1/orders", "")
	}
	b.eventually("all are counted", func() bool { return b.mirrored("body") == 5 })
	require.Equal(t, 1, b.log.FilterMessage("the two places of a context answer differently").Len())
}

// An operation of the API is more than a handler: what the edge has found out about a request is in its context.
func TestAnOperationOfTheAPICanBeAskedInTheBackground(t *testing.T) {
	type input struct {
		ID    string `path:"id"`
		Limit int    `query:"limit"`
	}
	type output struct {
		ID    string `json:"id"`
		Limit int    `json:"limit"`
		Who   string `json:"who"`
	}
	var there atomic.Value
	there.Store(`{"id":"x1","limit":3,"who":"customer:ann"}`)
	status := atomic.Int64{}
	status.Store(200)
	b := shareEdge(t, mirrorThere, func(w http.ResponseWriter, r *http.Request) { answers(int(status.Load()), there.Load().(string))(w, r) }, func(e *web.Edge) {
		web.Register(e.API, web.Op{Method: "GET", Path: "/v1/orders/{id}/thing", ID: "get-thing", Summary: "A thing", Public: true},
			func(ctx context.Context, in *input) (output, error) {
				if in.Limit == 0 {
					return output{}, fault.New(fault.NotFound, "no_limit", "there is no limit")
				}
				return output{in.ID, in.Limit, auth.From(ctx).String()}, nil
			})
	})
	b.send("GET", "/v1/orders/x1/thing?limit=3", "", "Role", "customer", "Subject", "ann")
	b.eventually("the same", func() bool { return b.mirrored("same") == 1 })
	there.Store(`{"type":"urn:shop:problem:no_limit","title":"Not Found","status":404,"detail":"there is no limit","code":"no_limit","trace_id":"1"}`)
	status.Store(404)
	b.send("GET", "/v1/orders/x1/thing", "", "Role", "customer", "Subject", "ann")
	b.eventually("the same problem", func() bool { return b.mirrored("same") == 2 })
}
