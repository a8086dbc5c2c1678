package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind of a metric.
type Kind int

const (
	Counter   Kind = iota // only grows
	Gauge                 // how much there is of something that cannot be added up, such as an age or a state
	UpDown                // how many there are of something; can be added up
	Histogram             // how often which values were seen
)

// String is the kind in the words of Prometheus.
func (k Kind) String() string { return [...]string{"counter", "gauge", "gauge", "histogram"}[k] }

// Definition is what is known of a metric before anything is measured.
type Definition struct {
	Name    string // OpenTelemetry's: messaging.process.duration
	Kind    Kind
	Unit    string // UCUM: s, By, or in braces what is counted: {message}
	Help    string
	Labels  []Label
	Buckets []float64 // upper bounds of a histogram, in Unit
	Shared  bool      // read from a database: all processes that host the context tell the same number, so take the greatest, not the sum
}

// Label is one dimension of a metric.
type Label struct {
	Name    string   // OpenTelemetry's, if it has a dot; else ours, which OpenTelemetry sees with "shop." before it
	Values  []string // all that there can be; "" stands for its absence
	Of      Domain   // or of what there is one value each
	Follows bool     // from another label: it makes no series more
}

// Domain is a set of values that is not known before the program runs, but bounded by what an operator decides on.
type Domain string

const (
	Contexts   Domain = "contexts"   // and databases, which have their names
	Routes     Domain = "routes"     // patterns that are registered, and one for all other paths
	Statuses   Domain = "statuses"   // HTTP status codes that the program answers with
	Topics     Domain = "topics"     // two a context
	Currencies Domain = "currencies" // the first 32 that are seen, and "other"
	Caches     Domain = "caches"
	Programs   Domain = "programs" // one
)

// MaxCurrencies is how many currencies have series of their own.
const MaxCurrencies = 32

// suffixes are how Prometheus spells units that are no counts of something.
var suffixes = map[string]string{"s": "_seconds", "By": "_bytes", "1": "_ratio"}

// Prometheus is the metric's name in Prometheus: dots are underscores, then comes the unit, and "total" after a counter.
// See https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/.
func (d *Definition) Prometheus() string {
	name := underscored(d.Name) + suffixes[d.Unit]
	if d.Kind == Counter {
		name += "_total"
	}
	return name
}

// Prometheus is the label's name in Prometheus.
func (l Label) Prometheus() string { return underscored(l.Name) }

// OpenTelemetry is the attribute's name.
func (l Label) OpenTelemetry() string {
	if strings.Contains(l.Name, ".") {
		return l.Name
	}
	return "shop." + l.Name
}

func underscored(name string) string { return strings.ReplaceAll(name, ".", "_") }

// LabelNames are the labels' names in Prometheus, in the order in which instruments want their values.
func (d *Definition) LabelNames() []string {
	names := make([]string, len(d.Labels))
	for i, l := range d.Labels {
		names[i] = l.Prometheus()
	}
	return names
}

// Bound is how many combinations of labels there can be at most, when size says how many values each domain has.
func (d *Definition) Bound(size func(Domain) int) int {
	n := 1
	for _, l := range d.Labels {
		switch {
		case l.Follows:
		case l.Of != "":
			n *= size(l.Of)
		default:
			n *= len(l.Values)
		}
	}
	return n
}

// All are all definitions, by the order of the table.
func All() []*Definition { return slices.Clone(all) }

// Find is the metric with that name in Prometheus; nil when there is none.
func Find(prometheusName string) *Definition { return byName[prometheusName] }

var (
	all    []*Definition
	byName = map[string]*Definition{}
)

// define puts a metric into the table.
func define(d Definition) *Definition {
	name := d.Prometheus()
	if byName[name] != nil {
		panic("metrics: " + name + " is defined twice")
	}
	all = append(all, &d)
	byName[name] = &d
	return &d
}

// Desc is the metric for a collector that reads it when it is asked for. Values that are the same in all of its series can be given here, by label: the series give the others.
func (d *Definition) Desc(fixed prometheus.Labels) *prometheus.Desc {
	return prometheus.NewDesc(d.Prometheus(), d.Help, d.variable(fixed), fixed)
}

// variable are the labels that are not fixed.
func (d *Definition) variable(fixed prometheus.Labels) []string {
	return slices.DeleteFunc(d.LabelNames(), func(name string) bool { _, is := fixed[name]; return is })
}

// CounterVec makes the counters of a metric. Labels that are fixed are those of all of them.
func (d *Definition) CounterVec(fixed prometheus.Labels) *prometheus.CounterVec {
	d.must(Counter)
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Prometheus(), Help: d.Help, ConstLabels: fixed}, d.variable(fixed))
}

// Counter makes the counter of a metric without labels, or with fixed ones only.
func (d *Definition) Counter(fixed prometheus.Labels) prometheus.Counter {
	d.must(Counter)
	d.mustFix(fixed)
	return prometheus.NewCounter(prometheus.CounterOpts{Name: d.Prometheus(), Help: d.Help, ConstLabels: fixed})
}

// GaugeVec makes the gauges of a metric.
func (d *Definition) GaugeVec(fixed prometheus.Labels) *prometheus.GaugeVec {
	d.must(Gauge, UpDown)
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Prometheus(), Help: d.Help, ConstLabels: fixed}, d.variable(fixed))
}

// Gauge makes the gauge of a metric without labels, or with fixed ones only.
func (d *Definition) Gauge(fixed prometheus.Labels) prometheus.Gauge {
	d.must(Gauge, UpDown)
	d.mustFix(fixed)
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: d.Prometheus(), Help: d.Help, ConstLabels: fixed})
}

// GaugeFunc makes a gauge that is read when it is asked for.
func (d *Definition) GaugeFunc(fixed prometheus.Labels, value func() float64) prometheus.GaugeFunc {
	d.must(Gauge, UpDown)
	d.mustFix(fixed)
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: d.Prometheus(), Help: d.Help, ConstLabels: fixed}, value)
}

// HistogramVec makes the histograms of a metric.
func (d *Definition) HistogramVec(fixed prometheus.Labels) *prometheus.HistogramVec {
	d.must(Histogram)
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Prometheus(), Help: d.Help, ConstLabels: fixed, Buckets: d.Buckets}, d.variable(fixed))
}

// Histogram makes the histogram of a metric without labels, or with fixed ones only.
func (d *Definition) Histogram(fixed prometheus.Labels) prometheus.Histogram {
	d.must(Histogram)
	d.mustFix(fixed)
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: d.Prometheus(), Help: d.Help, ConstLabels: fixed, Buckets: d.Buckets})
}

func (d *Definition) must(kinds ...Kind) {
	if !slices.Contains(kinds, d.Kind) {
		panic("metrics: " + d.Prometheus() + " is a " + d.Kind.String())
	}
}

func (d *Definition) mustFix(fixed prometheus.Labels) {
	if left := d.variable(fixed); len(left) > 0 {
		panic("metrics: " + d.Prometheus() + " has labels: " + strings.Join(left, ", "))
	}
}
