package gateway

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const maxFields = 20 // that are named of one difference

// alwaysIgnored names what no two answers share: a problem document has the id of its request.
var alwaysIgnored = []string{"instance", "trace_id"}

// dictionaries are the fields whose keys somebody outside has chosen. What differs below is named by them alone.
var dictionaries = []string{"metadata"}

// fieldName is what our own fields are called; another key may be anything, and is not repeated.
var fieldName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,63}$`)

// differences compares two bodies and names the fields that differ, such as items[].price.amount, never what is in them. ignore names fields: updated_at wherever it is, or
// items[].updated_at. Of bodies that are not both JSON it says only that they differ: "(body)".
func differences(a, b []byte, ignore []string) []string {
	if bytes.Equal(a, b) {
		return nil
	}
	left, lok := decodeJSON(a)
	right, rok := decodeJSON(b)
	if !lok || !rok {
		return []string{"(body)"}
	}
	c := comparison{ignore: ignore}
	c.values("", left, right)
	return c.fields
}

// decodeJSON keeps numbers as they are written: those of money are larger than a float64 holds.
func decodeJSON(text []byte) (value any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return nil, false
	}
	_, err := d.Token()
	return value, err != nil // the end
}

type comparison struct {
	ignore []string
	fields []string
}

func (c *comparison) values(path string, a, b any) {
	switch left := a.(type) {
	case map[string]any:
		if right, ok := b.(map[string]any); ok {
			c.objects(path, left, right)
			return
		}
	case []any:
		if right, ok := b.([]any); ok {
			c.lists(path+"[]", left, right)
			return
		}
	default:
		if !isComposite(b) && a == b {
			return
		}
	}
	c.differ(path)
}

func isComposite(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

func (c *comparison) objects(path string, a, b map[string]any) {
	if slices.Contains(dictionaries, path[strings.LastIndexByte(path, '.')+1:]) {
		if !reflect.DeepEqual(a, b) {
			c.differ(path)
		}
		return
	}
	names := make([]string, 0, len(a)+len(b))
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		at := strings.TrimPrefix(path+"."+shown(name), ".")
		if slices.Contains(alwaysIgnored, name) || slices.Contains(c.ignore, name) || slices.Contains(c.ignore, at) {
			continue
		}
		left, inA := a[name]
		right, inB := b[name]
		if inA && inB {
			c.values(at, left, right)
		} else {
			c.differ(at)
		}
	}
}

func (c *comparison) lists(path string, a, b []any) {
	if len(a) != len(b) {
		c.differ(path)
	}
	for i := range min(len(a), len(b)) {
		c.values(path, a[i], b[i])
	}
}

// differ notes a field once.
func (c *comparison) differ(path string) {
	if path == "" {
		path = "(body)"
	}
	if len(c.fields) < maxFields && !slices.Contains(c.fields, path) {
		c.fields = append(c.fields, path)
	}
}

func shown(name string) string {
	if fieldName.MatchString(name) {
		return name
	}
	return "*"
}
