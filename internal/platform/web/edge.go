package web

import (
	"net/http"
	"net/netip"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Options of an edge. The zero value of each has a default.
type Options struct {
	Title       string // of the API; default "shop"
	Version     string // of the API; default "1"
	Description string // Markdown, for the OpenAPI document

	Logger  *zap.Logger           // default: none
	Health  *Health               // default: a new one
	Metrics prometheus.Registerer // default: no metrics
	MaxBody int64                 // longest request body in bytes; default 1 MiB

	Client func(*http.Request) netip.Addr // where a request comes from; default: the other end of its connection

	// Use runs around every route of Edge.Router and Edge.API, and around the answer that there is none, inside the edge's own
	// middleware: authentication, rate limits.
	Use []func(http.Handler) http.Handler
}

// Edge is the HTTP side of a process: a router with everything around it that every route needs, and on it the REST API.
type Edge struct {
	API    huma.API   // where contexts register their operations, see Register
	Router chi.Router // for what is no operation of the API: proxies, pages
	Health *Health

	root *chi.Mux
	log  *zap.Logger
}

const (
	livePath  = "/livez"
	readyPath = "/readyz"
)

// New makes an edge. It serves /livez, /readyz, /openapi.json and /docs by itself.
func New(o Options) *Edge {
	o = withDefaults(o)
	root := chi.NewRouter()
	root.Use(observe(o), recoverPanics(o.Logger), secure, limitRequest(o.MaxBody), headAsGet)
	root.NotFound(chi.Chain(o.Use...).HandlerFunc(notFound).ServeHTTP)
	root.MethodNotAllowed(methodNotAllowed(root))

	routes := root.With(o.Use...)
	e := &Edge{API: humachi.New(routes, humaConfig(o)), Router: routes, Health: o.Health, root: root, log: o.Logger}
	root.Get(livePath, o.Health.Live)
	root.Get(readyPath, o.Health.Ready)
	serveDocs(root, e.API)
	return e
}

func withDefaults(o Options) Options {
	if o.Title == "" {
		o.Title = "shop"
	}
	if o.Version == "" {
		o.Version = "1"
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Client == nil {
		o.Client = peerAddress
	}
	if o.Health == nil {
		o.Health = NewHealth(o.Logger)
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	return o
}

// Handler serves everything on the edge.
func (e *Edge) Handler() http.Handler { return e.root }

func notFound(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, newProblem(r.Context(), http.StatusNotFound, "not_found", "there is nothing at this address"))
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// methodNotAllowed names the methods that the path does have. chi asks it for unknown methods too, before it has looked
// at the path: without any method there, the answer is 404.
func methodNotAllowed(root *chi.Mux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		for _, m := range methods {
			route := m
			if m == http.MethodHead {
				route = http.MethodGet // see headAsGet
			}
			if root.Match(chi.NewRouteContext(), route, path) {
				w.Header().Add("Allow", m)
			}
		}
		if w.Header().Get("Allow") == "" {
			notFound(w, r)
			return
		}
		writeProblem(w, newProblem(r.Context(), http.StatusMethodNotAllowed, "method_not_allowed", "this address does not have this method; see the Allow header"))
	}
}
