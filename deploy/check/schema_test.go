package check

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// compiler knows the schemas of Kubernetes; see the command schemas.
var compiler = sync.OnceValues(func() (*jsonschema.Compiler, error) {
	data, err := os.ReadFile(filepath.Join("testdata", "kubernetes.json"))
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4) // that of OpenAPI 2
	return c, c.AddResource("kubernetes.json", document)
})

// wrong is what the schema of its kind says against an object; nil when nothing.
func wrong(t *testing.T, kind schema.GroupVersionKind, text string) error {
	t.Helper()
	c, err := compiler()
	require.NoError(t, err)
	group, _, _ := strings.Cut(kind.Group, ".")
	if group == "" {
		group = "core"
	}
	compiled, err := c.Compile("kubernetes.json#/definitions/io.k8s.api." + group + "." + kind.Version + "." + kind.Kind)
	require.NoError(t, err, "a kind that `go run ./schemas` does not know yet")
	asJSON, err := yaml.YAMLToJSONStrict([]byte(text))
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	require.NoError(t, err)
	return compiled.Validate(value)
}

func TestTheSchemasFindWhatIsWrong(t *testing.T) {
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	require.NoError(t, wrong(t, deployment, `{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 2, selector: {}, template: {spec: {containers: [{name: shop}]}}}}`))
	for _, text := range []string{
		`{apiVersion: apps/v1, kind: Deployment, spec: {selector: {}}}`,
		`{apiVersion: apps/v1, kind: Deployment, spec: {selector: {}, template: {spec: {containers: [{image: shop}]}}}}`,
		`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: "2", selector: {}, template: {spec: {containers: [{name: shop}]}}}}`,
		`{apiVersion: apps/v1, kind: Deployment, spec: {replica: 2, selector: {}, template: {spec: {containers: [{name: shop}]}}}}`,
		`{apiVersion: apps/v1, kind: Deployment, spec: {selector: {}, template: {spec: {containers: [{name: shop, env: [{value: x}]}]}}}}`,
	} {
		require.Error(t, wrong(t, deployment, text), text)
	}
}
