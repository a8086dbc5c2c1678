package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"shop/internal/platform/fault"
	"shop/internal/platform/telemetry"
)

// Codes of what is no fault.
const (
	codeInternal = "internal"
	codeTimeout  = "timeout"
)

// Problem is the body of every answer that is not a success: RFC 9457, media type application/problem+json.
// It never repeats what the caller sent.
type Problem struct {
	Type     string         `json:"type" doc:"Identifies the kind of problem" example:"urn:shop:problem:not_found"`
	Title    string         `json:"title" doc:"The status in words" example:"Not Found"`
	Status   int            `json:"status" doc:"HTTP status code" example:"404"`
	Detail   string         `json:"detail,omitempty" doc:"One sentence for people" example:"there is no such order"`
	Instance string         `json:"instance,omitempty" doc:"Identifies this occurrence" example:"urn:shop:request:4bf92f3577b34da6a3ce929d0e0e4736"`
	Code     string         `json:"code" doc:"Stable machine-readable code: switch on this" example:"not_found"`
	TraceID  string         `json:"trace_id,omitempty" doc:"Names the request in our logs and traces" example:"4bf92f3577b34da6a3ce929d0e0e4736"`
	Errors   []ProblemField `json:"errors,omitempty" doc:"The parts of the input that are wrong"`
}

// ProblemField is one wrong part of an input.
type ProblemField struct {
	Location string `json:"location,omitempty" doc:"Path of the part" example:"body.items[0].quantity"`
	Detail   string `json:"detail" doc:"What is expected there" example:"expected number >= 1"`
}

// Error and GetStatus make a Problem the error that huma passes around (huma.StatusError).
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status of the answer.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of RFC 9457 (huma.ContentTypeFilter).
func (p *Problem) ContentType(string) string { return problemType[0] }

// newProblem is the one place where a problem is made.
func newProblem(ctx context.Context, status int, code, detail string, fields ...fault.Field) *Problem {
	p := &Problem{Type: "urn:shop:problem:" + code, Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
	if id := telemetry.TraceID(ctx); id != "" {
		p.TraceID, p.Instance = id, "urn:shop:request:"+id
	}
	for _, f := range fields {
		p.Errors = append(p.Errors, ProblemField(f))
	}
	return p
}

// ProblemOf turns an error into what the caller may see of it, and leaves the error itself for the access log. An error
// that is no fault is a 500 without detail; a context that ran out is a 503.
func ProblemOf(ctx context.Context, err error) *Problem {
	noteError(ctx, err)
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	f := fault.As(err)
	switch {
	case f == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)):
		return newProblem(ctx, http.StatusServiceUnavailable, codeTimeout, "the answer took too long; try again")
	case f == nil || f.Kind == fault.Internal:
		return newProblem(ctx, http.StatusInternalServerError, codeInternal, "")
	}
	return newProblem(ctx, f.Kind.Status(), f.Code, f.Message, f.Fields...)
}

// WriteProblem answers a request with a fault, for handlers that are no operations: proxies, middleware, pages.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	if f := fault.As(err); f != nil && f.RetryAfter > 0 && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
	}
	writeProblem(w, ProblemOf(r.Context(), err))
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	h := w.Header()
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if h.Get("Retry-After") == "" {
			h.Set("Retry-After", "1")
		}
	case http.StatusUnauthorized:
		if h.Get("WWW-Authenticate") == "" {
			h.Set("WWW-Authenticate", "Bearer")
		}
	}
	body, err := json.Marshal(p)
	if err != nil { // cannot be: a struct of strings and integers
		panic(err)
	}
	writeBody(w, p.Status, problemType, body)
}
