package web

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"shop/internal/platform/auth"
)

// Op describes an operation for the router and for the OpenAPI document.
type Op struct {
	Method  string
	Path    string // with /v1 and {parameters}
	ID      string // operationId, such as place-order
	Summary string // a few words, shown in the list of operations
	Doc     string // Markdown, optional
	Tags    []string

	Status  int               // of success; default 200, 204 for an operation without answer
	Returns any               // a value of the type of the body, for an operation that answers Raw
	Also    []int             // other statuses that are no problem: 200 beside 201, 304
	Headers map[string]string // of the answer, with what each says; a Page has its Link by itself
	Errors  []int             // statuses beside those that follow from the method and the input: 409, 412, …
	Public  bool              // needs no token; a token that comes all the same must be valid
	Roles   []auth.Role       // who may call it; default whoever has a token, and then the operation decides what they see and may do

	Timeout    time.Duration // for the handler; default 15 s and what the caller asked for with Prefer: wait
	Deprecated *Deprecation
	Use        huma.Middlewares // around this operation only
}

// Deprecation announces that an operation will go away.
type Deprecation struct {
	Since  time.Time // header Deprecation, RFC 9745
	Sunset time.Time // when it stops to answer; header Sunset, RFC 8594
	Link   string    // what to use instead; Link: rel="deprecation"
}

func (d *Deprecation) announce(h http.Header) {
	if d == nil {
		return
	}
	h.Set("Deprecation", "@"+strconv.FormatInt(d.Since.Unix(), 10))
	if !d.Sunset.IsZero() {
		h.Set("Sunset", d.Sunset.UTC().Format(http.TimeFormat))
	}
	if d.Link != "" {
		h.Add("Link", "<"+d.Link+`>; rel="deprecation"`)
	}
}

// operation says it in huma's words.
func operation[O any](api huma.API, op Op) huma.Operation {
	returns := reflect.TypeFor[O]()
	if returns == reflect.TypeFor[Raw]() {
		returns = reflect.TypeOf(op.Returns)
	}
	empty := returns == nil || returns == reflect.TypeFor[struct{}]()
	if op.Status == 0 {
		op.Status = http.StatusOK
		if empty {
			op.Status = http.StatusNoContent
		}
	}
	o := huma.Operation{
		Method:        op.Method,
		Path:          op.Path,
		OperationID:   op.ID,
		Summary:       op.Summary,
		Description:   strings.TrimSpace(op.Doc + "\n\n" + whoMay(op)),
		Tags:          op.Tags,
		Deprecated:    op.Deprecated != nil,
		DefaultStatus: op.Status,
		Errors:        errorStatuses(op),
		Responses:     successes(api, op, returns, empty),
		Middlewares:   op.Use,
	}
	admit(op, &o)
	return o
}

func successes(api huma.API, op Op, returns reflect.Type, empty bool) map[string]*huma.Response {
	success := &huma.Response{Description: http.StatusText(op.Status)}
	for name, doc := range op.Headers {
		documentHeader(success, name, doc)
	}
	if !empty {
		if returns.Implements(reflect.TypeFor[listed]()) {
			documentHeader(success, "Link", `The next page, as rel="next" (RFC 8288)`)
		}
		schema := api.OpenAPI().Components.Schemas.Schema(returns, true, op.ID+"Response")
		success.Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
	}
	responses := map[string]*huma.Response{strconv.Itoa(op.Status): success}
	for _, status := range op.Also {
		other := &huma.Response{Description: http.StatusText(status), Headers: success.Headers}
		if status < http.StatusMultipleChoices {
			other.Content = success.Content
		}
		responses[strconv.Itoa(status)] = other
	}
	return responses
}

func documentHeader(r *huma.Response, name, doc string) {
	if r.Headers == nil {
		r.Headers = map[string]*huma.Header{}
	}
	r.Headers[name] = &huma.Header{Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
}

// errorStatuses are the problems an operation can answer. huma adds 422 and 500.
func errorStatuses(op Op) []int {
	statuses := append([]int{http.StatusBadRequest, http.StatusUnauthorized}, op.Errors...)
	if len(op.Roles) > 0 {
		statuses = append(statuses, http.StatusForbidden)
	}
	if strings.Contains(op.Path, "{") {
		statuses = append(statuses, http.StatusNotFound)
	}
	if op.Method == http.MethodPost || op.Method == http.MethodPut || op.Method == http.MethodPatch {
		statuses = append(statuses, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return append(statuses, http.StatusTooManyRequests, http.StatusServiceUnavailable)
}
