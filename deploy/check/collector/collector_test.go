package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v3"
)

// These tests run deploy/collector.yaml, with the ports of this machine, between a shop and a back end. A second way through the collector keeps everything: what was kept is compared
// with what there was. Stopping the collector decides about every trace, so that nothing has to be waited for.

// slow is what is slow in these tests: one second, which pm_test_slow takes.
const slow = time.Second

func TestOfAllTracesThoseWithAnErrorAndSlowOnesAreKeptWhole(t *testing.T) {
	everything, kept := backend(t), backend(t)
	c := run(t, everything, kept, map[string]string{"SHOP_TRACES_KEPT": "0", "SHOP_TRACES_SLOW": fmt.Sprint(slow.Milliseconds())}, "")
	shop := start(t, c.endpoint)
	shop.order(t, "pm_test_ok")
	failed, waited := shop.order(t, "pm_test_error_once"), shop.order(t, "pm_test_slow")
	for range 20 {
		shop.ask(t, "GET", "/v1/products/mug", shop.customer, "")
	}
	shop.stop(t)
	c.stop(t)

	wanted, ordinary := map[pcommon.TraceID]map[pcommon.SpanID]bool{}, 0
	for id, one := range everything.all() {
		if one.failed() || one.took() >= slow {
			wanted[id] = one.ids()
		} else {
			ordinary++
		}
	}
	require.Equal(t, wanted, ids(kept.all()))
	require.Positive(t, ordinary)
	for order, fails := range map[string]bool{failed: true, waited: false} {
		one := kept.all()[kept.wait(t, order, "POST /v1/orders")]
		require.Equal(t, fails, one.failed(), order)
		for _, span := range one {
			parent := span.ParentSpanID()
			require.True(t, parent.IsEmpty() || one[parent].TraceID() == span.TraceID(), "%s came without what led to it", span.Name())
		}
	}
}

func TestNoSpanSaysWhoTheCustomerIsOrHowHePays(t *testing.T) {
	everything := backend(t)
	c := run(t, everything, nil, nil, "")
	shop := start(t, c.endpoint)
	shop.ask(t, "POST", "/v1/customers", shop.customer, `{"name":"Ada Lovelace","email":"ada@analytical.example"}`)
	shop.order(t, "pm_test_error_once")
	shop.ask(t, "POST", "/v1/orders/"+shop.order(t, "pm_test_ok")+"/cancel", shop.customer, `{"reason":"changed my mind"}`)
	shop.stop(t)
	c.stop(t)
	said := everything.said.String()
	require.Contains(t, said, "POST /v1/customers")
	for _, private := range []string{"Lovelace", "St James Square", "SW1Y", "analytical.example", "pm_test", shop.customer, shop.operator, "my mind"} {
		require.NotContains(t, said, private)
	}
}

func TestAShareOfOrdinaryTracesIsKept(t *testing.T) {
	for _, test := range []struct {
		share       string
		least, most float64 // of 300, for chance: seven standard deviations
	}{{"0", 0, 0}, {"50", 0.3, 0.7}, {"100", 1, 1}} {
		t.Run(test.share, func(t *testing.T) {
			everything, kept := backend(t), backend(t)
			c := run(t, everything, kept, map[string]string{"SHOP_TRACES_KEPT": test.share, "SHOP_TRACES_SLOW": "3600000"}, "")
			shop := start(t, c.endpoint)
			for range 300 {
				shop.ask(t, "GET", "/v1/products/mug", shop.customer, "")
			}
			shop.order(t, "pm_test_ok")
			shop.stop(t)
			c.stop(t)
			there, taken := everything.all(), kept.all()
			require.GreaterOrEqual(t, len(there), 300, "the shop sends all of them")
			for id, one := range taken {
				require.Equal(t, there[id].ids(), one.ids(), "it is kept whole")
			}
			part := float64(len(taken)) / float64(len(there))
			require.GreaterOrEqual(t, part, test.least)
			require.LessOrEqual(t, part, test.most)
		})
	}
}

func TestWhatHappensLaterToAnOrderWhoseTraceWasKeptIsKeptToo(t *testing.T) {
	everything, kept := backend(t), backend(t)
	c := run(t, everything, kept, map[string]string{"SHOP_TRACES_KEPT": "0"}, `{processors: {tail_sampling: {decision_wait: 1s}}}`)
	shop := start(t, c.endpoint)
	order := shop.order(t, "pm_test_error_once")
	id := kept.wait(t, order, "POST /v1/orders") // it was decided about
	shop.ask(t, "POST", "/v1/orders/"+order+"/cancel", shop.customer, `{"reason":"changed my mind"}`)
	everything.wait(t, order, "refund")
	shop.stop(t)
	c.stop(t)
	require.Equal(t, everything.all()[id].ids(), kept.all()[id].ids())
	require.True(t, kept.all()[id].has(order, "refund"))
}

