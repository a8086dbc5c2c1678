package web

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
)

// request is what the edge knows of the request it serves. It travels in the context.
type request struct {
	traceID string // 32 hex digits
	flags   string // 2 hex digits of the W3C trace flags
	body    []byte // the body of an operation, see RequestBody
	err     error  // what the handler failed with, for the access log
	place   *place // among the requests that are worked on, see Bound; nil without a bound
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{}).(*request)
	return q
}

// TraceID names the request in logs, problems and traces: 32 hex digits, from the caller's traceparent when it sent a
// valid one. It is empty outside a request.
func TraceID(ctx context.Context) string {
	if q := requestOf(ctx); q != nil {
		return q.traceID
	}
	return ""
}

// traceparent continues the trace in what the request sets off: the W3C header with a new span id.
func (q *request) traceparent() string {
	return "00-" + q.traceID + "-" + randomHex(8) + "-" + q.flags
}

// RequestBody is the body of an operation as it was sent. It is valid until the handler returns, and must not be changed.
func RequestBody(ctx context.Context) []byte {
	if q := requestOf(ctx); q != nil {
		return q.body
	}
	return nil
}

func noteError(ctx context.Context, err error) {
	if q := requestOf(ctx); q != nil {
		q.err = err
	}
}

// newRequest takes the trace from the W3C traceparent header (https://www.w3.org/TR/trace-context/) or begins one.
func newRequest(r *http.Request) *request {
	if id, flags, ok := parseTraceparent(r.Header.Get("Traceparent")); ok {
		return &request{traceID: id, flags: flags}
	}
	return &request{traceID: randomHex(16), flags: "00"}
}

// parseTraceparent reads version-traceid-parentid-flags. A later version may append fields; version ff is not valid,
// nor are ids of zeros or in upper case.
func parseTraceparent(s string) (traceID, flags string, ok bool) {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return "", "", false
	}
	version, id, parent, flags := s[:2], s[3:35], s[36:52], s[53:55]
	if !lowerHex(version) || !lowerHex(id) || !lowerHex(parent) || !lowerHex(flags) || version == "ff" {
		return "", "", false
	}
	if len(s) > 55 && (version == "00" || s[55] != '-') {
		return "", "", false
	}
	if allZero(id) || allZero(parent) {
		return "", "", false
	}
	return id, flags, true
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func allZero(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return true
}

// randomHex is n random bytes (at most 16) in hex. Trace ids need to be unique, not secret.
func randomHex(n int) string {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	raw[0] |= 1 // never all zeros
	var out [32]byte
	hex.Encode(out[:], raw[:n])
	return string(out[:2*n])
}
