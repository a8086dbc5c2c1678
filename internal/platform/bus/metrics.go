package bus

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shop/internal/platform/metrics"
	"shop/internal/platform/sqldb"
)

// endpointMetrics are those of one endpoint. Which series there are is known when the handlers are: nothing is looked up for a message.
type endpointMetrics struct {
	sent      *prometheus.CounterVec
	processed *prometheus.HistogramVec
	lag       prometheus.Histogram
	retries   prometheus.Counter
	inFlight  prometheus.Collector
}

func newMetrics(e *Endpoint) *endpointMetrics {
	context, system := e.cfg.Context, "memory"
	if broker, ok := e.cfg.Transport.(Named); ok {
		system = broker.System()
	}
	own, group := prometheus.Labels{"context": context}, prometheus.Labels{"messaging_consumer_group_name": context}
	return &endpointMetrics{
		sent: metrics.MessagesSent.CounterVec(prometheus.Labels{"context": context, "messaging_system": system, "messaging_operation_name": "send"}),
		processed: metrics.MessagesProcessed.HistogramVec(prometheus.Labels{"messaging_consumer_group_name": context, "messaging_system": system,
			"messaging_operation_name": "process"}),
		lag:      metrics.MessageLag.Histogram(group),
		retries:  metrics.MessageRetries.Counter(own),
		inFlight: metrics.MessagesInFlight.GaugeFunc(own, func() float64 { return float64(e.inFlight()) }),
	}
}

// Metrics tells what became of the endpoint's messages.
func (e *Endpoint) Metrics() prometheus.Collector { return e.metrics }

// Describe implements prometheus.Collector.
func (m *endpointMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(out)
	}
}

// Collect implements prometheus.Collector.
func (m *endpointMetrics) Collect(out chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(out)
	}
}

func (m *endpointMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.sent, m.processed, m.lag, m.retries, m.inFlight}
}

// topicCounters count the messages of a topic that the relay hands to the transport.
type topicCounters struct{ taken, refused prometheus.Counter }

func (m *endpointMetrics) topic(name string) topicCounters {
	return topicCounters{m.sent.WithLabelValues(name, ""), m.sent.WithLabelValues(name, "refused")}
}

// count counts a message of which the transport has said what became of it. One that was withheld was not sent.
func (c topicCounters) count(err error) {
	switch {
	case err == nil:
		c.taken.Inc()
	case !errors.Is(err, errWithheld):
		c.refused.Inc()
	}
}

// handlerTimers measure the attempts to apply messages of a topic.
type handlerTimers struct {
	applied, failed, undecodable, unavailable prometheus.Observer
	lag                                       prometheus.Observer
	retries                                   prometheus.Counter
}

func (m *endpointMetrics) handler(topic string) handlerTimers {
	of := func(errorType string) prometheus.Observer { return m.processed.WithLabelValues(topic, errorType) }
	return handlerTimers{applied: of(""), failed: of("failed"), undecodable: of("undecodable"), unavailable: of("unavailable"), lag: m.lag, retries: m.retries}
}

// measure counts an attempt to apply the message, that ended with err. A burial is none.
func (d *delivery) measure(buried bool, err error) {
	if buried {
		return
	}
	timers, took := &d.handler.timers, time.Since(d.began).Seconds()
	switch {
	case d.broken != nil:
		timers.undecodable.Observe(took)
	case err == nil:
		timers.applied.Observe(took)
		if written, err := time.Parse(time.RFC3339Nano, d.msg.Metadata.Get(metaTime)); err == nil {
			timers.lag.Observe(max(0, time.Since(written).Seconds()))
		}
	case errors.Is(err, sqldb.ErrUnavailable):
		timers.unavailable.Observe(took)
	default:
		timers.failed.Observe(took)
	}
}

// inFlight counts the messages that were received and neither acknowledged nor given back.
func (e *Endpoint) inFlight() int {
	c := e.consuming.Load()
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.running + len(c.pausing)
	for _, waiting := range c.keys {
		n += len(waiting)
	}
	return n
}
