package gateway

import (
	"context"
	"net/http"
)

type authorizationKey struct{}

// Remember keeps a request's token at hand for the questions that it leads to. It is needed only where there are contexts elsewhere.
func Remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token != "" {
			r = r.WithContext(context.WithValue(r.Context(), authorizationKey{}, token))
		}
		next.ServeHTTP(w, r)
	})
}

// OnBehalf is the Authorization header of the request that leads to a question, for contexts elsewhere: they show what that caller may see. Empty when it has none.
func OnBehalf(ctx context.Context) string {
	token, _ := ctx.Value(authorizationKey{}).(string)
	return token
}
