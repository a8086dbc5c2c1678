package auth

import "context"

// Role is what a principal is to the shop.
type Role string

const (
	Customer Role = "customer" // buys; sees what is theirs
	Operator Role = "operator" // runs the shop; may do everything
	Service  Role = "service"  // a program that acts for customers: reads everything, places and cancels orders; sells, moves and refunds nothing
)

// Principal is somebody whose token was verified. The zero value is nobody.
type Principal struct {
	Role    Role
	Subject string // the token's sub; a customer's id is their subject
}

// Known reports whether anybody is asking at all.
func (p Principal) Known() bool { return p.Role != "" }

// Has reports whether the principal has one of the roles.
func (p Principal) Has(roles ...Role) bool {
	for _, r := range roles {
		if p.Role == r && r != "" {
			return true
		}
	}
	return false
}

// Guest is the customer of what is bought without an account. Nobody's subject may be this, so no customer ever owns it.
const Guest = "guest"

// ActsFor reports whether the principal may see and change what belongs to the customer: the customer, or one who works for the shop. Refuse with
// NotFound, as if it did not exist.
func (p Principal) ActsFor(customer string) bool {
	return p.Has(Operator, Service) || p.Role == Customer && p.Subject == customer && customer != "" && customer != Guest
}

// String names the principal among all: role and subject. Nobody is "anonymous".
func (p Principal) String() string {
	if !p.Known() {
		return "anonymous"
	}
	return string(p.Role) + ":" + p.Subject
}

type principalKey struct{}

// With gives a request its principal.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From is who asks; nobody when no token was verified.
func From(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
