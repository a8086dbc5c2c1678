// Package fault is the one error type that crosses a boundary: a context returns it, the edge turns it into
// a problem document, a remote client turns the document back into it (see FromProblem: all that it knows of HTTP). It knows no SQL.
//
// An error that is no *Error is unexpected: KindOf calls it Internal, and nobody outside sees its text.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind says whose turn it is: the caller's to change something, or ours.
type Kind uint8

const (
	Internal     Kind = iota // a defect or an unexpected answer of the machine; details stay inside
	Malformed                // cannot be read at all: broken JSON, a missing header
	Invalid                  // can be read, but breaks a rule of the input
	Unauthorized             // nobody knows who is asking
	Forbidden                // known, but not allowed
	NotFound                 // does not exist, or must look as if it did not
	Conflict                 // contradicts the present state
	Gone                     // existed once
	TooMany                  // slow down
	Unavailable              // a dependency is down or the deadline passed: try again later
	Precondition             // the caller's condition does not hold: what it has seen has changed since
)

var kindNames = [...]string{"internal", "malformed", "invalid", "unauthorized", "forbidden", "not_found", "conflict", "gone", "too_many", "unavailable", "precondition"}

// String is the kind's word in logs and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "internal"
}

// Field is one broken part of an input. Detail never repeats the value that was sent.
type Field struct {
	Location string // path of the part, such as body.items[0].quantity
	Detail   string // what is expected there
}

// Error is a fault: what kind, a stable machine-readable code, and one sentence for people.
type Error struct {
	Kind    Kind
	Code    string // snake_case, part of the API: clients switch on it
	Message string // one sentence, safe to show to the caller
	Fields  []Field
	Cause   error // for the log only, never shown

	RetryAfter time.Duration // of TooMany and Unavailable: it is of no use to ask again before; 0 when nobody knows
}

// New makes a fault. The message is shown to the caller.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Newf is New with a format.
func Newf(kind Kind, code, format string, args ...any) *Error {
	return New(kind, code, fmt.Sprintf(format, args...))
}

// Wrap makes a fault that keeps its cause for the log.
func Wrap(cause error, kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message, Cause: cause}
}

// With returns a copy that names broken fields.
func (e *Error) With(fields ...Field) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), fields...)
	return &c
}

// Error is the text for logs: it includes the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Message + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Message
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports two faults as the same when kind and code agree, so that `errors.Is(err, ErrNotFound)` works
// with a package-level fault whatever its message.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Code == e.Code
}

// As returns the fault in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf is the kind of the fault in err's chain; Internal when there is none.
func KindOf(err error) Kind {
	if e := As(err); e != nil {
		return e.Kind
	}
	return Internal
}
