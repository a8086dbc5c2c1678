package flags

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// What may stand in the file at most.
const (
	maxFile  = 1 << 20 // bytes
	maxList  = 10_000  // entries
	maxEntry = 255     // bytes
)

// parse reads the flags. What is not known, or stands there twice, is an error: a flag that was misspelled would be off without a word. Errors say where: "line 3, column 5: …".
func parse(data []byte, known []string) (map[string]*Rollout, error) {
	var whole json.RawMessage
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(data, &whole); {
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("it is empty; a file without flags is {}")
	case errors.As(err, &syntax):
		return nil, at(data, syntax.Offset, "%s", strings.TrimPrefix(syntax.Error(), "json: "))
	case err != nil:
		return nil, err
	}
	p := parser{data, json.NewDecoder(bytes.NewReader(data))}
	flags := map[string]*Rollout{}
	err := p.object("the file", func(name string) error {
		if !slices.Contains(known, name) {
			return p.errorf("there is no flag %q; there are %s", name, strings.Join(known, ", "))
		}
		flags[name] = &Rollout{}
		return p.rollout(name, flags[name])
	})
	return flags, err
}

// parser walks through JSON that is known to be well formed, so that an error can say where it is.
type parser struct {
	data []byte
	*json.Decoder
}

// object reads an object and has each of its values read. Errors: those of each; that it is no object; that a name stands there twice.
func (p parser) object(what string, each func(name string) error) error {
	start := p.value()
	if open, err := p.Token(); err != nil || open != json.Delim('{') {
		return at(p.data, start, "%s: expected an object, {…}", what)
	}
	seen := map[string]bool{}
	for p.More() {
		token, err := p.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // a key is one
		if seen[name] {
			return p.errorf("%q is there twice", name)
		}
		seen[name] = true
		if err := each(name); err != nil {
			return err
		}
	}
	_, err := p.Token()
	return err
}

// rollout reads one flag.
func (p parser) rollout(flag string, r *Rollout) error {
	fields := map[string]any{
		"percent": &r.Percent, "allow": &r.Allow, "deny": &r.Deny, "kill": &r.Kill, "mirror": &r.Mirror, "fallback": &r.Fallback, "ignore": &r.Ignore,
	}
	return p.object(flag, func(name string) error {
		into, ok := fields[name]
		if !ok {
			return p.errorf("%s has no %q; it has percent, allow, deny, kill, mirror, fallback, ignore", flag, name)
		}
		start := p.value()
		wrong := func(format string, args ...any) error { return at(p.data, start, flag+"."+name+": "+format, args...) }
		var raw json.RawMessage
		if err := p.Decode(&raw); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, into); err != nil || bytes.Contains(raw, []byte("null")) && hasNull(raw) {
			return wrong("expected %s", expected[reflect.TypeOf(into).Elem().Kind()])
		}
		switch v := into.(type) {
		case *float64:
			if *v < 0 || *v > 100 || math.IsNaN(*v) {
				return wrong("expected 0 to 100")
			}
		case *[]string:
			if why := checkList(name, *v); why != "" {
				return wrong("%s", why)
			}
		}
		return nil
	})
}

var expected = map[reflect.Kind]string{reflect.Float64: "a number from 0 to 100", reflect.Bool: "true or false", reflect.Slice: "a list of strings"}

// hasNull reports whether a value is null or a list with one: encoding/json takes both for nothing said.
func hasNull(raw json.RawMessage) bool {
	if string(raw) == "null" {
		return true
	}
	var list []*json.RawMessage
	return json.Unmarshal(raw, &list) == nil && slices.Contains(list, nil)
}

func checkList(field string, list []string) string {
	if len(list) > maxList {
		return fmt.Sprintf("expected at most %d entries", maxList)
	}
	for i, s := range list {
		if s == "" || len(s) > maxEntry || strings.TrimSpace(s) != s {
			return fmt.Sprintf("entry %d: expected 1 to %d bytes without spaces around them", i+1, maxEntry)
		}
		if field == metaIgnore && strings.Contains(s, ",") {
			return fmt.Sprintf("entry %d: expected the name of one field", i+1)
		}
	}
	return ""
}

// value is where the next value begins.
func (p parser) value() int64 {
	offset := p.InputOffset()
	for offset < int64(len(p.data)) && strings.IndexByte(" \t\r\n:,", p.data[offset]) >= 0 {
		offset++
	}
	return offset + 1
}

// errorf is about what was read last.
func (p parser) errorf(format string, args ...any) error {
	return at(p.data, p.InputOffset(), format, args...)
}

// at says that something is wrong with the byte before offset.
func at(data []byte, offset int64, format string, args ...any) error {
	before := data[:min(max(offset-1, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("line %d, column %d: %s", line, column, fmt.Sprintf(format, args...))
}