func TestTheCollectorStartsWithNothingSet(t *testing.T) {
	c := run(t, backend(t), nil, nil, "")
	shop := start(t, c.endpoint)
	shop.order(t, "pm_test_ok")
	shop.stop(t)
	c.stop(t)
}

// TestItIsTheCollectorOfCompose holds the version of the image against that of the modules here.
func TestItIsTheCollectorOfCompose(t *testing.T) {
	compose, err := os.ReadFile("../../compose.yaml")
	require.NoError(t, err)
	image := regexp.MustCompile(`otel/opentelemetry-collector-contrib:(\S+)`).FindSubmatch(compose)
	require.NotNil(t, image)
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	parts := regexp.MustCompile(`(?m)^\t\S*/(?:\w+receiver|\w+processor|\w+exporter|\w+extension|otelcol) v(\S+)$`).FindAllSubmatch(mod, -1)
	require.Len(t, parts, 10)
	for _, part := range parts {
		require.Equal(t, string(image[1]), string(part[1]), "%s", part[0])
	}
	require.Equal(t, string(image[1]), version)
}

// ids are the spans of traces.
func ids(traces map[pcommon.TraceID]trace) map[pcommon.TraceID]map[pcommon.SpanID]bool {
	all := map[pcommon.TraceID]map[pcommon.SpanID]bool{}
	for id, one := range traces {
		all[id] = one.ids()
	}
	return all
}

// composed are the variables of OpenTelemetry that compose gives to every process, as its x-settings say.
func composed(t *testing.T, part string) (env []string) {
	t.Helper()
	text, err := os.ReadFile("../../compose.yaml")
	require.NoError(t, err)
	var compose map[string]yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &compose))
	settings, node := map[string]string{}, compose[part]
	require.NoError(t, node.Decode(&settings))
	for name, v := range settings {
		if strings.HasPrefix(name, "OTEL_") {
			env = append(env, name+"="+v)
		}
	}
	require.NotEmpty(t, env)
	return env
}

// collector is one that runs.
type collector struct {
	endpoint string
	it       *otelcol.Collector
	ended    chan error
}

// run starts the collector with the ports of this machine and the environment that it has in its container. Everything is sent to the first back end, what it keeps to the second, if
// there is one. changes are more of its configuration.
func run(t *testing.T, everything, kept *sink, env map[string]string, changes string) *collector {
	t.Helper()
	if kept != nil {
		t.Setenv("SHOP_TRACES_ENDPOINT", kept.url)
		t.Setenv("SHOP_TRACES_EXPORTERS", "[debug, otlp_grpc]")
	}
	for name, v := range env {
		t.Setenv(name, v)
	}
	c := &collector{endpoint: freeAddress(t), ended: make(chan error, 1)}
	here := `yaml:{
		receivers: {otlp: {protocols: {grpc: {endpoint: "` + c.endpoint + `"}, http: {endpoint: "127.0.0.1:0"}}}},
		exporters: {prometheus: {endpoint: "127.0.0.1:0"}, otlp_grpc/everything: {endpoint: "` + everything.url + `", tls: {insecure: true}}},
		extensions: {health_check: {endpoint: "127.0.0.1:0"}},
		service: {telemetry: {metrics: {level: none}}, pipelines: {traces/everything: {receivers: [otlp], exporters: [otlp_grpc/everything]}}}}`
	s := settings()
	s.DisableGracefulShutdown = true // the signals are those of the tests
	s.ConfigProviderSettings.ResolverSettings.URIs = []string{"file:../../collector.yaml", strings.Join(strings.Fields(here), " ")}
	if changes != "" {
		s.ConfigProviderSettings.ResolverSettings.URIs = append(s.ConfigProviderSettings.ResolverSettings.URIs, "yaml:"+changes)
	}
	s.LoggingOptions = []zap.Option{zap.IncreaseLevel(zapcore.ErrorLevel)}
	var err error
	c.it, err = otelcol.NewCollector(s)
	require.NoError(t, err)
	go func() { c.ended <- c.it.Run(context.Background()) }()
	t.Cleanup(c.it.Shutdown)
	for c.it.GetState() != otelcol.StateRunning {
		select {
		case err := <-c.ended:
			require.NoError(t, err)
			require.Fail(t, "the collector ended")
		case <-time.After(10 * time.Millisecond):
		}
	}
	return c
}

// stop ends it, which decides about every trace and sends what is kept.
func (c *collector) stop(t *testing.T) {
	t.Helper()
	c.it.Shutdown()
	require.NoError(t, <-c.ended)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
