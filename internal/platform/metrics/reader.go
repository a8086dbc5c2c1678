package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// patience is how long a scrape waits for what a Reader reads; what does not answer is left out of it.
const patience = 2 * time.Second

// Reader reads gauges when somebody asks for them: from a database, which knows what all processes did.
type Reader struct {
	log   *zap.Logger
	descs map[*Definition]*prometheus.Desc
	read  func(ctx context.Context, tell func(d *Definition, value float64, labels ...string)) error
}

// NewReader makes a Reader of those metrics. read tells what it finds; when it fails, the scrape goes on without what is missing, and the log says why.
func NewReader(log *zap.Logger, read func(ctx context.Context, tell func(d *Definition, value float64, labels ...string)) error, of ...*Definition) *Reader {
	r := &Reader{log: log, read: read, descs: map[*Definition]*prometheus.Desc{}}
	for _, d := range of {
		d.must(Gauge, UpDown)
		r.descs[d] = d.Desc(nil)
	}
	return r
}

// Describe implements prometheus.Collector.
func (r *Reader) Describe(out chan<- *prometheus.Desc) {
	for _, d := range r.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (r *Reader) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := r.read(ctx, func(d *Definition, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(r.descs[d], prometheus.GaugeValue, value, labels...)
	})
	if err != nil {
		r.log.Warn("metrics are incomplete", zap.Error(err))
	}
}
