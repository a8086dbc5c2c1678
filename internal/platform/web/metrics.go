package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shop/internal/platform/metrics"
)

// edgeMetrics are those of the OpenTelemetry semantic conventions for HTTP servers.
type edgeMetrics struct {
	duration *prometheus.HistogramVec
	active   map[string]prometheus.Gauge // by method
}

var httpOnly = prometheus.Labels{"url_scheme": "http"}

func newMetrics(r prometheus.Registerer) *edgeMetrics {
	active := metrics.HTTPActive.GaugeVec(httpOnly)
	m := &edgeMetrics{duration: metrics.HTTPDuration.HistogramVec(httpOnly), active: map[string]prometheus.Gauge{}}
	for _, method := range metrics.HTTPActive.Labels[0].Values {
		m.active[method] = active.WithLabelValues(method)
	}
	if r != nil {
		r.MustRegister(m.duration, active)
	}
	return m
}

// begin counts a request among those that are active, until its end.
func (m *edgeMetrics) begin(method string) (active prometheus.Gauge) {
	active = m.active[methodLabel(method)]
	active.Inc()
	return active
}

// observe counts a request that was answered. Its labels are bounded: the route is a pattern, the methods that nobody registered are one, and so are statuses that are none.
func (m *edgeMetrics) observe(method, route string, status int, took time.Duration) {
	code, problem := statusLabel(status), ""
	if status >= http.StatusInternalServerError {
		problem = code
	}
	m.duration.WithLabelValues(methodLabel(method), route, code, problem).Observe(took.Seconds())
}

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

// statuses are the codes of HTTP as text, by number.
var statuses = func() (names [600]string) {
	for code := range names {
		if http.StatusText(code) != "" {
			names[code] = strconv.Itoa(code)
		}
	}
	return names
}()

// statusLabel is the text of a status code. A request that was given up before it was answered has none: 0.
func statusLabel(status int) string {
	switch {
	case status == 0:
		return "0"
	case status < 0 || status >= len(statuses) || statuses[status] == "":
		return "_OTHER"
	}
	return statuses[status]
}
