package web

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

// newShape compiles the shape of a type from the schema that the registry has for it. It panics, while operations are
// registered, on a struct with more than maxProperties fields.
func newShape(registry huma.Registry, t reflect.Type, schema *huma.Schema) shape {
	return (&shaper{registry, map[reflect.Type]*objectShape{}}).shape(t, schema)
}

// shaper remembers the structs, so that a type may contain itself.
type shaper struct {
	registry huma.Registry
	objects  map[reflect.Type]*objectShape
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func (c *shaper) shape(t reflect.Type, s *huma.Schema) shape {
	for s.Ref != "" {
		s = c.registry.SchemaFromRef(s.Ref)
	}
	if t.Kind() == reflect.Pointer {
		return &pointerShape{elem: c.shape(t.Elem(), s), typ: t.Elem()}
	}
	p := reflect.PointerTo(t)
	if rare(s) || p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
		return &foreignShape{s}
	}
	switch kind := t.Kind(); {
	case kind == reflect.Bool && s.Type == huma.TypeBoolean:
		return &booleanShape{s.Nullable}
	case reflect.Int <= kind && kind <= reflect.Uint64 && s.Type == huma.TypeInteger && len(s.Enum) == 0 && s.MultipleOf == nil:
		return newIntegerShape(t, s)
	case (kind == reflect.Float32 || kind == reflect.Float64) && s.Type == huma.TypeNumber:
		return &numberShape{s.Nullable, s}
	case kind == reflect.String && s.Type == huma.TypeString:
		return newTextShape(s)
	case kind == reflect.Slice && s.Type == huma.TypeArray:
		return c.array(t, s)
	case kind == reflect.Map && t.Key().Kind() == reflect.String && s.Type == huma.TypeObject:
		return c.dictionary(t, s)
	case kind == reflect.Struct && s.Type == huma.TypeObject && s.AdditionalProperties == any(false) && !embedsPointer(t):
		return c.object(t, s)
	}
	return &foreignShape{s}
}

// rare reports the keywords that are left to huma whatever the type.
func rare(s *huma.Schema) bool {
	return s.OneOf != nil || s.AnyOf != nil || s.AllOf != nil || s.Not != nil || s.Const != nil || s.UniqueItems || len(s.DependentRequired) > 0
}

func newIntegerShape(t reflect.Type, s *huma.Schema) shape {
	i := &integerShape{nullable: s.Nullable, unsigned: t.Kind() >= reflect.Uint}
	if i.unsigned {
		i.lowest, i.highest = 0, int64(min(uint64(math.MaxUint64)>>(64-t.Bits()), math.MaxInt64))
	} else {
		i.lowest, i.highest = math.MinInt64>>(64-t.Bits()), math.MaxInt64>>(64-t.Bits())
	}
	raise := func(to float64) {
		if to > float64(i.lowest) {
			i.lowest = int64(to)
		}
	}
	lower := func(to float64) {
		if to < float64(i.highest) {
			i.highest = int64(to)
		}
	}
	if s.Minimum != nil {
		raise(math.Ceil(*s.Minimum))
	}
	if s.ExclusiveMinimum != nil {
		raise(math.Floor(*s.ExclusiveMinimum) + 1)
	}
	if s.Maximum != nil {
		lower(math.Floor(*s.Maximum))
	}
	if s.ExclusiveMaximum != nil {
		lower(math.Ceil(*s.ExclusiveMaximum) - 1)
	}
	i.tooLow = fmt.Sprintf("expected number >= %d", i.lowest)
	i.tooHigh = fmt.Sprintf("expected number <= %d", i.highest)
	return i
}

func newTextShape(s *huma.Schema) shape {
	t := &textShape{nullable: s.Nullable, longest: math.MaxInt}
	if s.MinLength != nil {
		t.shortest, t.tooShort = *s.MinLength, fmt.Sprintf(validation.MsgExpectedMinLength, *s.MinLength)
	}
	if s.MaxLength != nil {
		t.longest, t.tooLong = *s.MaxLength, fmt.Sprintf(validation.MsgExpectedMaxLength, *s.MaxLength)
	}
	if s.Pattern != "" {
		t.pattern, t.noMatch = regexp.MustCompile(s.Pattern), fmt.Sprintf(validation.MsgExpectedMatchPattern, s.Pattern)
		if s.PatternDescription != "" {
			t.noMatch = fmt.Sprintf(validation.MsgExpectedBePattern, s.PatternDescription)
		}
	}
	t.email = s.Format == "email"
	if s.Format != "" && !t.email || len(s.Enum) > 0 || s.ContentEncoding != "" {
		t.rules = s
	}
	return t
}

func (c *shaper) array(t reflect.Type, s *huma.Schema) shape {
	a := &arrayShape{nullable: s.Nullable, elem: c.shape(t.Elem(), s.Items), typ: t, longest: math.MaxInt}
	if s.MinItems != nil {
		a.shortest, a.tooShort = *s.MinItems, fmt.Sprintf(validation.MsgExpectedMinItems, *s.MinItems)
	}
	if s.MaxItems != nil {
		a.longest, a.tooLong = *s.MaxItems, fmt.Sprintf(validation.MsgExpectedMaxItems, *s.MaxItems)
	}
	return a
}

func (c *shaper) dictionary(t reflect.Type, s *huma.Schema) shape {
	values, ok := s.AdditionalProperties.(*huma.Schema)
	if !ok || len(s.Properties) > 0 {
		return &foreignShape{s}
	}
	m := &dictionaryShape{nullable: s.Nullable, elem: c.shape(t.Elem(), values), typ: t, most: math.MaxInt}
	if s.MinProperties != nil {
		m.fewest, m.tooFew = *s.MinProperties, fmt.Sprintf(validation.MsgExpectedMinProperties, *s.MinProperties)
	}
	if s.MaxProperties != nil {
		m.most, m.tooMany = *s.MaxProperties, fmt.Sprintf(validation.MsgExpectedMaxProperties, *s.MaxProperties)
	}
	return m
}

func (c *shaper) object(t reflect.Type, s *huma.Schema) shape {
	if o := c.objects[t]; o != nil {
		return o
	}
	if len(s.Properties) > maxProperties {
		panic(fmt.Sprintf("web: %s has more than %d fields", t, maxProperties))
	}
	o := &objectShape{nullable: s.Nullable, byName: map[string]int{}}
	c.objects[t] = o
	for _, f := range reflect.VisibleFields(t) {
		name := jsonName(f)
		schema := s.Properties[name]
		if _, twice := o.byName[name]; schema == nil || twice {
			continue
		}
		p := property{name: name, index: f.Index, shape: c.shape(f.Type, schema)}
		for _, required := range s.Required {
			if required == name {
				p.missing = fmt.Sprintf(validation.MsgExpectedRequiredProperty, name)
			}
		}
		if schema.Default != nil {
			p.fallback = reflect.Indirect(reflect.ValueOf(schema.Default))
		}
		o.byName[name] = len(o.fields)
		o.fields = append(o.fields, p)
	}
	return o
}

// jsonName is the key of a field, as encoding/json has it; empty for one that has none.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case !f.IsExported() || name == "-" || name == "" && f.Anonymous:
		return ""
	case name == "":
		return f.Name
	}
	return name
}

// embedsPointer reports fields that an embedded pointer would have to be made for.
func embedsPointer(t reflect.Type) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && (f.Type.Kind() == reflect.Pointer || f.Type.Kind() == reflect.Struct && embedsPointer(f.Type)) {
			return true
		}
	}
	return false
}
