package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// promtool is Prometheus' own, in the version that promtool/go.mod names. It is a module beside this one, so that what Prometheus needs decides nothing about Helm's libraries, and it
// is built without the discovery of services but by DNS: it would need the libraries of every cloud.
var promtool = sync.OnceValues(func() (string, error) {
	built := filepath.Join(filepath.Dir(program), "promtool")
	build := exec.Command("go", "build", "-tags", "remove_all_sd,enable_dns_sd", "-o", built, "github.com/prometheus/prometheus/cmd/promtool")
	build.Dir, build.Stderr = "promtool", os.Stderr
	return built, build.Run()
})

// withPromtool runs promtool in deploy/prometheus and returns what it says.
func withPromtool(t *testing.T, args ...string) string {
	t.Helper()
	tool, err := promtool()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Dir = filepath.Join("..", "prometheus")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

func TestPrometheusTakesTheRules(t *testing.T) {
	require.Contains(t, withPromtool(t, "check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml"), "SUCCESS")
}

func TestEveryAlertFiresWhenItShouldAndStaysSilentWhenItShould(t *testing.T) {
	for _, file := range []string{"alerts_test.yaml", "alerts_days_test.yaml"} {
		require.Contains(t, withPromtool(t, "test", "rules", file), "SUCCESS")
	}
}

// groups are those of a text of rules.
func groups(t *testing.T, text []byte) []monitoringv1.RuleGroup {
	t.Helper()
	var spec monitoringv1.PrometheusRuleSpec
	require.NoError(t, yaml.UnmarshalStrict(text, &spec))
	require.NotEmpty(t, spec.Groups)
	return spec.Groups
}

func TestTheChartDeploysTheRulesAndTheDashboardsAsTheyAre(t *testing.T) {
	alerts, err := os.ReadFile("../prometheus/alerts.yaml")
	require.NoError(t, err)
	files, err := filepath.Glob("../grafana/dashboards/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)

	plain := installed(t, "shop", merged(t, "monolith", `{prometheusRule: {enabled: true}, dashboards: {enabled: true}}`))
	require.Equal(t, groups(t, alerts), all[*monitoringv1.PrometheusRule](plain)["shop"].Spec.Groups)
	shown := all[*corev1.ConfigMap](plain)
	require.Len(t, shown, len(files))
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		name := filepath.Base(file)
		m := shown["shop-dashboard-"+strings.TrimSuffix(strings.TrimPrefix(name, "shop-"), ".json")]
		require.NotNil(t, m, name)
		require.JSONEq(t, string(b), m.Data[name])
		require.Equal(t, "1", m.Labels["grafana_dashboard"])
	}
	bare := installed(t, "shop", ciValues(t, "monolith"))
	require.Empty(t, all[*monitoringv1.PrometheusRule](bare))
	require.Empty(t, all[*corev1.ConfigMap](bare))
}

func TestAlertsAndDashboardsLeadToWhereTheRunbooksArePublished(t *testing.T) {
	const at = "https://git.example/shop/blob/v1.2.3/docs/runbooks"
	r := installed(t, "shop", ciValues(t, "all-out"))
	rule := all[*monitoringv1.PrometheusRule](r)["shop"]
	require.Equal(t, "prometheus", rule.Labels["release"])
	for _, g := range rule.Spec.Groups {
		for _, one := range g.Rules {
			if one.Alert != "" {
				require.Equal(t, at+"/"+one.Alert+".md", one.Annotations["runbook_url"])
			}
		}
	}
	for name, m := range all[*corev1.ConfigMap](r) {
		require.Equal(t, "shop", m.Annotations["grafana_folder"], name)
		for _, text := range m.Data {
			require.Contains(t, text, `"query": "`+at+`"`, name)
		}
	}
	_, err := templated(t, "shop", merged(t, "monolith", `{runbooks: docs/runbooks}`))
	require.ErrorContains(t, err, "values don't meet the specifications of the schema")
}

// composedWithWatch is compose.yaml with compose.watch.yaml over it.
func composedWithWatch(t *testing.T) *types.Project {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deploy")
	require.NoError(t, os.CopyFS(dir, os.DirFS("..")))
	require.NoError(t, exec.CommandContext(t.Context(), filepath.Join(dir, "new-env.sh")).Run())
	o, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml"), filepath.Join(dir, "compose.watch.yaml")},
		cli.WithWorkingDirectory(dir), cli.WithEnvFiles(), cli.WithDotEnv)
	require.NoError(t, err)
	p, err := o.LoadProject(t.Context())
	require.NoError(t, err)
	return p
}

func TestPrometheusAndGrafanaOfComposeAreHardenedAndReadWhatStandsHere(t *testing.T) {
	p := composedWithWatch(t)
	for name, port := range map[string]string{"prometheus": "127.0.0.1:9090", "grafana": "127.0.0.1:3000"} {
		s := p.Services[name]
		require.Regexp(t, `^[1-9]\d*:\d+$`, s.User, name)
		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Equal(t, []string{"no-new-privileges:true"}, s.SecurityOpt, name)
		require.NotZero(t, s.PidsLimit, name)
		require.NotZero(t, s.MemLimit, name)
		require.Regexp(t, `:v?\d+\.\d+\.\d+$`, s.Image, name)
		require.Len(t, s.Ports, 1, name)
		require.Equal(t, port, s.Ports[0].HostIP+":"+s.Ports[0].Published)
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				require.True(t, v.ReadOnly, v.Source)
				_, err := os.Stat(v.Source)
				require.NoError(t, err, name)
			}
		}
	}
	require.Contains(t, withPromtool(t, "check", "config", "--syntax-only", "prometheus.yaml"), "SUCCESS")
	for _, file := range []string{"datasources/shop.yaml", "dashboards/shop.yaml"} {
		b, err := os.ReadFile(filepath.Join("../grafana/provisioning", file))
		require.NoError(t, err)
		require.NoError(t, yaml.UnmarshalStrict(b, &map[string]any{}), file)
	}
}
