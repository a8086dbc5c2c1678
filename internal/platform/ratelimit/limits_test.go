package ratelimit_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/cache"
	"shop/internal/platform/cache/redistest"
	"shop/internal/platform/ratelimit"
	"shop/internal/platform/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop answers 204 to what the limits let through.
type shop struct {
	*ratelimit.Limits
	http.Handler
}

func open(t *testing.T, o ratelimit.Options) shop {
	t.Helper()
	o.Refuse = web.WriteProblem
	l := ratelimit.New(o)
	t.Cleanup(l.Close)
	return shop{l, l.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))}
}

// client sends requests of one kind.
type client struct {
	from    string // address with port; an address of the documentation when empty
	who     auth.Principal
	headers map[string]string
}

func (c client) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if r.RemoteAddr = c.from; c.from == "" {
		r.RemoteAddr = "192.0.2.1:4711"
	}
	for k, v := range c.headers {
		r.Header.Set(k, v)
	}
	if c.who.Known() {
		r = r.WithContext(auth.With(r.Context(), c.who))
	}
	return r
}

func (s shop) ask(c client) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, c.request())
	return w
}

func customer(name string) client {
	return client{who: auth.Principal{Role: auth.Customer, Subject: name}}
}

func TestAClientThatAsksTooOftenIsToldToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, ratelimit.Options{Customer: 60})
		for i := range 10 { // the quota of ten seconds
			w := s.ask(customer("ann"))
			require.Equal(t, http.StatusNoContent, w.Code)
			require.Equal(t, `"customer";q=10;w=10`, w.Header().Get("RateLimit-Policy"))
			require.Equal(t, `"customer";r=`+strconv.Itoa(9-i)+`;t=10`, w.Header().Get("RateLimit"))
		}
		w := s.ask(customer("ann"))
		require.Equal(t, http.StatusTooManyRequests, w.Code)
		require.Contains(t, w.Body.String(), `"code":"too_many_requests"`)
		require.Equal(t, http.StatusNoContent, s.ask(customer("bob")).Code, "another customer's quota is another")

		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		require.NoError(t, err)
		require.LessOrEqual(t, wait, 11)
		<-time.After(time.Duration(wait) * time.Second)
		require.Equal(t, http.StatusNoContent, s.ask(customer("ann")).Code)
	})
}

func TestWhoWaitsAsLongAsRetryAfterSaysIsLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Log("seed", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		for _, perMinute := range []int{1, 5, 59, 60, 61, 600, 6000} {
			s := open(t, ratelimit.Options{Customer: perMinute})
			refusals := 0
			for range 30 {
				for range random.IntN(perMinute/3 + 2) {
					w := s.ask(customer("ann"))
					if w.Code != http.StatusTooManyRequests {
						continue
					}
					refusals++
					wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
					require.NoError(t, err)
					require.LessOrEqual(t, wait, 121)
					<-time.After(time.Duration(wait) * time.Second)
					require.Equal(t, http.StatusNoContent, s.ask(customer("ann")).Code, "%d a minute, after %d s", perMinute, wait)
				}
				<-time.After(time.Duration(random.IntN(8000)) * time.Millisecond)
			}
			require.NotZero(t, refusals)
		}
	})
}

func TestWhoGoesOnAfterARefusalIsAnsweredLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, ratelimit.Options{Customer: 6000, Failures: 6000})
		for range 1000 + 10 {
			s.ask(customer("eve"))
			s.Failed(client{}.request())
		}
		began := time.Now()
		require.Equal(t, http.StatusNoContent, s.ask(customer("ann")).Code)
		require.Zero(t, time.Since(began))
		require.Equal(t, http.StatusTooManyRequests, s.ask(customer("eve")).Code)
		require.Equal(t, 500*time.Millisecond, time.Since(began))
		require.True(t, s.Failed(client{}.request()))
		require.Equal(t, time.Second, time.Since(began))

		// One who has left is not held, and what is held has a bound.
		gone, leave := context.WithCancel(t.Context())
		leave()
		began = time.Now()
		s.ServeHTTP(httptest.NewRecorder(), customer("eve").request().WithContext(auth.With(gone, customer("eve").who)))
		require.Zero(t, time.Since(began))
		for range 1024 {
			go s.ask(customer("eve"))
		}
		synctest.Wait()
		s.ask(customer("eve"))
		require.Zero(t, time.Since(began))
		<-time.After(time.Second)
	})
}

func TestOverAnyMinutesTheLimitHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, ratelimit.Options{Customer: 600})
		passed := 0
		for began := time.Now(); time.Since(began) < 10*time.Minute; { // always as much as there is
			w := s.ask(customer("ann"))
			if w.Code == http.StatusNoContent {
				passed++
				continue
			}
			<-time.After(50 * time.Millisecond)
		}
		require.LessOrEqual(t, passed, 6100) // one window more
		require.Greater(t, passed, 5500)     // what was spent at once goes out of sight little by little
	})
}

