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
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
)

var write = flag.Bool("update", false, "write the golden messages that are missing; one that exists stays as it is")

// Golden requires that each type of message in the package under test has an example here, with no field left empty, and that the example is, byte for
// byte, the golden message in testdata: encoded it is that message, decoded the message is the example. Golden messages are what other versions of the
// program send and keep, so they stay for ever; a message that has to change becomes a new version beside the old.
func Golden(t *testing.T, examples ...bus.Body) {
	t.Helper()
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
