package web

import (
	"errors"
	"reflect"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"shop/internal/platform/fault"
)

// A shape knows what the JSON of one Go type must look like, and reads it: syntax, rules and decoding in one pass over
// the bytes. huma would parse the text twice, once into maps to validate and once into the struct.
type shape interface {
	// decode reads the value that is next into dst. Its error, a fault of kind Malformed, ends the reading. A broken rule
	// is noted in d, and the reading goes on.
	decode(d *decoder, dst reflect.Value) error
}

// decoder is the state of reading one body.
type decoder struct {
	scanner
	registry huma.Registry
	path     []step
	broken   []fault.Field
	unknown  bool // one of them is a field that does not exist
}

// step is a part of the path to a value: a key, or an index if the key is empty.
type step struct {
	key   string
	index int
}

// maxBroken bounds the answer, and the work, for a body that is wrong in every line.
const maxBroken = 20

var decoders = sync.Pool{New: func() any { return &decoder{} }}

// decodeBody reads data as one strict JSON value of the shape into dst.
// Errors: faults of kind Malformed (malformed_json, duplicate_key, too_deep) and Invalid (unknown_field, invalid_input).
func decodeBody(registry huma.Registry, s shape, data []byte, dst reflect.Value) error {
	d := decoders.Get().(*decoder)
	d.scanner, d.registry = scanner{data: data}, registry
	defer func() {
		*d = decoder{path: d.path[:0]}
		decoders.Put(d)
	}()
	if err := s.decode(d, dst); err != nil {
		return err
	}
	if err := d.end(); err != nil {
		return err
	}
	switch {
	case len(d.broken) == 0:
		return nil
	case d.unknown:
		return fault.New(fault.Invalid, "unknown_field", "the body has a field that does not exist here").With(d.broken...)
	}
	return fault.New(fault.Invalid, "invalid_input", "the body breaks a rule").With(d.broken...)
}

// breaks notes that the value at the path does not keep a rule.
func (d *decoder) breaks(rule string) {
	if len(d.broken) < maxBroken {
		d.broken = append(d.broken, fault.Field{Location: d.location(), Detail: rule})
	}
}

func (d *decoder) location() string {
	b := []byte("body")
	for _, s := range d.path {
		if s.key == "" {
			b = append(strconv.AppendInt(append(b, '['), int64(s.index), 10), ']')
		} else {
			b = append(append(b, '.'), s.key...)
		}
	}
	return string(b)
}

func (d *decoder) push(s step) { d.path = append(d.path, s) }
func (d *decoder) pop()        { d.path = d.path[:len(d.path)-1] }

// other reads a value that is not of the expected type. null is let pass where it is allowed.
func (d *decoder) other(nullable bool, rule string) error {
	raw, err := d.skip()
	if err == nil && !(nullable && string(raw) == "null") {
		d.breaks(rule)
	}
	return err
}

type booleanShape struct{ nullable bool }

func (s *booleanShape) decode(d *decoder, dst reflect.Value) error {
	switch d.next() {
	case 't':
		dst.SetBool(true)
		return d.literal("true")
	case 'f':
		dst.SetBool(false)
		return d.literal("false")
	}
	return d.other(s.nullable, validation.MsgExpectedBoolean)
}

type integerShape struct {
	nullable        bool
	unsigned        bool
	lowest, highest int64
	tooLow, tooHigh string
}

func (s *integerShape) decode(d *decoder, dst reflect.Value) error {
	if c := d.next(); c != '-' && (c < '0' || c > '9') {
		return d.other(s.nullable, validation.MsgExpectedInteger)
	}
	raw, integer, err := d.number()
	if err != nil {
		return err
	}
	if !integer {
		d.breaks(validation.MsgExpectedInteger)
		return nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64) // on overflow, n is the nearest
	switch {
	case n < s.lowest || err != nil && raw[0] == '-':
		d.breaks(s.tooLow)
	case n > s.highest || err != nil:
		d.breaks(s.tooHigh)
	case s.unsigned:
		dst.SetUint(uint64(n))
	default:
		dst.SetInt(n)
	}
	return nil
}

type numberShape struct {
	nullable bool
	rules    *huma.Schema // nil when there are none
}

func (s *numberShape) decode(d *decoder, dst reflect.Value) error {
	if c := d.next(); c != '-' && (c < '0' || c > '9') {
		return d.other(s.nullable, validation.MsgExpectedNumber)
	}
	raw, _, err := d.number()
	if err != nil {
		return err
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || dst.OverflowFloat(f) {
		d.breaks(validation.MsgExpectedNumber)
		return nil
	}
	dst.SetFloat(f)
	if s.rules != nil {
		d.validate(s.rules, f)
	}
	return nil
}

// validate lets huma check what the shapes do not.
func (d *decoder) validate(rules *huma.Schema, value any) {
	var result huma.ValidateResult
	location := []byte(d.location())
	huma.Validate(d.registry, rules, huma.NewPathBuffer(location, len(location)), huma.ModeWriteToServer, value, &result)
	for _, err := range result.Errors {
		var e *huma.ErrorDetail
		if errors.As(err, &e) && len(d.broken) < maxBroken {
			d.broken = append(d.broken, fault.Field{Location: e.Location, Detail: withoutValue(e.Message)})
		}
	}
}

// pointerShape is an optional value, nil when it is missing or null.
type pointerShape struct {
	elem shape
	typ  reflect.Type // of the element
}

func (s *pointerShape) decode(d *decoder, dst reflect.Value) error {
	if d.next() == 'n' {
		return s.elem.decode(d, reflect.New(s.typ).Elem()) // null: allowed or not, the element knows
	}
	p := reflect.New(s.typ)
	dst.Set(p)
	return s.elem.decode(d, p.Elem())
}
