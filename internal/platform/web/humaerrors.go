package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"shop/internal/platform/fault"
)

// humaError makes our problem of the errors that huma finds by itself: wrong parameters, and everything in operations
// that are not registered with Register. Their values are dropped: we echo nothing.
func humaError(hc huma.Context, status int, msg string, errs ...error) huma.StatusError {
	ctx := context.Background()
	if hc != nil {
		ctx = hc.Context()
	}
	if len(errs) == 1 && (status == http.StatusInternalServerError || fault.As(errs[0]) != nil) {
		return ProblemOf(ctx, errs[0])
	}
	var fields []fault.Field
	inPath := len(errs) > 0
	for _, err := range errs {
		var detailed huma.ErrorDetailer
		if errors.As(err, &detailed) && len(fields) < maxBroken {
			detail := detailed.ErrorDetail()
			fields = append(fields, fault.Field{Location: detail.Location, Detail: withoutValue(detail.Message)})
			inPath = inPath && strings.HasPrefix(detail.Location, "path.")
		}
	}
	switch {
	case status == http.StatusUnprocessableEntity && inPath && hc != nil && hc.Method() != http.MethodPut:
		// A path that cannot name anything names nothing. PUT would have made it, and is told why not.
		return newProblem(ctx, http.StatusNotFound, "not_found", "there is nothing at this address")
	case status == http.StatusUnprocessableEntity:
		return newProblem(ctx, status, "invalid_input", "a part of the request breaks a rule", fields...)
	case status == http.StatusBadRequest:
		return newProblem(ctx, status, "malformed_json", msg, fields...)
	}
	return newProblem(ctx, status, strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"), msg)
}

// withoutValue cuts the part of huma's messages that repeats the input, such as "expected string to be RFC 3986 uri: …".
func withoutValue(msg string) string {
	for _, prefix := range echoing {
		if strings.HasPrefix(msg, prefix) {
			return prefix
		}
	}
	return msg
}

var echoing = func() (prefixes []string) {
	for _, m := range []string{
		validation.MsgExpectedRFC5322Email, validation.MsgExpectedRFC3986URI, validation.MsgExpectedRFC4122UUID,
		validation.MsgExpectedRegexp, validation.MsgExpectedDuration, "invalid value: %v",
	} {
		prefixes = append(prefixes, strings.TrimSuffix(m, ": %v"))
	}
	return prefixes
}()
