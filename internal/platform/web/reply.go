package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
)

// Raw is an answer that is JSON already: stored by an earlier request, or encoded by JSON. Status 0 is the operation's
// own. A nil body sends none.
type Raw struct {
	Status int
	Header http.Header // Location, ETag, Preference-Applied, …; may be nil
	Body   []byte
}

// JSON encodes an answer: compact, fields in the order of the struct, nothing escaped for HTML.
// Errors: those of encoding/json, for a type that has no JSON form.
func JSON(status int, body any) (Raw, error) {
	b, err := encode(body)
	return Raw{Status: status, Body: b}, err
}

// With sets a header and returns the answer.
func (r Raw) With(name, value string) Raw {
	if r.Header == nil {
		r.Header = make(http.Header, 2)
	}
	r.Header.Set(name, value)
	return r
}

// Shared header values. A handler that adds to one of them gets a copy, since they have no spare capacity.
var (
	jsonType    = []string{"application/json"}
	problemType = []string{"application/problem+json"}
)

type encoder struct {
	buf bytes.Buffer
	enc *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.enc = json.NewEncoder(&e.buf)
	e.enc.SetEscapeHTML(false)
	return e
}}

// maxPooled is the largest buffer that goes back to its pool: a rare large body must not stay in memory.
const maxPooled = 64 << 10

func (e *encoder) release() {
	if e.buf.Cap() <= maxPooled {
		e.buf.Reset()
		encoders.Put(e)
	}
}

// encode returns a copy without the newline that json.Encoder ends with.
func encode(v any) ([]byte, error) {
	if page, ok := v.(listed); ok && page.json() != nil {
		return page.json(), nil
	}
	e := encoders.Get().(*encoder)
	defer e.release()
	if err := e.enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.Clone(bytes.TrimSuffix(e.buf.Bytes(), []byte("\n"))), nil
}

func writeBody(w http.ResponseWriter, status int, contentType []string, body []byte) {
	h := w.Header()
	if body != nil {
		h["Content-Type"] = contentType
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; nothing is left to tell it
}

// recorder remembers what was answered, for the access log and the metrics.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx may precede the answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Flush serves handlers that stream.
func (w *recorder) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap serves http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
