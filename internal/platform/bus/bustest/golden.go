// Package bustest holds a published language to what it has once said.
package bustest

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/asyncapi"
	"shop/internal/platform/bus"
)

var write = flag.Bool("update", false, "write the golden messages that are missing; one that exists stays as it is")

// Golden requires that each type of message in the package under test is listed in messages and has an example here, with no field left empty, and that the example is, byte
// for byte, the golden message in testdata: encoded it is that message, decoded the message is the example. The golden message is what the type's JSON Schema says, and no field
// of it is unknown to the schema. Golden messages are what other versions of the program send and keep, so they stay for ever; a message that has to change becomes a new version
// beside the old.
func Golden(t *testing.T, messages []bus.Message, examples ...bus.Body) {
	t.Helper()
	listed := map[string]bool{}
	for _, m := range messages {
		require.False(t, listed[m.Body.Name()], "%s is listed twice", m.Body.Name())
		listed[m.Body.Name()] = true
		require.NotEmpty(t, m.About, "what does %s mean?", m.Body.Name())
	}
	require.Equal(t, declared(t), listed, "Messages lists every type of message")
	goldens := map[string]bool{}
	types := map[string]bool{}
	for _, e := range examples {
		name := e.MessageType().String() + ".json"
		require.False(t, goldens[name], "two examples of %s", name)
		goldens[name], types[reflect.TypeOf(e).Name()] = true, true
		t.Run(e.MessageType().String(), func(t *testing.T) {
			requireFull(t, reflect.ValueOf(e), reflect.TypeOf(e).Name())
			require.NotEmpty(t, e.MessageKey())
			requireGolden(t, filepath.Join("testdata", name), e)
			m := messages[slices.IndexFunc(messages, func(m bus.Message) bool { return m.Body == reflect.TypeOf(e) })]
			requireValid(t, m, filepath.Join("testdata", name))
		})
	}
	require.Equal(t, declared(t), types, "every type of message needs an example")
	kept, err := fs.Glob(os.DirFS("testdata"), "*.json")
	require.NoError(t, err)
	for _, name := range kept {
		require.True(t, goldens[name], "nobody says %s any more, but somebody may still send it", name)
	}
}

func requireGolden(t *testing.T, file string, example bus.Body) {
	t.Helper()
	said, err := json.MarshalIndent(example, "", "\t")
	require.NoError(t, err)
	golden, err := os.ReadFile(file)
	if os.IsNotExist(err) && *write {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, append(said, '\n'), 0o600))
		return
	}
	require.NoError(t, err, "run the test with -update to write it")
	require.Equal(t, string(golden), string(said)+"\n", "a message that was published does not change; make a new version of it")

	heard := reflect.New(reflect.TypeOf(example))
	d := json.NewDecoder(bytes.NewReader(golden))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(heard.Interface()))
	require.Equal(t, example, heard.Elem().Interface())
}

// requireValid requires that the golden message keeps the schema of its type, that the schema knows all of its fields, and that it names the key.
func requireValid(t *testing.T, m bus.Message, file string) {
	t.Helper()
	golden, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = golden.Close() }()
	msg, err := jsonschema.UnmarshalJSON(golden)
	require.NoError(t, err)
	schema := asyncapi.MessageSchema(m)
	require.NoError(t, compiled(t, schema).Validate(msg))
	require.NoError(t, compiled(t, closed(schema)).Validate(msg), "the schema does not know all of the message")
	require.Contains(t, schema["properties"], m.Key, "the key is a field of the message")
}

func compiled(t *testing.T, schema any) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(schema)
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	require.NoError(t, c.AddResource("schema.json", document))
	s, err := c.Compile("schema.json")
	require.NoError(t, err)
	return s
}

// closed is a schema, such as JSON has it, that allows only the fields that it names.
func closed(schema any) any {
	switch s := schema.(type) {
	case []any:
		all := make([]any, len(s))
		for i := range s {
			all[i] = closed(s[i])
		}
		return all
	case map[string]any:
		all := map[string]any{}
		for name, value := range s {
			all[name] = closed(value)
		}
		if _, open := s["additionalProperties"]; s["type"] == "object" && !open {
			all["additionalProperties"] = false
		}
		return all
	}
	return schema
}

// requireFull requires that nothing in the example is empty: an empty field would not guard its name.
func requireFull(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	require.False(t, v.IsZero(), "%s is empty", path)
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			requireFull(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		require.NotZero(t, v.Len(), "%s is empty", path)
		for i := range v.Len() {
			requireFull(t, v.Index(i), path)
		}
	case reflect.Pointer:
		requireFull(t, v.Elem(), path)
	default:
	}
}

// declared are the types in the package under test that have a method MessageType.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	types := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range syntax.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "MessageType" && f.Recv != nil {
				if receiver, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
					types[receiver.Name] = true
				}
			}
		}
	}
	return types
}