func TestEachKindOfClientHasItsOwnLimit(t *testing.T) {
	proxies := ratelimit.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	behind := func(proxy, forwarded string) client {
		return client{from: proxy, headers: map[string]string{"X-Forwarded-For": forwarded}}
	}
	const passes, refused = http.StatusNoContent, http.StatusTooManyRequests
	for name, test := range map[string]struct {
		first, second client
		want          int // of the second, when the first has used up a quota of one
	}{
		"a customer, from elsewhere":                  {customer("ann"), client{from: "198.51.100.9:1", who: customer("ann").who}, refused},
		"another customer at the same address":        {customer("ann"), customer("bob"), passes},
		"a service with a customer's name":            {customer("ann"), client{who: auth.Principal{Role: auth.Service, Subject: "ann"}}, passes},
		"an operator":                                 {client{who: auth.Principal{Role: auth.Operator, Subject: "o"}}, client{who: auth.Principal{Role: auth.Operator, Subject: "o"}}, passes},
		"nobody, at a customer's address":             {customer("ann"), client{}, passes},
		"nobody, from another port":                   {client{from: "192.0.2.1:1"}, client{from: "192.0.2.1:2"}, refused},
		"nobody, from another address":                {client{from: "192.0.2.1:1"}, client{from: "192.0.2.2:1"}, passes},
		"IPv4 written as IPv6":                        {client{from: "192.0.2.1:1"}, client{from: "[::ffff:192.0.2.1]:1"}, refused},
		"another address of the same IPv6 network":    {client{from: "[2001:db8:1:1::1]:1"}, client{from: "[2001:db8:1:1:f00:ba::2%eth0]:1"}, refused},
		"another IPv6 network":                        {client{from: "[2001:db8:1:1::1]:1"}, client{from: "[2001:db8:1:2::1]:1"}, passes},
		"an invented X-Forwarded-For":                 {client{}, client{headers: map[string]string{"X-Forwarded-For": "203.0.113.7"}}, refused},
		"an invented X-Real-IP":                       {client{}, client{headers: map[string]string{"X-Real-IP": "203.0.113.7"}}, refused},
		"an invented Forwarded":                       {client{}, client{headers: map[string]string{"Forwarded": "for=203.0.113.7"}}, refused},
		"others behind the same proxy":                {behind("10.1.1.1:1", "203.0.113.7"), behind("10.1.1.1:1", "203.0.113.8"), passes},
		"the same behind another proxy":               {behind("10.1.1.1:1", "203.0.113.7"), behind("10.1.1.2:1", "203.0.113.7, 10.9.9.9"), refused},
		"the same behind a proxy that tells the port": {behind("10.1.1.1:1", "203.0.113.7"), behind("10.1.1.2:1", "203.0.113.7:5555"), refused},
		"what the client wrote before the proxy did":  {behind("10.1.1.1:1", "1.1.1.1, 203.0.113.7"), behind("10.1.1.1:1", "2.2.2.2, 203.0.113.7"), refused},
		"a proxy that hides its client":               {behind("10.1.1.1:1", "unknown"), behind("10.1.1.1:1", "9.9.9.9, _hidden"), refused},
		"proxies all the way":                         {behind("10.1.1.1:1", "10.2.2.2, 10.3.3.3"), behind("10.1.1.9:1", "10.2.2.2"), refused},
		"the same by way of an IPv6 proxy":            {behind("[2001:db8:ffff::1]:1", "203.0.113.7"), behind("10.1.1.2:1", "203.0.113.7"), refused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // in which no window ends in between
				s := open(t, ratelimit.Options{Customer: 1, Address: 1, Proxies: proxies})
				require.Equal(t, passes, s.ask(test.first).Code)
				require.Equal(t, test.want, s.ask(test.second).Code)
			})
		})
	}
}

func TestWhoTriesTokensOutIsSlowedDownAndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, ratelimit.Options{Failures: 60})
		for range 10 {
			require.False(t, s.Failed(client{}.request()))
		}
		require.True(t, s.Failed(client{headers: map[string]string{"X-Forwarded-For": "203.0.113.7"}}.request()))
		require.False(t, s.Failed(client{from: "198.51.100.9:1"}.request()))
		require.Equal(t, http.StatusNoContent, s.ask(client{}).Code)
	})
}

func TestProcessesWithARedisCountTogether(t *testing.T) {
	r := redistest.Start(t)
	process := func() shop {
		shared, err := cache.Connect(r.URL(), zap.NewNop())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, shared.Close()) })
		return open(t, ratelimit.Options{Customer: 50, Shared: shared, Kind: "test"}) // fewer than 60: a window of a minute
	}
	a, b := process(), process()
	until := time.Now().Truncate(time.Minute).Add(time.Minute)
	for range 49 {
		require.Equal(t, http.StatusNoContent, a.ask(customer("ann")).Code)
	}
	// What a has counted reaches b only when b counts the same customer too.
	passed := 0
	require.Eventually(t, func() bool {
		w := b.ask(customer("ann"))
		if w.Code == http.StatusNoContent {
			passed++
		}
		return w.Code == http.StatusTooManyRequests || time.Now().After(until)
	}, 30*time.Second, 20*time.Millisecond)
	if time.Now().Before(until) {
		require.Less(t, passed, 50, "b counted alone")
	}
	require.Equal(t, http.StatusNoContent, b.ask(customer("bob")).Code)
}

func TestWithoutTheirRedisProcessesCountAlone(t *testing.T) {
	r := redistest.Start(t)
	shared, err := cache.Connect(r.URL(), zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shared.Close()) })
	s := open(t, ratelimit.Options{Customer: 50, Shared: shared, Kind: "test"})
	require.Equal(t, http.StatusNoContent, s.ask(customer("ann")).Code)
	r.Kill()
	require.Eventually(t, func() bool { // neither an error nor unlimited
		return s.ask(customer("ann")).Code == http.StatusTooManyRequests
	}, 30*time.Second, time.Millisecond)
}

func BenchmarkALimit(b *testing.B) {
	l := ratelimit.New(ratelimit.Options{Customer: 1 << 40, Refuse: web.WriteProblem})
	h := l.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r, w := customer("ann").request(), httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
