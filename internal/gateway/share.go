package gateway

import (
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/flags"
	"shop/internal/platform/telemetry"
)

// FlagOf is the name of the flag that decides which requests for a context, hosted here, another process answers.
func FlagOf(context string) string { return "route." + context }

// sharing is a context that is hosted here and elsewhere.
type sharing struct {
	route
	flag  string
	base  *url.URL
	proxy *httputil.ReverseProxy

	mirrored http.RoundTripper // has a breaker of its own: what is only compared stops nothing that a client waits for
}

// mirrorTraffic is what the breakers of mirrored requests are called.
const mirrorTraffic = "mirrored"

// newSharings finds the contexts that are shared by the first part of their addresses.
func (m *Module) newSharings() map[string]*sharing {
	shared := map[string]*sharing{}
	for _, r := range routes {
		if base := m.needs.Shared[r.context]; base != nil {
			s := &sharing{route: r, flag: FlagOf(r.context), base: base, proxy: m.proxy(r, base),
				mirrored: m.needs.Guards.Breaker(r.context, mirrorTraffic).Transport(m.transport)}
			for _, under := range r.under {
				shared[under] = s
			}
		}
	}
	return shared
}

// Share runs around the routes of this process, as the last: who asks is known then. Of a context that is hosted here and elsewhere it leads those requests away that the flag
// says; the others, and those of all other contexts, pass.
func (m *Module) Share(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.sharingOf(r)
		if s == nil {
			next.ServeHTTP(w, r)
			return
		}
		key, names := m.subject(r)
		d := m.needs.Flags.Decide(r.Context(), s.flag, key, names...)
		if d.Mirror && mirrorable(r) {
			if copied, answered := m.mirror.begin(w, r, s, next, d); copied != nil {
				defer answered() // also when the answer breaks off
				m.answer(copied, r, s, next, d)
				copied.whole = r.Context().Err() == nil
				return
			}
		}
		m.answer(w, r, s, next, d)
	})
}

// answer has a request answered where the flag says.
func (m *Module) answer(w http.ResponseWriter, r *http.Request, s *sharing, here http.Handler, d flags.Decision) {
	if !d.On {
		m.shared.WithLabelValues(s.context, "here").Inc()
		here.ServeHTTP(w, r)
		return
	}
	m.shared.WithLabelValues(s.context, "elsewhere").Inc()
	m.serve(w, r, s.route, s.proxy, m.fallback(w, r, s, here, d))
}

// fallback has a request answered here that got no answer elsewhere. Only one without effects is: what the other has done of one with effects, nobody knows. nil: it stays without.
func (m *Module) fallback(w http.ResponseWriter, r *http.Request, s *sharing, here http.Handler, d flags.Decision) func(error) {
	if !d.Fallback || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	return func(err error) {
		m.shared.WithLabelValues(s.context, "fallback").Inc()
		m.log.Warn("answered here, since the context elsewhere does not", zap.String("upstream", s.context), telemetry.Fields(r.Context()), zap.Error(err))
		if c, ok := w.(*capture); ok {
			c.fallback = true
		}
		here.ServeHTTP(w, r)
	}
}

// sharingOf is the shared context that a request is for; nil when it is for another.
func (m *Module) sharingOf(r *http.Request) *sharing {
	if len(m.sharings) == 0 || r.Method != http.MethodHead && !slices.Contains(methods, r.Method) {
		return nil
	}
	version, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	if !slices.Contains(versions, version) {
		return nil
	}
	under, _, _ := strings.Cut(rest, "/")
	return m.sharings[under]
}

// anID is what the shop's own ids of orders, payments and shipments look like.
var anID = regexp.MustCompile(`^(ord|pay|shp)_[0-9a-z]{26}$`)

// subject is by what a request is known again, so that what belongs together is answered at one place: the first id of an order, a payment or a shipment in its address; else who
// asks. One who works for the shop asks for many, so there it is the Idempotency-Key, by which at least repetitions are known. names is whatever the request may be on a list by.
func (m *Module) subject(r *http.Request) (key string, names []string) {
	for segment := range strings.SplitSeq(r.URL.Path, "/") {
		if anID.MatchString(segment) {
			names = append(names, segment)
		}
	}
	query := r.URL.Query()
	for _, name := range []string{"order_id", "payment_id", "shipment_id"} {
		if v := query.Get(name); anID.MatchString(v) {
			names = append(names, v)
		}
	}
	who := auth.From(r.Context())
	repeated := r.Header.Get("Idempotency-Key")
	switch {
	case len(names) > 0:
		key = names[0]
	case who.Has(auth.Operator, auth.Service) && repeated != "":
		key = who.String() + " " + repeated
	case who.Known():
		key = who.String()
	default:
		key = network(m.needs.Client(r))
	}
	if who.Known() {
		names = append(names, who.Subject)
	}
	return key, names
}

// network is the client behind an address. Of IPv6 it is the network of 64 bits, in which a client changes its address as it likes.
func network(a netip.Addr) string {
	if a.Is6() {
		prefix, _ := a.Prefix(64) // 64 bits are there
		return prefix.String()
	}
	return a.String()
}

// Share of a context that is hosted here and elsewhere.
type Share struct {
	URL     string // where else it is
	Flagged bool   // whether there is a flag; without one all is answered here
	flags.Rollout
}

// Shares is how the shared contexts are shared at the moment, by name.
func (m *Module) Shares() map[string]Share {
	all := map[string]Share{}
	for _, s := range m.sharings {
		rollout, flagged := m.needs.Flags.Rollout(s.flag)
		all[s.context] = Share{s.base.String(), flagged, rollout}
	}
	return all
}
