package check

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/releaseutil"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const chartDir = "../helm/shop"

// topologies are the values in the chart's ci directory, by the name of the file.
var topologies = []string{"monolith", "payments-out", "all-out"}

// object is what the chart renders.
type object interface {
	runtime.Object
	metav1.Object
}

// release is the chart, rendered.
type release struct {
	objects []object
	texts   []string // of the objects
	notes   string
}

func ciValues(t *testing.T, topology string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(chartDir, "ci", topology+"-values.yaml"))
	require.NoError(t, err)
	values := map[string]any{}
	require.NoError(t, yaml.UnmarshalStrict(b, &values))
	return values
}

// merged is the values of a topology, changed by a text of YAML as `helm --values` changes them.
func merged(t *testing.T, topology, text string) map[string]any {
	t.Helper()
	change := map[string]any{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &change))
	return chartutil.CoalesceTables(change, ciValues(t, topology))
}

// templated is `helm template`: the files by name, and their error.
func templated(t *testing.T, name string, values map[string]any) (map[string]string, error) {
	t.Helper()
	chart, err := loader.Load(chartDir)
	require.NoError(t, err)
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *kubernetes(t)
	require.True(t, chartutil.IsCompatibleRange(chart.Metadata.KubeVersion, capabilities.KubeVersion.String()))
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: name, Namespace: "tea", Revision: 1, IsInstall: true}, capabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, all)
}

// kubernetes is the oldest version that the chart is for.
func kubernetes(t *testing.T) *chartutil.KubeVersion {
	t.Helper()
	version, err := chartutil.ParseKubeVersion("v1.30.0")
	require.NoError(t, err)
	return version
}

var decoder = func() runtime.Decoder {
	utilruntime.Must(monitoringv1.AddToScheme(scheme.Scheme))
	return serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
}()

// installed renders the chart and decodes every object strictly: an unknown or repeated field is an error.
func installed(t *testing.T, name string, values map[string]any) *release {
	t.Helper()
	files, err := templated(t, name, values)
	require.NoError(t, err)
	r := &release{}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(file, "NOTES.txt") {
			r.notes = files[file]
			continue
		}
		for _, text := range releaseutil.SplitManifests(files[file]) {
			if strings.TrimSpace(text) == "" || !strings.Contains(text, "kind:") {
				continue
			}
			decoded, _, err := decoder.Decode([]byte(text), nil, nil)
			require.NoError(t, err, "%s:\n%s", file, text)
			o, ok := decoded.(object)
			require.True(t, ok, file)
			r.objects, r.texts = append(r.objects, o), append(r.texts, text)
		}
	}
	return r
}

// each runs a test for every topology.
func each(t *testing.T, test func(t *testing.T, r *release)) {
	for _, topology := range topologies {
		t.Run(topology, func(t *testing.T) { test(t, installed(t, "shop", ciValues(t, topology))) })
	}
}

// all are the objects of a kind, by their name.
func all[T object](r *release) map[string]T {
	found := map[string]T{}
	for _, o := range r.objects {
		if o, ok := o.(T); ok {
			found[o.GetName()] = o
		}
	}
	return found
}

// pods are the templates of all pods, by the name of what makes them.
func (r *release) pods() map[string]corev1.PodTemplateSpec {
	found := map[string]corev1.PodTemplateSpec{}
	for name, d := range all[*appsv1.Deployment](r) {
		found[name] = d.Spec.Template
	}
	for name, j := range all[*batchv1.Job](r) {
		found[name] = j.Spec.Template
	}
	return found
}

func TestHelmLintFindsNothing(t *testing.T) {
	for _, topology := range topologies {
		linter := lint.AllWithKubeVersionAndSchemaValidation(chartDir, ciValues(t, topology), "tea", kubernetes(t), false)
		require.NotEmpty(t, linter.ChartDir)
		for _, m := range linter.Messages {
			require.Less(t, m.Severity, support.WarningSev, m.Error())
		}
	}
}

func TestWhatTheChartRendersIsWhatKubernetesTakes(t *testing.T) {
	each(t, func(t *testing.T, r *release) {
		require.NotEmpty(t, r.objects)
		names := map[string]bool{}
		for i, o := range r.objects {
			kind := o.GetObjectKind().GroupVersionKind()
			full := kind.Kind + "/" + o.GetName()
			require.False(t, names[full], "%s twice", full)
			names[full] = true
			if kind.Group != monitoringv1.SchemeGroupVersion.Group { // an operator's; its types were strict already
				require.NoError(t, wrong(t, kind, r.texts[i]), r.texts[i])
			}
		}
	})
}

