// Package asyncapitest holds AsyncAPI documents to the specification.
package asyncapitest

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// The JSON Schema of AsyncAPI 3.0.0 as its authors publish it: schemas/3.0.0-without-$id.json of npm @asyncapi/specs 6.11.1, unchanged but compressed. It is theirs, under the
// Apache License 2.0; see NOTICE.asyncapi.
//
//go:embed asyncapi-3.0.0.schema.json.gz
var official []byte

var specification = sync.OnceValues(func() (*jsonschema.Schema, error) {
	z, err := gzip.NewReader(bytes.NewReader(official))
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(z)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("asyncapi.json", document); err != nil {
		return nil, err
	}
	return c.Compile("asyncapi.json")
})

// Validate requires that the document keeps the schema of AsyncAPI 3.0.0, and that each of its references leads somewhere within it.
func Validate(t testing.TB, document []byte) {
	t.Helper()
	schema, err := specification()
	require.NoError(t, err)
	all, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(all))
	requireReferences(t, all, all)
}

func requireReferences(t testing.TB, all, part any) {
	t.Helper()
	switch part := part.(type) {
	case []any:
		for _, v := range part {
			requireReferences(t, all, v)
		}
	case map[string]any:
		if ref, ok := part["$ref"].(string); ok {
			target := all
			for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				object, _ := target.(map[string]any)
				target = object[name]
			}
			require.NotNil(t, target, "%s leads nowhere", ref)
		}
		for _, v := range part {
			requireReferences(t, all, v)
		}
	}
}
