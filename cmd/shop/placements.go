package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"shop/internal/gateway"
	"shop/internal/platform/resilience"
	"shop/internal/platform/telemetry"
)

// Where a context is, as this process sees it.
const (
	hostedHere      = "here"
	hostedElsewhere = "elsewhere"
	hostedBoth      = "both"    // the share says who answers
	hostedNowhere   = "nowhere" // that this process knows of
)

// placement is where a context is and how it does. What does not concern a context that is not hosted here is null.
type placement struct {
	Context     string           `json:"context"`
	Hosted      string           `json:"hosted"`
	URL         string           `json:"url,omitempty"` // where else it is
	Share       *placementShare  `json:"share"`         // of the requests, that go there
	Breakers    []breakerView    `json:"breakers"`      // on the way there
	Leading     *bool            `json:"leading"`       // whether this process relays its messages
	Outbox      *placementOutbox `json:"outbox"`
	Waiting     map[string]int64 `json:"waiting"`      // messages for it at the broker, by topic; null where the bus does not tell
	DeadLetters map[string]int64 `json:"dead_letters"` // by state: dead, parked, replay
	Errors      []string         `json:"errors"`       // why something is missing
}

type placementShare struct {
	Flag     string  `json:"flag"` // its name; empty when there is no such flag, and all is answered here
	Percent  float64 `json:"percent"`
	Allow    int     `json:"allow"` // entries
	Deny     int     `json:"deny"`
	Kill     bool    `json:"kill"`
	Mirror   bool    `json:"mirror"`
	Fallback bool    `json:"fallback"`
}

type breakerView struct {
	Traffic string `json:"traffic"`
	State   string `json:"state"` // closed, half_open or open
}

type placementOutbox struct {
	Pending       int64   `json:"pending"`
	OldestSeconds float64 `json:"oldest_seconds"`
}

// placements is the view of this process of all contexts, in the order of the map. What does not answer is left out, and named.
func (h *host) placements(ctx context.Context) []placement {
	ctx, cancel := context.WithTimeout(ctx, scrapePatience)
	defer cancel()
	shares := h.front.gateway.Shares()
	all := make([]placement, len(contextMap))
	var g errgroup.Group
	for i, c := range contextMap {
		g.Go(func() error {
			all[i] = h.placement(ctx, c.name, shares)
			return nil
		})
	}
	_ = g.Wait() // errors are in the placements
	return all
}

func (h *host) placement(ctx context.Context, name string, shares map[string]gateway.Share) placement {
	p := placement{Context: name, Hosted: hostedNowhere, Breakers: breakersOf(h.upstreams().Breakers(), name), Errors: []string{}}
	if at := h.cfg.front.elsewhere[name]; at != nil {
		p.Hosted, p.URL = hostedElsewhere, at.String()
	}
	if !slices.Contains(h.cfg.hosted, name) {
		return p
	}
	p.Hosted = hostedHere
	if s, ok := shares[name]; ok {
		p.Hosted, p.URL = hostedBoth, s.URL
		p.Share = &placementShare{Percent: s.Percent, Allow: len(s.Allow), Deny: len(s.Deny), Kill: s.Kill, Mirror: s.Mirror, Fallback: s.Fallback}
		if s.Flagged {
			p.Share.Flag = gateway.FlagOf(name)
		}
	}
	i := slices.IndexFunc(h.modules, func(m hosted) bool { return m.name == name })
	h.measure(ctx, &p, h.modules[i])
	return p
}

// measure asks the context's database and the broker.
func (h *host) measure(ctx context.Context, p *placement, m hosted) {
	missing := func(what string, err error) {
		h.log.Warn("a context's state is incomplete", telemetry.InContext(m.name), telemetry.Fields(ctx), zap.String("missing", what), zap.Error(err))
		p.Errors = append(p.Errors, what+" cannot be read")
	}
	leading := m.Endpoint().Leading()
	p.Leading = &leading
	if pending, oldest, err := m.Endpoint().Backlog(ctx); err != nil {
		missing("outbox", err)
	} else {
		p.Outbox = &placementOutbox{pending, oldest.Round(time.Millisecond).Seconds()}
	}
	if letters, err := countDeadLetters(ctx, h.db(m.name)); err != nil {
		missing("dead_letters", err)
	} else {
		p.DeadLetters = map[string]int64{"dead": 0, "parked": 0, "replay": 0}
		for _, c := range letters {
			p.DeadLetters[c.State] = c.N
		}
	}
	// A transport that keeps messages tells how many wait for a context.
	if told, ok := h.bus.(interface {
		Backlog(ctx context.Context, group string) (map[string]uint64, error)
	}); ok {
		waiting, err := told.Backlog(ctx, m.name)
		if err != nil {
			missing("waiting", err)
			return
		}
		p.Waiting = map[string]int64{}
		for topic, n := range waiting {
			p.Waiting[topic] = int64(n)
		}
	}
}

func breakersOf(all []*resilience.Breaker, name string) []breakerView {
	views := []breakerView{}
	for _, b := range all {
		if b.Upstream() == name {
			views = append(views, breakerView{b.Traffic(), string(b.State())})
		}
	}
	return views
}

// adminHandler is the admin port: what every process has there, and where the contexts are.
func (h *host) adminHandler(everyProcess http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", everyProcess)
	if h.logs != nil {
		mux.Handle("/log-level", h.logs.Level)
	}
	if h.recorder != nil {
		mux.Handle("/traces", h.recorder.Handler())
	}
	mux.HandleFunc("GET /contexts", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if err := json.NewEncoder(w).Encode(h.placements(r.Context())); err != nil {
			h.log.Debug("nobody waits for the contexts any more", telemetry.Fields(r.Context()), zap.Error(err))
		}
	})
	return mux
}
