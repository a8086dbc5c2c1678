package web

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

// The page at /docs is Scalar, npm @scalar/api-reference 1.72.1. It is embedded and loads nothing from outside: telemetry,
// fonts, proxy and assistant are off in index.html, and the policy below would stop them.
//
//go:generate docs/refresh.sh
var (
	//go:embed docs/index.html
	docsPage []byte
	//go:embed docs/scalar.js.gz
	docsScript []byte
)

// docsPolicy lets the page run its own script and talk to its own origin. Scalar writes its styles itself.
const docsPolicy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func serveDocs(r chi.Router, api huma.API) {
	page := compressed(docsPage, "text/html; charset=utf-8")
	script := &asset{contentType: "text/javascript; charset=utf-8", gzip: docsScript, tag: tagOf(docsScript)}
	document := sync.OnceValue(func() *asset { // at the first request every operation is registered
		b, err := json.Marshal(api.OpenAPI())
		if err != nil { // a default or an example without JSON form: a defect in an operation
			panic(fmt.Sprintf("web: the OpenAPI document: %v", err))
		}
		return compressed(b, "application/json")
	})

	r.Get("/docs", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		page.serve(w, r)
	})
	r.Get("/docs/scalar.js", script.serve)
	r.Get("/openapi.json", func(w http.ResponseWriter, r *http.Request) { document().serve(w, r) })
}

// Document serves a text that does not change while the process runs, such as an AsyncAPI document: compressed for
// those who take it, and with an ETag.
func (e *Edge) Document(path, contentType string, body []byte) {
	e.root.Get(path, compressed(body, contentType).serve)
}

// asset is a file that does not change while the process runs. It is kept compressed.
type asset struct {
	contentType string
	gzip        []byte
	tag         string
}

func compressed(b []byte, contentType string) *asset {
	var buf bytes.Buffer
	z, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // the level exists
	_, _ = z.Write(b)                                       // a buffer takes everything
	_ = z.Close()
	return &asset{contentType: contentType, gzip: buf.Bytes(), tag: tagOf(b)}
}

func tagOf(b []byte) string {
	return fmt.Sprintf(`"%016x"`, crc64.Checksum(b, crc64.MakeTable(crc64.ECMA)))
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache") // ask again, which the tag makes cheap
	h.Set("ETag", a.tag)
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("If-None-Match"), a.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.contentType)
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(a.gzip)))
		_, _ = w.Write(a.gzip) // the client may be gone
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(a.gzip))
	if err != nil {
		WriteProblem(w, r, err)
		return
	}
	_, _ = io.Copy(w, z) //nolint:gosec // what is expanded here, we have compressed; the client may be gone
}

func acceptsGzip(header string) bool {
	for header != "" {
		var coding string
		coding, header, _ = strings.Cut(header, ",")
		coding, quality, _ := strings.Cut(coding, ";")
		if strings.TrimSpace(coding) == "gzip" {
			return quality == "" || strings.Trim(quality, " q=0.") != "" // q=0, q=0.0: refused
		}
	}
	return false
}
