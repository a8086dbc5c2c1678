package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"shop/internal/platform/sqldb"
)

// The names of our own metrics, as Prometheus spells OpenTelemetry's: shop.outbox.pending is shop_outbox_pending. Those of HTTP are in platform/web, those of questions to other processes in platform/resilience.
var (
	metricBuild = prometheus.NewDesc("shop_build_info", "The program; always 1.", []string{"version", "go"}, nil)

	metricPending     = perContext("shop_outbox_pending", "Messages that were not delivered yet.")
	metricOldest      = perContext("shop_outbox_oldest_age_seconds", "Age of the oldest message that was not delivered yet; 0 when there is none.")
	metricLeading     = perContext("shop_relay_leading", "Whether this process relays the context's messages: 1 or 0.")
	metricDeadLetters = perContext("shop_dead_letters", "Messages that could not be applied (dead), wait behind such a one (parked), or are being applied again (replay).", "state")

	metricJobs       = perContext("shop_db_jobs_total", "Writes that were asked for.")
	metricCommits    = perContext("shop_db_commits_total", "Transactions committed; jobs share them.")
	metricAlone      = perContext("shop_db_jobs_alone_total", "Writes that were run again alone, since one of their transaction failed.")
	metricRetries    = perContext("shop_db_retries_total", "Transactions that were run again after a conflict or a lost connection.")
	metricUnknown    = perContext("shop_db_unknown_commits_total", "Commits that were never answered, and then found again by their keys.")
	metricStatements = perContext("shop_db_statements_total", "Statements executed in transactions.")
	metricTrips      = perContext("shop_db_round_trips_total", "Round trips that transactions took; on PostgreSQL.")
	metricReads      = perContext("shop_db_reads_total", "Statements executed outside transactions.")
	metricWrong      = perContext("shop_db_wrong_total", "Transactions that assumed what was not so, and were run again.")
)

func perContext(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"context"}, labels...), nil)
}

// scrapePatience is how long a scrape waits for the databases; what does not answer is left out of it.
const scrapePatience = 2 * time.Second

// hostMetrics reads the state of the hosted contexts when it is asked for.
type hostMetrics struct{ host *host }

func registerMetrics(r prometheus.Registerer, h *host) {
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), hostMetrics{h}, h.upstreams())
}

// Describe names no metrics in advance: which there are depends on the databases' answers.
func (m hostMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m hostMetrics) Collect(out chan<- prometheus.Metric) {
	b := thisBuild()
	out <- prometheus.MustNewConstMetric(metricBuild, prometheus.GaugeValue, 1, b.Version, b.Go)
	for _, db := range m.host.databases {
		collectStats(out, db.name, db.Stats())
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	for _, mod := range m.host.modules {
		if err := m.collectMessages(ctx, out, mod); err != nil {
			m.host.log.Warn("metrics are incomplete", zap.String("context", mod.name), zap.Error(err))
		}
	}
}

func collectStats(out chan<- prometheus.Metric, name string, s *sqldb.Stats) {
	for _, c := range []struct {
		desc  *prometheus.Desc
		value int64
	}{
		{metricJobs, s.Jobs.Load()}, {metricCommits, s.Commits.Load()}, {metricAlone, s.Alone.Load()},
		{metricRetries, s.Retries.Load()}, {metricUnknown, s.UnknownCommits.Load()}, {metricStatements, s.Statements.Load()},
		{metricTrips, s.RoundTrips.Load()}, {metricReads, s.Reads.Load()}, {metricWrong, s.Wrong.Load()},
	} {
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.value), name)
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
	gauge(metricLeading, leading)
	pending, oldest, err := mod.Endpoint().Backlog(ctx)
	if err != nil {
		return err
	}
	gauge(metricPending, float64(pending))
	gauge(metricOldest, oldest.Seconds())
	letters, err := countDeadLetters(ctx, m.host.db(mod.name))
	if err != nil {
		return err
	}
	counts := map[string]int64{"dead": 0, "parked": 0, "replay": 0}
	for _, c := range letters {
		counts[c.State] = c.N
	}
	for state, n := range counts {
		gauge(metricDeadLetters, float64(n), state)
	}
	return nil
}
