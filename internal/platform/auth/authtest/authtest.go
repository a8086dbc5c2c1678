// Package authtest stands in for tokens where a test is not about them.
package authtest

import (
	"context"
	"encoding/json"
	"net/http"

	"shop/internal/platform/auth"
)

const header = "X-Test-Principal"

// Trust is a middleware that believes the header of As, and takes a request without it for one of the operator's. For tests alone.
func Trust(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := auth.Principal{Role: auth.Operator, Subject: "test"}
		if v := r.Header.Get(header); v != "" {
			if err := json.Unmarshal([]byte(v), &p); err != nil {
				panic(err)
			}
		}
		next.ServeHTTP(w, r.WithContext(auth.With(r.Context(), p)))
	})
}

// As makes a request one of the principal's; the zero value makes it anonymous.
func As(r *http.Request, p auth.Principal) *http.Request {
	v, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	r.Header.Set(header, string(v))
	return r
}

// Context is a context in which the customer asks.
func Context(ctx context.Context, customer string) context.Context {
	return auth.With(ctx, auth.Principal{Role: auth.Customer, Subject: customer})
}
