package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// ruleFile is deploy/prometheus/alerts.yaml. Whether Prometheus takes it, promtool says: see deploy/check.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (records, alerts []rule) {
	t.Helper()
	b, err := os.ReadFile("../prometheus/alerts.yaml")
	require.NoError(t, err)
	var f ruleFile
	require.NoError(t, yaml.Unmarshal(b, &f))
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				records = append(records, r)
			} else {
				alerts = append(alerts, r)
			}
		}
	}
	require.NotEmpty(t, records)
	require.NotEmpty(t, alerts)
	return records, alerts
}

// recorded are the metrics of the program, and those that Prometheus makes of them.
func recorded(t *testing.T) known {
	t.Helper()
	k, err := program()
	require.NoError(t, err)
	records, _ := rules(t)
	for _, r := range records {
		k[r.Record] = map[string][]string{}
	}
	return k
}

func TestTheRulesNameOnlyMetricsAndLabelsThatThereAre(t *testing.T) {
	k := recorded(t)
	records, alerts := rules(t)
	for _, r := range slices.Concat(records, alerts) {
		require.NoError(t, k.check(r.Expr), r.Alert+r.Record)
	}
}

func TestAnAlertSaysHowBadItIsWhatToDoAndWhereThatIsExplained(t *testing.T) {
	_, alerts := rules(t)
	seen := map[string]bool{}
	for _, a := range alerts {
		require.Regexp(t, `^Shop[A-Za-z]+$`, a.Alert)
		require.False(t, seen[a.Alert], "%s twice", a.Alert)
		seen[a.Alert] = true
		require.Contains(t, []string{"critical", "warning"}, a.Labels["severity"], a.Alert)
		require.NotEmpty(t, a.Annotations["summary"], a.Alert)
		require.Contains(t, a.Annotations["description"], "Next: ", a.Alert)
		require.Equal(t, "docs/runbooks/"+a.Alert+".md", a.Annotations["runbook_url"])
	}
}

// headings of a page, in their order.
var headings = []string{"## What it means", "## What you see", "## Find the cause", "## End it", "## Do not", "## How this was tried"}

func TestEveryAlertHasItsPageAndEveryPageItsAlert(t *testing.T) {
	_, alerts := rules(t)
	index, err := os.ReadFile("../../docs/runbooks/README.md")
	require.NoError(t, err)
	pages, err := filepath.Glob("../../docs/runbooks/Shop*.md")
	require.NoError(t, err)
	require.Len(t, pages, len(alerts))
	for _, a := range alerts {
		b, err := os.ReadFile(filepath.Join("../..", a.Annotations["runbook_url"]))
		require.NoError(t, err)
		page := string(b)
		require.True(t, strings.HasPrefix(page, "# "+a.Alert+"\n"), a.Alert)
		require.Contains(t, string(index), "["+a.Alert+"]("+a.Alert+".md)")
		from := 0
		for _, h := range headings {
			at := strings.Index(page, "\n"+h+"\n")
			require.Greater(t, at, from, "%s: %s", a.Alert, h)
			from = at
		}
		require.Contains(t, page, "```sh\n", "%s: a command", a.Alert)
		require.Contains(t, page, a.Labels["severity"], a.Alert)
	}
}

// story is one test of promtool.
type story struct {
	Name   string
	Alerts []struct {
		Alert  string           `yaml:"alertname"`
		Expect []map[string]any `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

func TestEveryAlertHasAStoryThatFiresItAndOneThatDoesNot(t *testing.T) {
	fired, silent := map[string]bool{}, map[string]bool{}
	for _, file := range []string{"alerts_test.yaml", "alerts_days_test.yaml"} {
		b, err := os.ReadFile(filepath.Join("../prometheus", file))
		require.NoError(t, err)
		var f struct{ Tests []story }
		require.NoError(t, yaml.Unmarshal(b, &f))
		for _, s := range f.Tests {
			for _, a := range s.Alerts {
				require.True(t, strings.HasPrefix(s.Name, a.Alert+" "), s.Name)
				if len(a.Expect) > 0 {
					fired[a.Alert] = true
				} else {
					silent[a.Alert] = true
				}
			}
		}
	}
	_, alerts := rules(t)
	require.Len(t, fired, len(alerts))
	for _, a := range alerts {
		require.True(t, fired[a.Alert], "%s: no story in which it fires", a.Alert)
		require.True(t, silent[a.Alert], "%s: no story in which it stays silent", a.Alert)
	}
}

func TestNamesThatThereAreNotAreFound(t *testing.T) {
	k, err := program()
	require.NoError(t, err)
	for expression, says := range map[string]string{
		`sum(rate(shop_orders_placed[5m]))`:                                                      "no metric shop_orders_placed",
		`shop_saga_stuck{reason="lost"}`:                                                         `reason is never "lost"`,
		`shop_saga_stuck{step="take_payment"}`:                                                   "has no label step",
		`sum by (step) (shop_saga_stuck)`:                                                        "has the label step",
		`shop_orders_cancelled_total{reason=~"timed_out|late"} > 5 * up`:                         `never "late"`,
		`histogram_quantile(0.99, sum by (le) (rate(shop_db_transaction_duration_seconds[5m])))`: "no metric shop_db_transaction_duration_seconds",
		`rate(db_client_connection_wait_time_seconds_bucket[5m])`:                                "no metric",
		`1 + 1`: "names no metric",
	} {
		require.ErrorContains(t, k.check(expression), says)
	}
	for _, expression := range []string{
		`max by (namespace, context) (max_over_time(shop_outbox_oldest_age_seconds{context=~"$context"}[5m])) > 60`,
		`histogram_quantile(0.99, sum by (le, context) (rate(shop_db_transaction_duration_seconds_bucket[$__rate_interval])))`,
		`up == 0 and on (job, instance) last_over_time(shop_build_info[1h])`,
		`sum without (instance) (go_goroutines) / on () group_left () count(process_open_fds offset 5m)`,
	} {
		require.NoError(t, k.check(expression))
	}
}
