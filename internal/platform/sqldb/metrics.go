package sqldb

import (
	"database/sql"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shop/internal/platform/metrics"
)

// dbMetrics are those of transactions; all else is counted in Stats, or by the pools.
type dbMetrics struct{ duration, jobs prometheus.Histogram }

func newMetrics(context string) dbMetrics {
	fixed := prometheus.Labels{"context": context}
	return dbMetrics{metrics.DBTransactionDuration.Histogram(fixed), metrics.DBTransactionJobs.Histogram(fixed)}
}

// measure counts an attempt at a transaction of so many jobs that began then and ended with *err.
func (db *DB) measure(began time.Time, jobs int, err *error) {
	db.metrics.duration.Observe(time.Since(began).Seconds())
	if *err == nil {
		db.metrics.jobs.Observe(float64(jobs))
	}
}

// Metrics tells what was done in this database, and how its connections are used.
func (db *DB) Metrics() prometheus.Collector {
	c := &collector{db: db, fixed: prometheus.Labels{"context": db.cfg.Context}}
	s := &db.stats
	for _, of := range []struct {
		is    *metrics.Definition
		value func() int64
	}{
		{metrics.DBJobs, s.Jobs.Load}, {metrics.DBCommits, s.Commits.Load}, {metrics.DBAlone, s.Alone.Load}, {metrics.DBRetries, s.Retries.Load},
		{metrics.DBUnknownCommits, s.UnknownCommits.Load}, {metrics.DBWrong, s.Wrong.Load}, {metrics.DBStatements, s.Statements.Load},
		{metrics.DBRoundTrips, s.RoundTrips.Load}, {metrics.DBReads, s.Reads.Load},
	} {
		c.counters = append(c.counters, counter{of.is.Desc(c.fixed), of.value})
	}
	c.waiting = metrics.DBJobsWaiting.Desc(c.fixed)
	c.count, c.max, c.wait = metrics.DBConnections.Desc(c.fixed), metrics.DBConnectionsMax.Desc(c.fixed), metrics.DBConnectionWait.Desc(c.fixed)
	return c
}

type collector struct {
	db                        *DB
	fixed                     prometheus.Labels
	counters                  []counter
	waiting, count, max, wait *prometheus.Desc
}

type counter struct {
	desc  *prometheus.Desc
	value func() int64
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, n := range c.counters {
		out <- n.desc
	}
	for _, d := range []*prometheus.Desc{c.waiting, c.count, c.max, c.wait, c.db.metrics.duration.Desc(), c.db.metrics.jobs.Desc()} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for _, n := range c.counters {
		out <- prometheus.MustNewConstMetric(n.desc, prometheus.CounterValue, float64(n.value()))
	}
	out <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(c.db.Waiting()))
	c.pool(out, "write", c.db.write.Stats())
	c.pool(out, "read", c.db.read.Stats())
	out <- c.db.metrics.duration
	out <- c.db.metrics.jobs
}

func (c *collector) pool(out chan<- prometheus.Metric, name string, s sql.DBStats) {
	out <- prometheus.MustNewConstMetric(c.count, prometheus.GaugeValue, float64(s.Idle), name, "idle")
	out <- prometheus.MustNewConstMetric(c.count, prometheus.GaugeValue, float64(s.InUse), name, "used")
	out <- prometheus.MustNewConstMetric(c.max, prometheus.GaugeValue, float64(s.MaxOpenConnections), name)
	out <- prometheus.MustNewConstHistogram(c.wait, uint64(s.WaitCount), s.WaitDuration.Seconds(), nil, name)
}
