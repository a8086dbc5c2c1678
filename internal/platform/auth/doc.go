// Package auth says who is asking. It knows no context: what somebody may do to an order, orders decides.
//
//	Principal    who asks: a role and a subject; in the context of every request (principal.go)
//	Middleware   takes the token from a request, and puts its principal into the context (middleware.go)
//	Verifier     makes a principal of a token: a JWT (RFC 7519), checked as RFC 8725 asks (verifier.go, claims.go)
//	KeySource    the issuer's public keys: a file (file.go), a URL (remote.go), or those of a Signer
//	Signer       the development key: a shop without an issuer of its own signs for itself (signer.go)
//
// A key has one algorithm, by what it is; what a token says of its algorithm chooses nothing. Passwords, sessions and refreshing are the issuer's
// business: any that gives JWTs as access tokens will do, such as those of OpenID Connect (RFC 9068).
package auth
