package fault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Status is the HTTP status that answers with a fault of the kind: the one place where a kind becomes a status.
func (k Kind) Status() int {
	switch k {
	case Malformed:
		return http.StatusBadRequest
	case Invalid:
		return http.StatusUnprocessableEntity
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case Gone:
		return http.StatusGone
	case Precondition:
		return http.StatusPreconditionFailed
	case TooMany:
		return http.StatusTooManyRequests
	case Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// KindOfStatus is Status the other way round. Statuses that only an edge or a proxy gives go to the nearest kind.
func KindOfStatus(status int) Kind {
	switch status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return Malformed
	case http.StatusUnprocessableEntity:
		return Invalid
	case http.StatusUnauthorized:
		return Unauthorized
	case http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound:
		return NotFound
	case http.StatusConflict:
		return Conflict
	case http.StatusGone:
		return Gone
	case http.StatusPreconditionFailed:
		return Precondition
	case http.StatusTooManyRequests:
		return TooMany
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Unavailable
	default:
		return Internal
	}
}

// NoProblemError is the cause of a fault that was made of a status alone.
type NoProblemError struct{ Status int }

func (e NoProblemError) Error() string {
	return fmt.Sprintf("answered %d without a problem document", e.Status)
}

// FromProblem turns another process's answer back into the fault that it was made from: status, headers, and a problem document (RFC 9457) as platform/web writes them.
// Of an answer that is none only the status counts, and the cause is NoProblemError.
func FromProblem(status int, header http.Header, body []byte) *Error {
	kind := KindOfStatus(status)
	f := New(kind, kind.String(), strings.ToLower(http.StatusText(status)))
	f.RetryAfter = retryAfter(header)
	var p struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
		Errors []struct {
			Location string `json:"location"`
			Detail   string `json:"detail"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(body, &p); err != nil || p.Code == "" {
		f.Cause = NoProblemError{status}
		return f
	}
	f.Code, f.Message = p.Code, p.Detail
	for _, e := range p.Errors {
		f.Fields = append(f.Fields, Field(e))
	}
	return f
}

// maxRetryAfter bounds what is believed.
const maxRetryAfter = time.Hour

// retryAfter reads the header as seconds (RFC 9110, 10.2.3); a date is not read.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 1<<20))*time.Second, maxRetryAfter)
}
