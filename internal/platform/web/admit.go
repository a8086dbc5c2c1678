package web

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"shop/internal/platform/auth"
)

// admit lets only those through to an operation who may call it, before anything of the request is looked at, and says so in the document.
func admit(op Op, o *huma.Operation) {
	if op.Public {
		o.Security = []map[string][]string{{}, {"bearer": {}}} // with or without
		return
	}
	o.Security = []map[string][]string{{"bearer": {}}}
	if len(op.Roles) > 0 {
		o.Extensions = map[string]any{"x-roles": op.Roles}
	}
	o.Middlewares = append(huma.Middlewares{func(hc huma.Context, next func(huma.Context)) {
		if err := permit(op, auth.From(hc.Context())); err != nil {
			r, w := humachi.Unwrap(hc)
			WriteProblem(w, r, err)
			return
		}
		next(hc)
	}}, o.Middlewares...)
}

// permit says whether the principal may call the operation. Errors: auth.ErrUnauthorized, auth.ErrForbidden.
func permit(op Op, p auth.Principal) error {
	switch {
	case !p.Known():
		return auth.ErrUnauthorized
	case len(op.Roles) > 0 && !p.Has(op.Roles...):
		return auth.ErrForbidden
	}
	return nil
}

// whoMay is the sentence of an operation's description that says who may call it.
func whoMay(op Op) string {
	switch {
	case op.Public:
		return "Needs no token."
	case len(op.Roles) == 0:
		return "Needs a token. A customer reaches only what is their own; all else is answered as if it did not exist."
	}
	names := make([]string, len(op.Roles))
	for i, r := range op.Roles {
		names[i] = "`" + string(r) + "`"
	}
	return "Needs a token of the role " + strings.Join(names, " or ") + "."
}
