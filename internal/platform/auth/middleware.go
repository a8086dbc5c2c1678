package auth

import (
	"errors"
	"net/http"
	"strings"

	"shop/internal/platform/fault"
)

var (
	// ErrUnauthorized: the operation needs a token and there is none.
	ErrUnauthorized = fault.New(fault.Unauthorized, "unauthorized", "this needs a token: Authorization: Bearer …")
	// ErrInvalidToken: there is a token, but it proves nothing here. Why is its cause, for the log; a caller who guesses is not told.
	ErrInvalidToken = fault.New(fault.Unauthorized, "invalid_token", "the token is not valid here")
	// ErrForbidden: who asks is known and has another role.
	ErrForbidden = fault.New(fault.Forbidden, "forbidden", "this is for others")
	// ErrTooManyFailures: too many tokens of this caller were refused.
	ErrTooManyFailures = fault.New(fault.TooMany, "too_many_failures", "too many invalid tokens; wait a while")
)

// Limiter slows down who tries tokens out.
type Limiter interface {
	// Failed notes that the token of a request was refused, and reports whether that happened so often that its sender must wait.
	Failed(r *http.Request) (blocked bool)
}

// Middleware gives every request its principal. One without an Authorization header is nobody's, which is for the operation to judge; one with a token that is not
// valid is refused, also where no token is needed. limiter may be nil. refuse writes the answer: the faults of this package, or those of Verify.
func Middleware(v *Verifier, limiter Limiter, refuse func(http.ResponseWriter, *http.Request, error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			headers := r.Header["Authorization"]
			if len(headers) == 0 {
				next.ServeHTTP(w, r)
				return
			}
			p, err := v.ofHeader(r, headers)
			if err == nil {
				next.ServeHTTP(w, r.WithContext(With(r.Context(), p)))
				return
			}
			if errors.Is(err, ErrInvalidToken) {
				w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`) // RFC 6750, 3.1
				if limiter != nil && limiter.Failed(r) {
					w.Header().Del("WWW-Authenticate")
					err = fault.Wrap(err, ErrTooManyFailures.Kind, ErrTooManyFailures.Code, ErrTooManyFailures.Message)
				}
			}
			refuse(w, r, err)
		})
	}
}

// ofHeader is whom the request's Authorization headers name. Errors: those of Verify.
func (v *Verifier) ofHeader(r *http.Request, headers []string) (Principal, error) {
	if len(headers) > 1 {
		return Principal{}, refused("more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, refused("an Authorization header that is not Bearer")
	}
	return v.Verify(r.Context(), strings.TrimLeft(token, " "))
}

// refused is ErrInvalidToken with its reason, which must not contain anything of the token.
func refused(reason string) error { return refusedBy(errors.New(reason)) }

func refusedBy(cause error) error {
	return fault.Wrap(cause, ErrInvalidToken.Kind, ErrInvalidToken.Code, ErrInvalidToken.Message)
}
