package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"shop/internal/platform/metrics"
)

// scrapePatience is how long a scrape waits for the databases; what does not answer is left out of it.
const scrapePatience = 2 * time.Second

// registerMetrics adds what this process is, and what its contexts and their databases tell of themselves, to what the edge and the contexts have registered already.
func registerMetrics(r prometheus.Registerer, h *host) {
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), hostMetrics{h}, h.upstreams())
	if h.logs != nil {
		r.MustRegister(h.logs.Metrics())
	}
	for _, db := range h.databases {
		r.MustRegister(db.Metrics())
	}
	for _, m := range h.modules {
		r.MustRegister(m.Endpoint().Metrics())
	}
}

// hostMetrics reads the state of the hosted contexts when it is asked for.
type hostMetrics struct{ host *host }

var (
	buildDesc   = metrics.Build.Desc(nil)
	pendingDesc = metrics.OutboxPending.Desc(nil)
	oldestDesc  = metrics.OutboxOldest.Desc(nil)
	leadingDesc = metrics.RelayLeading.Desc(nil)
	lettersDesc = metrics.DeadLetters.Desc(nil)
)

// Describe implements prometheus.Collector.
func (m hostMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildDesc, pendingDesc, oldestDesc, leadingDesc, lettersDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m hostMetrics) Collect(out chan<- prometheus.Metric) {
	b := thisBuild()
	out <- prometheus.MustNewConstMetric(buildDesc, prometheus.GaugeValue, 1, b.Version, b.Go)
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	for _, mod := range m.host.modules {
		if err := m.collectMessages(ctx, out, mod); err != nil {
			m.host.log.Warn("metrics are incomplete", zap.String("context", mod.name), zap.Error(err))
		}
	}
}

func (m hostMetrics) collectMessages(ctx context.Context, out chan<- prometheus.Metric, mod hosted) error {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{mod.name}, labels...)...)
	}
	leading := 0.0
	if mod.Endpoint().Leading() {
		leading = 1
	}
	gauge(leadingDesc, leading)
	pending, oldest, err := mod.Endpoint().Backlog(ctx)
	if err != nil {
		return err
	}
	gauge(pendingDesc, float64(pending))
	gauge(oldestDesc, oldest.Seconds())
	letters, err := countDeadLetters(ctx, m.host.db(mod.name))
	if err != nil {
		return err
	}
	counts := map[string]int64{"dead": 0, "parked": 0, "replay": 0}
	for _, c := range letters {
		counts[c.State] = c.N
	}
	for state, n := range counts {
		gauge(lettersDesc, float64(n), state)
	}
	return nil
}
