package metrics

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Producer gives OpenTelemetry what a gatherer gathers, under the names of the table.
func Producer(g prometheus.Gatherer) sdkmetric.Producer {
	return producer{bridge.NewMetricProducer(bridge.WithGatherer(g))}
}

type producer struct{ of sdkmetric.Producer }

// foreign are the names of metrics that client_golang has and the conventions name otherwise, see https://opentelemetry.io/docs/specs/semconv/runtime/go-metrics/ and
// https://opentelemetry.io/docs/specs/semconv/system/process-metrics/. Its other metrics keep their names.
var foreign = map[string]struct {
	name, unit string
	sum        bool // rather than a gauge
}{
	"go_goroutines":                 {"go.goroutine.count", "{goroutine}", true},
	"go_gc_gogc_percent":            {"go.config.gogc", "%", true},
	"go_gc_gomemlimit_bytes":        {"go.memory.limit", "By", true},
	"go_sched_gomaxprocs_threads":   {"go.processor.limit", "{thread}", true},
	"process_cpu_seconds_total":     {"process.cpu.time", "s", true},
	"process_resident_memory_bytes": {"process.memory.usage", "By", true},
	"process_virtual_memory_bytes":  {"process.memory.virtual", "By", true},
	"process_open_fds":              {"process.unix.file_descriptor.count", "{file_descriptor}", true},
}

// Produce implements sdkmetric.Producer.
func (p producer) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	scopes, err := p.of.Produce(ctx)
	for i := range scopes {
		scopes[i].Scope = instrumentation.Scope{Name: "shop"}
		for j := range scopes[i].Metrics {
			rename(&scopes[i].Metrics[j])
		}
	}
	if err != nil {
		err = fmt.Errorf("gathering metrics: %w", err)
	}
	return scopes, err
}

func rename(m *metricdata.Metrics) {
	if d := Find(m.Name); d != nil {
		m.Name, m.Unit = d.Name, d.Unit
		m.Data = convert(m.Data, d.attributes, d.Kind == UpDown)
	} else if f, known := foreign[m.Name]; known {
		m.Name, m.Unit = f.name, f.unit
		m.Data = convert(m.Data, func(s attribute.Set) attribute.Set { return s }, f.sum)
	}
}

// attributes are the labels of a series under their names in OpenTelemetry. One without a value is absent.
func (d *Definition) attributes(labels attribute.Set) attribute.Set {
	all := make([]attribute.KeyValue, 0, len(d.Labels))
	for _, l := range d.Labels {
		if v, there := labels.Value(attribute.Key(l.Prometheus())); there && v.AsString() != "" {
			all = append(all, attribute.KeyValue{Key: attribute.Key(l.OpenTelemetry()), Value: v})
		}
	}
	return attribute.NewSet(all...)
}

// convert renames the attributes of all series. What can be added up, and Prometheus knows only as a gauge, becomes a sum.
func convert(data metricdata.Aggregation, attributes func(attribute.Set) attribute.Set, sum bool) metricdata.Aggregation {
	switch data := data.(type) {
	case metricdata.Sum[float64]:
		for i := range data.DataPoints {
			data.DataPoints[i].Attributes = attributes(data.DataPoints[i].Attributes)
		}
	case metricdata.Gauge[float64]:
		for i := range data.DataPoints {
			data.DataPoints[i].Attributes = attributes(data.DataPoints[i].Attributes)
		}
		if sum {
			return metricdata.Sum[float64]{DataPoints: data.DataPoints, Temporality: metricdata.CumulativeTemporality}
		}
	case metricdata.Histogram[float64]:
		for i := range data.DataPoints {
			data.DataPoints[i].Attributes = attributes(data.DataPoints[i].Attributes)
		}
	}
	return data
}
