package bus

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Message describes one type of message of a published language: what a program can read of it at run time. Each *api lists its own.
type Message struct {
	Type  Type
	Body  reflect.Type // the struct
	Key   string       // the JSON field that is its key; empty when the key is no field of the body
	About string       // what it means, in a sentence
}

// Describe describes the messages of a Go type.
func Describe[T Body](about string) Message {
	return Message{Type: typeOf[T](), Body: reflect.TypeFor[T](), Key: keyField[T](), About: about}
}

// keyField finds the field that MessageKey returns: it gives each text of the body its own name and looks which of them comes back.
func keyField[T Body]() string {
	var probe T
	nameTexts(reflect.ValueOf(&probe).Elem())
	return probe.MessageKey()
}

// nameTexts sets the texts of a struct to their JSON names; those of an embedded struct are its own.
func nameTexts(v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		switch {
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			nameTexts(v.Field(i))
		case field.IsExported() && field.Type.Kind() == reflect.String:
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			v.Field(i).SetString(name)
		}
	}
}

// Hears lists the types of message that have a handler here, by name.
func (e *Endpoint) Hears() []Type {
	var types []Type
	for _, name := range slices.Sorted(maps.Keys(e.handlers)) {
		if h := e.handlers[name]; h.apply != nil {
			types = append(types, h.typ)
		}
	}
	return types
}
