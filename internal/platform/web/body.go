package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"shop/internal/platform/fault"
)

// bodyReader reads the body of an operation into the field Body of its input. huma documents that field, but is given an
// empty body to read: it would parse the JSON twice, and lose which rule was broken.
type bodyReader struct {
	field    []int // index of Body in the input; nil when there is none
	typ      reflect.Type
	required bool
	doc      *huma.RequestBody
	registry huma.Registry
	shape    shape
}

// ErrBodyRequired: the operation needs a body and got none.
var ErrBodyRequired = fault.New(fault.Malformed, "body_required", "this operation needs a body")

// takeBody prepares an operation so that its body is ours. Body is optional when it is a pointer, or tagged required:"false".
func takeBody[I any](o *huma.Operation) *bodyReader {
	f, ok := reflect.TypeFor[I]().FieldByName("Body")
	if !ok {
		return &bodyReader{}
	}
	o.RequestBody = &huma.RequestBody{}
	o.MaxBodyBytes = -1 // limitRequest has set one
	o.Middlewares = append(o.Middlewares[:len(o.Middlewares):len(o.Middlewares)], func(hc huma.Context, next func(huma.Context)) {
		next(bodiless{hc})
	})
	return &bodyReader{
		field:    f.Index,
		typ:      f.Type,
		required: f.Type.Kind() != reflect.Pointer && f.Tag.Get("required") != "false",
		doc:      o.RequestBody,
	}
}

// document is called after huma has seen the operation and made the schema. The document keeps saying that a body is
// required, while huma is told that it is not.
func (b *bodyReader) document(api huma.API) {
	if b.field == nil {
		return
	}
	b.registry = api.OpenAPI().Components.Schemas
	b.shape = newShape(b.registry, b.typ, b.doc.Content["application/json"].Schema)
	b.doc.Required = false
	if b.required {
		b.doc.Extensions = map[string]any{"required": true}
	}
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func releaseBuffer(ctx context.Context, buf *bytes.Buffer) {
	if q := requestOf(ctx); q != nil {
		q.body = nil
	}
	if buf.Cap() <= maxPooled {
		buf.Reset()
		buffers.Put(buf)
	}
}

// read fills in.Body by way of buf. Errors: faults of kind Malformed and Invalid, see decodeBody, and problems 408, 413
// and 415.
func (b *bodyReader) read(r *http.Request, buf *bytes.Buffer, in any) error {
	if b.field == nil {
		return nil
	}
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(r.Body); err != nil {
		return readProblem(r, err)
	}
	switch {
	case buf.Len() == 0 && b.required:
		return ErrBodyRequired
	case buf.Len() == 0:
		return nil
	case !isJSON(r.Header.Get("Content-Type")):
		return newProblem(r.Context(), http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be application/json")
	}
	if q := requestOf(r.Context()); q != nil {
		q.body = buf.Bytes()
	}
	return decodeBody(b.registry, b.shape, buf.Bytes(), reflect.ValueOf(in).Elem().FieldByIndex(b.field))
}

// isJSON lets a body without a type pass as JSON: nothing else is accepted here.
func isJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	return mediaType == "" || mediaType == "application/json" ||
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

// ReadBody reads the whole body of a request, for handlers that are no operations. Errors: problems 408 and 413, a fault of kind Malformed.
func ReadBody(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, readProblem(r, err)
	}
	return b, nil
}

func readProblem(r *http.Request, err error) error {
	var tooLong *http.MaxBytesError
	var netErr net.Error
	switch {
	case errors.As(err, &tooLong):
		return tooLarge(r.Context(), tooLong.Limit)
	case errors.As(err, &netErr) && netErr.Timeout():
		return newProblem(r.Context(), http.StatusRequestTimeout, "request_timeout", "the body did not arrive in time")
	}
	return fault.Wrap(err, fault.Malformed, "body_unreadable", "the body could not be read to its end")
}

// bodiless is a request to huma without its body.
type bodiless struct{ humaContext }

type humaContext = huma.Context // under its own name, its field would hide its method Context

func (bodiless) BodyReader() io.Reader           { return http.NoBody }
func (bodiless) SetReadDeadline(time.Time) error { return nil }

// Unwrap serves humachi.Unwrap.
func (b bodiless) Unwrap() huma.Context { return b.humaContext }
