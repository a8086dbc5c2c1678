package recorder

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// How many traces a list has.
const (
	defaultLimit = 50
	mostInList   = 1000
)

// Handler answers GET with an Answer:
//
//	?order=ord_…   all that has to do with an order: what carries it on first, then reads and the like
//	?trace=…       one trace, by its 32 hex digits
//
// or, with neither, a list of traces without their spans, the newest first:
//
//	?status=error  only those with an error
//	?slower=1s     only those that took so long or longer
//	?sort=slowest  the slowest first
//	?limit=50      at most so many, up to 1000
//
// A trace or order of which nothing was recorded is an empty list. A query that makes no sense is 400, in words. Who may ask is not checked: it belongs on a port for operators.
func (r *Recorder) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet && q.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "it is only read", http.StatusMethodNotAllowed)
			return
		}
		answer, err := r.ask(q.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body, err := json.Marshal(answer)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body) // who asked may be gone
	})
}

func (r *Recorder) ask(q url.Values) (Answer, error) {
	if order := q.Get("order"); order != "" {
		return r.Order(order), nil
	}
	if text := q.Get("trace"); text != "" {
		id, err := trace.TraceIDFromHex(text)
		if err != nil {
			return Answer{}, errors.New("trace: expected 32 hex digits in lower case, not all of them 0")
		}
		return r.Trace(id), nil
	}
	f := Filter{Limit: defaultLimit}
	switch q.Get("status") {
	case "":
	case "error":
		f.Failed = true
	default:
		return Answer{}, errors.New("status: expected error")
	}
	switch q.Get("sort") {
	case "", "newest":
	case "slowest":
		f.Slowest = true
	default:
		return Answer{}, errors.New("sort: expected newest or slowest")
	}
	var err error
	if text := q.Get("slower"); text != "" {
		if f.Slower, err = time.ParseDuration(text); err != nil || f.Slower < 0 {
			return Answer{}, errors.New("slower: expected a duration such as 1s or 250ms")
		}
	}
	if text := q.Get("limit"); text != "" {
		if f.Limit, err = strconv.Atoi(text); err != nil || f.Limit < 1 || f.Limit > mostInList {
			return Answer{}, errors.New("limit: expected 1 to 1000")
		}
	}
	return r.List(f), nil
}
