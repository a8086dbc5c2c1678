package bustest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
)

// Fuzz decodes whatever comes as each of the types, as the bus does. What can be decoded must mean the same when it is written and read again, and have a key or none. The
// golden messages are its seeds.
func Fuzz(f *testing.F, types ...bus.Body) {
	f.Helper()
	goldens, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, goldens)
	for _, file := range goldens {
		seed, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(seed)
	}
	for _, seed := range []string{`null`, `[]`, `{}`, `{"order_id":1}`, `{"items":[null]}`, `{"at":"0000-00-00T00:00:00Z"}`, `{"Total":{"amount":1e99}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, typ := range types {
			msg := reflect.New(reflect.TypeOf(typ))
			if json.Unmarshal(data, msg.Interface()) != nil {
				continue // it becomes a dead letter
			}
			_ = msg.Elem().Interface().(bus.Body).MessageKey()
			written, err := json.Marshal(msg.Elem().Interface())
			if err != nil {
				continue // a time beyond the year 9999, which nobody here can write
			}
			again := reflect.New(reflect.TypeOf(typ))
			require.NoError(t, json.Unmarshal(written, again.Interface()), string(written))
			twice, err := json.Marshal(again.Elem().Interface())
			require.NoError(t, err)
			require.Equal(t, string(written), string(twice))
		}
	})
}
