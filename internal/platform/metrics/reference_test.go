package metrics

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the reference anew")

const referenceHead = `# Metrics

Every process tells its metrics at ` + "`/metrics`" + ` of its admin port, in Prometheus' format. With ` + "`OTEL_METRICS_EXPORTER=otlp`" + `, or when ` + "`OTEL_EXPORTER_OTLP_ENDPOINT`" + ` names a
collector, it sends the same metrics there, over gRPC, every ` + "`OTEL_METRIC_EXPORT_INTERVAL`" + ` milliseconds (60000) and once more when it stops. The standard variables of OpenTelemetry's
exporter hold (` + "`OTEL_EXPORTER_OTLP_HEADERS`, `…_TIMEOUT`, `…_CERTIFICATE`" + `; the protocol is ` + "`grpc`" + `); ` + "`OTEL_SDK_DISABLED=true`" + ` turns the export off.

The names are those of [OpenTelemetry's semantic conventions](https://opentelemetry.io/docs/specs/semconv/), and begin with ` + "`shop.`" + ` where those know none. Prometheus sees dots as underscores,
the unit at the end, and ` + "`_total`" + ` after a counter. A label with a dot in its name is one of the conventions; any other is ours, and OpenTelemetry sees it with ` + "`shop.`" + ` before
it: ` + "`context`" + ` is the attribute ` + "`shop.context`" + `. A label without a value, such as the ` + "`error.type`" + ` of what went well, is empty in Prometheus and absent in OpenTelemetry.

Each label has a bounded number of values: those that are listed, or one for each of something that an operator decides on. What a client sends never becomes a label; a request for an address
that does not exist counts under an empty ` + "`http.route`" + `.

What is marked **shared** is read from a database when somebody asks, so that all processes that host the context tell the same: take the greatest value, not the sum. What could not be read in
two seconds is missing. Counters of orders count what became durable, in the process that wrote it; add them up.

Those of the Go runtime (` + "`go_…`" + `) and of the process (` + "`process_…`" + `) are Prometheus' own.

This page is written by ` + "`go test ./internal/platform/metrics -update`" + `.
`

// sections say which metric begins which.
var sections = map[*Definition]string{
	HTTPDuration: "The edge", MessagesSent: "Messages", DBConnections: "Databases", UpstreamRequests: "Other processes, flags and caches",
	SagaRunning: "The process of orders", OrdersPlaced: "The business", Build: "The program",
}

func TestTheReferenceOfMetricsIsComplete(t *testing.T) {
	const file = "../../../docs/reference/metrics.md"
	text := reference()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return
	}
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(written), text, "run the test with -update to write it anew")
}

func reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, d := range All() {
		if title := sections[d]; title != "" {
			fmt.Fprintf(&b, "\n## %s\n\n| Prometheus | OpenTelemetry | kind, unit | labels | |\n|---|---|---|---|---|\n", title)
		}
		kind := d.Kind.String()
		if d.Kind == UpDown {
			kind = "up-down counter"
		}
		help := d.Help
		if d.Shared {
			help += " **Shared.**"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s, `%s` | %s | %s |\n", d.Prometheus(), d.Name, kind, d.Unit, labels(d), help)
	}
	return b.String()
}

func labels(d *Definition) string {
	var all []string
	for _, l := range d.Labels {
		text := "`" + l.Name + "`"
		switch {
		case l.Of != "":
			text += " (" + string(l.Of) + ")"
		case len(l.Values) > 0:
			var values []string
			for _, v := range l.Values {
				if v == "" {
					v = "none"
				}
				values = append(values, v)
			}
			text += ": " + strings.Join(values, ", ")
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

func TestNamesInPrometheusFollowFromThoseOfOpenTelemetry(t *testing.T) {
	for want, d := range map[string]*Definition{
		"http_server_request_duration_seconds": HTTPDuration, "messaging_client_sent_messages_total": MessagesSent,
		"db_client_connection_count": DBConnections, "shop_outbox_oldest_age_seconds": OutboxOldest, "shop_orders_placed_total": OrdersPlaced,
	} {
		require.Equal(t, want, d.Prometheus())
		require.Same(t, d, Find(want))
	}
	require.Equal(t, "messaging_destination_name", perTopic.Prometheus())
	require.Equal(t, "messaging.destination.name", perTopic.OpenTelemetry())
	require.Equal(t, "context", perContext.Prometheus())
	require.Equal(t, "shop.context", perContext.OpenTelemetry())
}

func TestEachLabelIsBounded(t *testing.T) {
	for _, d := range All() {
		require.NotEmpty(t, d.Help, d.Name)
		require.NotEmpty(t, d.Unit, d.Name)
		require.NotEqual(t, "1", d.Unit, "%s would be a ratio", d.Name)
		names := map[string]bool{}
		for _, l := range d.Labels {
			require.False(t, names[l.Name], "%s has %s twice", d.Name, l.Name)
			names[l.Name] = true
			require.True(t, len(l.Values) > 0 != (l.Of != "") || l.Follows, "%s: %s is either listed or one for each of something", d.Name, l.Name)
		}
	}
	require.Equal(t, 10*2*2, DBConnections.Bound(func(Domain) int { return 10 }), "databases, pools, states")
}
