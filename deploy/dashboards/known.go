package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"shop/internal/platform/metrics"
)

// scraped are the labels that Prometheus gives to whatever it scrapes, here and in Kubernetes.
var scraped = []string{"job", "instance", "namespace"}

// known says which metrics there are, with their labels, and which values these can have; nil is any.
type known map[string]map[string][]string

// program are the metrics that the program has.
func program() (known, error) {
	k := known{"up": {}, "ALERTS": {"alertname": nil, "alertstate": {"pending", "firing"}, "severity": {"critical", "warning"}}}
	for _, d := range metrics.All() {
		labels := map[string][]string{}
		for _, l := range d.Labels {
			labels[l.Prometheus()] = l.Values
		}
		name := d.Prometheus()
		if d.Kind != metrics.Histogram {
			k[name] = labels
			continue
		}
		k[name+"_sum"], k[name+"_count"] = labels, labels
		if len(d.Buckets) > 0 {
			buckets := map[string][]string{"le": nil}
			for label, values := range labels {
				buckets[label] = values
			}
			k[name+"_bucket"] = buckets
		}
	}
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := r.Gather()
	for _, f := range families {
		for _, name := range []string{f.GetName(), f.GetName() + "_sum", f.GetName() + "_count"} {
			k[name] = map[string][]string{"quantile": nil}
		}
	}
	return k, err
}

// check reports what an expression names that there is not: a metric, a label, or a value that a label never has. An empty text is none.
func (k known) check(expression string) error {
	n := namesIn(expression)
	if len(n.metrics) == 0 {
		return fmt.Errorf("%s: names no metric", expression)
	}
	grouped := slices.Clone(scraped)
	for _, name := range n.metrics {
		labels, is := k[name]
		if !is {
			return fmt.Errorf("%s: there is no metric %s", expression, name)
		}
		for label := range labels {
			grouped = append(grouped, label)
		}
	}
	for _, label := range n.groups {
		if !slices.Contains(grouped, label) {
			return fmt.Errorf("%s: no metric in it has the label %s", expression, label)
		}
	}
	for _, m := range n.matches {
		values, is := k[m.metric][m.label]
		if !is && !slices.Contains(scraped, m.label) {
			return fmt.Errorf("%s: %s has no label %s", expression, m.metric, m.label)
		}
		if err := possible(m, values); err != nil {
			return fmt.Errorf("%s: %w", expression, err)
		}
	}
	return nil
}

var words = regexp.MustCompile(`^[\w|]+$`) // or words, the one or the other

// possible reports a value that a label never has. Where its values are not known, none is reported.
func possible(m match, values []string) error {
	if len(values) == 0 || m.value == "" || strings.HasSuffix(m.operator, "~") && !words.MatchString(m.value) {
		return nil
	}
	for _, value := range strings.Split(m.value, "|") {
		if !slices.Contains(values, value) {
			return fmt.Errorf("%s is never %q, but one of %q", m.label, value, values)
		}
	}
	return nil
}
