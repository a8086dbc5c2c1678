package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTracesAreExportedWhereTheStandardVariablesSaySo(t *testing.T) {
	const endpoint = "http://collector:4317"
	for name, c := range map[string]struct {
		given map[string]string
		want  bool
	}{
		"nothing is said":        {map[string]string{}, false},
		"an endpoint":            {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, true},
		"one for traces":         {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint}, true},
		"one for metrics":        {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": endpoint}, false},
		"none":                   {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_EXPORTER": "none"}, false},
		"otlp":                   {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
		"all of it is off":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SDK_DISABLED": "true"}, false},
		"the protocol is spoken": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings{TraceSpans: "10", TracesExporter: c.given["OTEL_TRACES_EXPORTER"], SDKDisabled: c.given["OTEL_SDK_DISABLED"]}
			got, err := s.tracing(c.given)
			require.NoError(t, err)
			require.Equal(t, c.want, got.export)
		})
	}
}

func TestAWrongSettingOfTracesIsToldByItsName(t *testing.T) {
	endpoint := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
	for want, c := range map[string]struct {
		settings
		given map[string]string
	}{
		"SHOP_TRACE_SPANS":            {settings{TraceSpans: "many"}, nil},
		"OTEL_TRACES_EXPORTER":        {settings{TraceSpans: "0", TracesExporter: "zipkin"}, nil},
		"OTEL_EXPORTER_OTLP_PROTOCOL": {settings{TraceSpans: "0"}, endpoint},
		"OTEL_TRACES_SAMPLER":         {settings{TraceSpans: "0", TracesSampler: "sometimes"}, nil},
	} {
		_, err := c.tracing(c.given)
		require.ErrorContains(t, err, want+":")
		var exit *exitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, exitConfiguration, exit.code)
	}
}
