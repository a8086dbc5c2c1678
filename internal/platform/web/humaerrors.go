package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"shop/internal/platform/fault"
)

// humaError makes our problem of the errors that huma finds by itself. Their values are dropped: we echo nothing.
func humaError(hc huma.Context, status int, msg string, errs ...error) huma.StatusError {
	ctx := context.Background()
	if hc != nil {
		ctx = hc.Context()
	}
	if status == http.StatusInternalServerError && len(errs) == 1 {
		return ProblemOf(ctx, errs[0])
	}
	var fields []fault.Field
	for _, err := range errs {
		if d, ok := err.(huma.ErrorDetailer); ok {
			fields = append(fields, fault.Field{Location: d.ErrorDetail().Location, Detail: withoutValue(d.ErrorDetail().Message)})
		}
	}
	return newProblem(ctx, status, codeOf(status), msg, fields...)
}

func codeOf(status int) string {
	switch status {
	case http.StatusUnprocessableEntity:
		return "invalid_input"
	}
	return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
}

func withoutValue(msg string) string { return msg }
