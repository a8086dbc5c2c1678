package ratelimit

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/httprate"
	"github.com/prometheus/client_golang/prometheus"

	"shop/internal/platform/auth"
	"shop/internal/platform/cache"
	"shop/internal/platform/fault"
	"shop/internal/platform/metrics"
)

// ErrTooMany: the client's quota is used up. Retry-After says until when.
var ErrTooMany = fault.New(fault.TooMany, "too_many_requests", "too many requests; wait as long as Retry-After says")

// Options of the limits. Limits are requests a minute, 0 is none.
type Options struct {
	Customer int     // for each customer
	Staff    int     // for each operator and each service
	Address  int     // for each address, of requests without a token
	Failures int     // for each address, of tokens that are refused
	Proxies  Proxies // whose X-Forwarded-For is believed

	Shared *cache.Shared // nil: this process counts for itself
	Kind   string        // processes of the same kind count together

	Metrics prometheus.Registerer                           // nil: none
	Refuse  func(http.ResponseWriter, *http.Request, error) // writes the answer to what is refused
}

// Limits bound how often a client may ask.
type Limits struct {
	proxies                            Proxies
	refuse                             func(http.ResponseWriter, *http.Request, error)
	customer, staff, address, failures *policy
	counters                           []*sharedCounter
	held                               chan struct{}
}

// policy is one limit, by the name it has in the headers.
type policy struct {
	name    string
	window  *window
	header  []string
	refused prometheus.Counter
	patient *window // refusals that are told at once
}

// Whoever goes on asking when they were told to wait is answered late: a program that sends what it can on each of its connections, and waits for the answers, then sends
// little.
const (
	toldAtOnce = 10 // refusals, in a window
	late       = 500 * time.Millisecond
	maxHeld    = 1024 // answers that are late at a time; more are given at once
)

// New makes the limits.
func New(o Options) *Limits {
	l := &Limits{proxies: o.Proxies, refuse: o.Refuse, held: make(chan struct{}, maxHeld)}
	refused := metrics.RateLimited.CounterVec(nil)
	if o.Metrics != nil {
		o.Metrics.MustRegister(refused)
	}
	add := func(name string, perMinute int) *policy {
		if perMinute <= 0 {
			return nil
		}
		w := newWindow(perMinute, func(length time.Duration) httprate.LimitCounter {
			if o.Shared == nil {
				return httprate.NewLocalLimitCounter(length)
			}
			c := newSharedCounter(o.Shared, "shop:rate:"+o.Kind+":"+name+":", length)
			l.counters = append(l.counters, c)
			return c
		})
		header := strconv.Quote(name) + ";q=" + strconv.Itoa(w.limit) + ";w=" + strconv.Itoa(int(w.length/time.Second))
		patient := &window{limit: toldAtOnce, length: w.length, counter: httprate.NewLocalLimitCounter(w.length)}
		return &policy{name: name, window: w, header: []string{header}, refused: refused.WithLabelValues(name), patient: patient}
	}
	l.customer, l.staff, l.address, l.failures = add("customer", o.Customer), add("staff", o.Staff), add("address", o.Address), add("failures", o.Failures)
	return l
}

// Close stops what runs in the background.
func (l *Limits) Close() {
	for _, c := range l.counters {
		c.close()
	}
}

// Middleware refuses what comes too often, and says in every answer how much is left (RateLimit and RateLimit-Policy, draft-ietf-httpapi-ratelimit-headers). It stands
// behind the one that finds out who asks.
func (l *Limits) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, p := l.of(r)
		if p == nil {
			next.ServeHTTP(w, r)
			return
		}
		v := p.window.take(client)
		h := w.Header()
		h["Ratelimit-Policy"] = p.header
		h["Ratelimit"] = []string{p.status(v)}
		if !v.allowed {
			l.turnAway(r, p, client)
			h.Set("Retry-After", seconds(v.retry))
			l.refuse(w, r, ErrTooMany)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// of says who asks and which limit that is. A principal's requests count for the principal only: the customers behind one address must not share a limit.
func (l *Limits) of(r *http.Request) (client string, p *policy) {
	client, staff := l.proxies.Client(r)
	switch {
	case staff:
		return client, l.staff
	case auth.From(r.Context()).Known():
		return client, l.customer
	}
	return client, l.address
}

// Failed implements auth.Limiter: it counts a token that was refused for the address it came from. Tokens that are valid go on to pass: others may sit behind the address.
func (l *Limits) Failed(r *http.Request) (blocked bool) {
	if l.failures == nil {
		return false
	}
	address := addressKey(l.proxies.Address(r))
	v := l.failures.window.take(address)
	if !v.allowed {
		l.turnAway(r, l.failures, address)
	}
	return !v.allowed
}

// turnAway counts a refusal, and holds the answer back from a client who does not listen.
func (l *Limits) turnAway(r *http.Request, p *policy, client string) {
	p.refused.Inc()
	if p.patient.take(client).allowed {
		return
	}
	select {
	case l.held <- struct{}{}:
		defer func() { <-l.held }()
	default:
		return
	}
	wait := time.NewTimer(late)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
	}
}

// status is the value of RateLimit: "customer";r=999;t=10.
func (p *policy) status(v verdict) string {
	b := make([]byte, 0, 48)
	b = strconv.AppendQuote(b, p.name)
	b = append(b, ";r="...)
	b = strconv.AppendInt(b, int64(v.remaining), 10)
	b = append(b, ";t="...)
	return string(append(b, seconds(v.reset)...))
}

// seconds are whole seconds, at least one.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

var _ auth.Limiter = (*Limits)(nil)