func TestNamesAreDNSLabelsHoweverLongTheReleaseIsCalled(t *testing.T) {
	values := merged(t, "payments-out", `{processes: {rest: null, a-process-of-a-long-name: {contexts: [all, -payments]}}, entry: a-process-of-a-long-name}`)
	r := installed(t, strings.Repeat("release", 7), values)
	require.Contains(t, all[*corev1.Service](r), "releasereleasereleasereleasereleaserel-a-process-of-a-long-name")
	for _, o := range r.objects {
		require.Regexp(t, `^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`, o.GetName())
		for _, value := range o.GetLabels() {
			require.LessOrEqual(t, len(value), 63)
		}
	}
}

func TestTheNotesTellTheTopology(t *testing.T) {
	require.Contains(t, installed(t, "shop", ciValues(t, "monolith")).notes, "shop-monolith: catalog, customers, inventory, payments, shipping, orders, notifications")
	out := installed(t, "shop", ciValues(t, "payments-out")).notes
	require.Contains(t, out, "2 processes")
	require.Contains(t, out, "shop-payments: payments")
	require.Contains(t, out, "leads to rest")
	require.Contains(t, installed(t, "shop", ciValues(t, "all-out")).notes, "https://shop.example")
	require.NotContains(t, out, "is empty")
	require.Contains(t, installed(t, "shop", merged(t, "payments-out", `{trustedProxies: {others: []}, networkPolicy: {entryFrom: []}}`)).notes, "nobody in the cluster may reach the entry")
}

func TestATopologyThatCannotWorkIsRefused(t *testing.T) {
	for change, says := range map[string]string{
		`{processes: {more: {contexts: [orders]}}}`:                             "orders is hosted twice, by processes.more and processes.rest",
		`{processes: {payments: null}}`:                                         "no process hosts payments",
		`{processes: {rest: {contexts: [all, -payments, -orders]}}}`:            "no process hosts orders",
		`{processes: {rest: {contexts: [-payments]}}}`:                          "say [all, -payments]",
		`{processes: {none: {contexts: [orders, -orders]}}}`:                    "processes.none hosts no context",
		`{bus: {existingSecret: ""}}`:                                           "several processes need a broker",
		`{bus: {url: "nats://nats:4222"}}`:                                      "give the URL or the secret, not both",
		`{entry: ""}`:                                                           "several processes: name the one where requests come in",
		`{entry: shop}`:                                                         "entry: there is no process shop",
		`{processes: {rest: {hpa: {minReplicas: 7}}}}`:                          "minReplicas is more than maxReplicas",
		`{database: {existingSecret: ""}}`:                                      "the secret with the URL of the database is needed",
		`{tokens: {issuer: ""}}`:                                                "tokens.issuer and tokens.audience are needed",
		`{tokens: {existingSecret: ""}}`:                                        "tokens.jwksURL or tokens.existingSecret is needed",
		`{tokens: {jwksURL: "https://issuer.example/keys"}}`:                    "one of them",
		`{mail: {existingSecret: shop-mail}}`:                                   "mail.from",
		`{ingress: {enabled: true}}`:                                            "ingress.host is needed",
		`{telemetry: {metrics: true}}`:                                          "telemetry.otlpEndpoint is needed",
		`{telemetry: {sampler: some}}`:                                          "values don't meet the specifications of the schema",
		`{processes: {rest: {contexts: [all, -payment]}}}`:                      "values don't meet the specifications of the schema",
		`{processes: {rest: {contexts: []}}}`:                                   "values don't meet the specifications of the schema",
		`{processes: {rest: {replicas: 2}}}`:                                    "values don't meet the specifications of the schema",
		`{processes: {rest: {replica: 2}}}`:                                     "values don't meet the specifications of the schema",
		`{processes: {Rest: {contexts: [orders]}}}`:                             "values don't meet the specifications of the schema",
		`{replicas: 2}`:                                                         "values don't meet the specifications of the schema",
		`{bus: {existingSecret: "", url: "memory:"}}`:                           "values don't meet the specifications of the schema",
		`{tokens: {existingSecret: "", jwksURL: "http://issuer.example/keys"}}`: "values don't meet the specifications of the schema",
		`{networkPolicy: {entryFrom: [{}]}}`:                                    "values don't meet the specifications of the schema",
		`{podLabels: {app.kubernetes.io/name: other}}`:                          "values don't meet the specifications of the schema",
		`{image: {pullPolicy: Sometimes}}`:                                      "values don't meet the specifications of the schema",
		`{rateLimits: {customer: -1}}`:                                          "values don't meet the specifications of the schema",
	} {
		_, err := templated(t, "shop", merged(t, "payments-out", change))
		require.ErrorContains(t, err, says, change)
	}
}
