package web

import (
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

func init() { // huma keeps these for the whole process
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return humaError(nil, status, msg, errs...)
	}
	huma.NewErrorWithContext = humaError
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
}

func humaConfig(o Options) huma.Config {
	const prefix = "#/components/schemas/"
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: o.Title, Version: o.Version, Description: o.Description},
			Servers: []*huma.Server{{URL: "/"}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry(prefix, schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token of the configured issuer. " +
						"Its subject is who asks: a customer's id is their subject. Its role is `customer`, `operator` or `service`; `x-roles` of an operation says who may call it."},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": strictJSON, "json": strictJSON},
		DefaultFormat: "application/json",
	}
}

// schemaName names a type in the OpenAPI document so that two contexts can both have an "item": a type of a context
// carries the context's name in the singular, unless it begins with it. orders.item is OrderItem, orders.order is Order,
// and a Page of orders.item is OrderItemPage. Types of the platform keep their own names.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Name() == "" {
		return huma.DefaultSchemaNamer(t, hint)
	}
	name, arguments, _ := strings.Cut(t.Name(), "[") // of a generic type, such as Page[shop/internal/orders.item]
	name = qualifiedName(t.PkgPath(), name)
	for argument := range strings.SplitSeq(strings.TrimSuffix(arguments, "]"), ",") {
		dot := strings.LastIndexByte(argument, '.')
		name = qualifiedName(argument[:max(dot, 0)], strings.TrimLeft(argument[dot+1:], "[]*")) + name
	}
	return name
}

func qualifiedName(path, name string) string {
	if name == "" {
		return ""
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	context := path[strings.LastIndexByte(path, '/')+1:]
	context = strings.TrimSuffix(strings.TrimSuffix(context, "api"), "s")
	if context == "" || strings.Contains(path, "/platform/") || strings.HasPrefix(strings.ToLower(name), context) {
		return name
	}
	return strings.ToUpper(context[:1]) + context[1:] + name
}

// Time is the form in which every time is answered: a time.Time in UTC, RFC 3339 in JSON, from the stored microseconds
// since 1970.
func Time(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
