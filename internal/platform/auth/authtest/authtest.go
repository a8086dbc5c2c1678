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
	r.Header.Set(Header(p))
	return r
}

// Header is what As sets, for helpers that take headers.
func Header(p auth.Principal) (name, value string) {
	v, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return header, string(v)
}

// AsCustomer is the name and value of the header that makes a request the customer's.
func AsCustomer(id string) []string {
	name, value := Header(auth.Principal{Role: auth.Customer, Subject: id})
	return []string{name, value}
}

// AsService is the name and value of the header that makes a request a service's.
func AsService() []string {
	name, value := Header(auth.Principal{Role: auth.Service, Subject: "test"})
	return []string{name, value}
}

// AsNobody is the name and value of the header that makes a request anonymous.
func AsNobody() []string {
	name, value := Header(auth.Principal{})
	return []string{name, value}
}

// Context is a context in which the customer asks.
func Context(ctx context.Context, customer string) context.Context {
	return auth.With(ctx, auth.Principal{Role: auth.Customer, Subject: customer})
}
