package web

import (
	"encoding/json"
	"net/mail"
	"reflect"
	"regexp"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

type textShape struct {
	nullable          bool
	shortest, longest int // in characters
	tooShort, tooLong string
	pattern           *regexp.Regexp
	noMatch           string
	email             bool
	rules             *huma.Schema // nil when there are no others
}

func (s *textShape) decode(d *decoder, dst reflect.Value) error {
	if d.next() != '"' {
		return d.other(s.nullable, validation.MsgExpectedString)
	}
	t, err := d.text()
	if err != nil {
		return err
	}
	value := t.value()
	length := len(value)
	if !t.ascii || t.escaped {
		length = utf8.RuneCount(value)
	}
	switch {
	case length < s.shortest:
		d.breaks(s.tooShort)
	case length > s.longest:
		d.breaks(s.tooLong)
	case s.pattern != nil && !s.pattern.Match(value):
		d.breaks(s.noMatch)
	case s.email && !isEmail(string(value)):
		d.breaks("expected an email address")
	default:
		dst.SetString(string(value))
		if s.rules != nil {
			d.validate(s.rules, dst.String())
		}
	}
	return nil
}

// isEmail wants the address alone, without the name that RFC 5322 allows before it.
func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

type arrayShape struct {
	nullable          bool
	elem              shape
	typ               reflect.Type // of the array
	shortest, longest int
	tooShort, tooLong string
}

func (s *arrayShape) decode(d *decoder, dst reflect.Value) error {
	if d.next() != '[' {
		return d.other(s.nullable, validation.MsgExpectedArray)
	}
	if err := d.enter(); err != nil {
		return err
	}
	dst.Set(reflect.MakeSlice(s.typ, 0, min(s.longest, 4)))
	for n := 0; ; n++ {
		more, err := d.more(']', n == 0)
		switch {
		case err != nil:
			return err
		case !more:
			if n < s.shortest {
				d.breaks(s.tooShort)
			}
			return nil
		case n == s.longest:
			d.breaks(s.tooLong)
		}
		if n >= s.longest { // only its syntax matters now
			if _, err := d.skip(); err != nil {
				return err
			}
			continue
		}
		if n == dst.Cap() {
			dst.Grow(n)
		}
		dst.SetLen(n + 1)
		d.push(step{index: n})
		if err := s.elem.decode(d, dst.Index(n)); err != nil {
			return err
		}
		d.pop()
	}
}

// dictionaryShape is an object whose keys are free: map[string]T.
type dictionaryShape struct {
	nullable        bool
	elem            shape
	typ             reflect.Type // of the map
	fewest, most    int
	tooFew, tooMany string
}

func (s *dictionaryShape) decode(d *decoder, dst reflect.Value) error {
	if d.next() != '{' {
		return d.other(s.nullable, validation.MsgExpectedObject)
	}
	if err := d.enter(); err != nil {
		return err
	}
	var keys keySet
	dst.Set(reflect.MakeMap(s.typ))
	for n := 0; ; n++ {
		more, err := d.more('}', n == 0)
		switch {
		case err != nil:
			return err
		case !more:
			if n < s.fewest {
				d.breaks(s.tooFew)
			}
			return nil
		case n == s.most:
			d.breaks(s.tooMany)
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		name := key.value()
		if !keys.add(name) {
			return d.duplicateKey()
		}
		if n >= s.most {
			if _, err := d.skip(); err != nil {
				return err
			}
			continue
		}
		d.push(step{key: shown(name)})
		value := reflect.New(s.typ.Elem()).Elem()
		if err := s.elem.decode(d, value); err != nil {
			return err
		}
		d.pop()
		dst.SetMapIndex(reflect.ValueOf(string(name)).Convert(s.typ.Key()), value)
	}
}

// shown is a key of the caller's own making, as far as a message may repeat it.
func shown(key []byte) string {
	if len(key) == 0 || len(key) > 64 {
		return "?"
	}
	for _, c := range key {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "?"
		}
	}
	return string(key)
}

type objectShape struct {
	nullable bool
	fields   []property
	byName   map[string]int
}

type property struct {
	name     string
	index    []int // of the struct's field, see reflect.Value.FieldByIndex
	shape    shape
	missing  string        // the rule that its absence breaks; empty when it is optional
	fallback reflect.Value // its default; invalid when there is none
}

func (s *objectShape) decode(d *decoder, dst reflect.Value) error {
	if d.next() != '{' {
		return d.other(s.nullable, validation.MsgExpectedObject)
	}
	if err := d.enter(); err != nil {
		return err
	}
	var (
		seen  [maxProperties / 64]uint64
		extra keySet
	)
	for first := true; ; first = false {
		more, err := d.more('}', first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		name := key.value()
		i, known := s.byName[string(name)]
		if !known {
			if err := d.unknownField(&extra, name); err != nil {
				return err
			}
			continue
		}
		if seen[i/64]&(1<<(i%64)) != 0 {
			return d.duplicateKey()
		}
		seen[i/64] |= 1 << (i % 64)
		if err := s.fields[i].decode(d, dst); err != nil {
			return err
		}
	}
	for i := range s.fields {
		if seen[i/64]&(1<<(i%64)) == 0 {
			s.fields[i].absent(d, dst)
		}
	}
	return nil
}

// maxProperties bounds the bit set of objectShape.decode.
const maxProperties = 128

func (d *decoder) unknownField(extra *keySet, name []byte) error {
	if !extra.add(name) {
		return d.duplicateKey()
	}
	d.unknown = true
	d.push(step{key: shown(name)})
	d.breaks(validation.MsgUnexpectedProperty)
	d.pop()
	_, err := d.skip()
	return err
}

func (p *property) decode(d *decoder, object reflect.Value) error {
	if p.missing == "" && d.next() == 'n' { // an optional field may be null
		if err := d.literal("null"); err != nil {
			return err
		}
		_, foreign := p.shape.(*foreignShape)
		if !foreign {
			p.absent(d, object)
			return nil
		}
		// Its type may tell null from absent.
		if err := json.Unmarshal([]byte("null"), object.FieldByIndex(p.index).Addr().Interface()); err == nil {
			return nil
		}
		d.push(step{key: p.name})
		d.breaks(invalidValue)
		d.pop()
		return nil
	}
	d.push(step{key: p.name})
	err := p.shape.decode(d, object.FieldByIndex(p.index))
	if err == nil {
		d.pop()
	}
	return err
}

func (p *property) absent(d *decoder, object reflect.Value) {
	switch {
	case p.missing != "":
		d.breaks(p.missing)
	case p.fallback.IsValid():
		field := object.FieldByIndex(p.index)
		if field.Kind() == reflect.Pointer {
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		field.Set(p.fallback)
	}
}

const invalidValue = "expected a valid value"

// foreignShape is for rare keywords and for types that decode themselves: huma validates, encoding/json decodes.
type foreignShape struct{ schema *huma.Schema }

func (s *foreignShape) decode(d *decoder, dst reflect.Value) error {
	d.next()
	raw, err := d.skip()
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		d.breaks("expected a value within range") // a number too large for a float
		return nil
	}
	before := len(d.broken)
	d.validate(s.schema, value)
	if len(d.broken) > before {
		return nil
	}
	if err := json.Unmarshal(raw, dst.Addr().Interface()); err != nil {
		d.breaks(invalidValue)
	}
	return nil
}
