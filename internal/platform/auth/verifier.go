package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"shop/internal/platform/clock"
	"shop/internal/platform/fault"
)

// Config says which tokens are believed.
type Config struct {
	Issuer      string        // iss of every token
	Audience    string        // one of the aud of every token
	Types       []string      // allowed typ headers, such as at+jwt; application/at+jwt and any case mean the same
	Leeway      time.Duration // how far the issuer's clock may be off
	RoleClaim   string        // where the role is: the name of a claim, or a path such as realm_access.roles
	DefaultRole Role          // of a token that names no role of ours; empty: such a token is refused
	Keys        KeySource
	Clock       clock.Clock // default clock.System
}

// KeySource knows the keys of an issuer: KeyFile, KeyURL, or a Signer.
type KeySource interface {
	// keys are those that are known, looked after from time to time. Errors: ErrKeysUnavailable.
	keys(ctx context.Context) (*keySet, error)
	// renewed are the keys after a look for one that is missing, which a source does not do as often as it is asked. Errors: ErrKeysUnavailable.
	renewed(ctx context.Context) (*keySet, error)
}

// ErrKeysUnavailable: the issuer's keys are not known and cannot be had, so no token can be judged.
var ErrKeysUnavailable = fault.New(fault.Unavailable, "keys_unavailable", "tokens cannot be checked at the moment; try again")

// ErrNoRole: the token is valid, but names no role of this shop.
var ErrNoRole = fault.New(fault.Forbidden, "no_role", "the token gives no role in this shop")

// Verifier makes principals of tokens. Safe for concurrent use.
type Verifier struct {
	config Config
	types  []string // as bareType gives them
	parser *jwt.Parser
	seen   *remembered
}

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 8 << 10

// rememberedFor is how long a token is not checked again. A signature costs some 60 µs, and a client sends the same token many times.
const rememberedFor = time.Minute

// NewVerifier makes a verifier. Nothing is read or fetched before the first token.
func NewVerifier(c Config) *Verifier {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	v := &Verifier{config: c, seen: newRemembered()}
	for _, t := range c.Types {
		v.types = append(v.types, bareType(t))
	}
	v.parser = jwt.NewParser(
		jwt.WithValidMethods(methodNames),
		jwt.WithIssuer(c.Issuer),
		jwt.WithAudience(c.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), // if there is one, it is not in the future
		jwt.WithLeeway(c.Leeway),
		jwt.WithStrictDecoding(), // one spelling for each token
		jwt.WithTimeFunc(c.Clock.Now),
	)
	return v
}

// Verify says whose token it is. Errors: ErrInvalidToken, ErrNoRole, ErrKeysUnavailable.
func (v *Verifier) Verify(ctx context.Context, token string) (Principal, error) {
	if len(token) > maxToken {
		return Principal{}, refused("longer than 8 KiB")
	}
	keys, err := v.config.Keys.keys(ctx)
	if err != nil {
		return Principal{}, err
	}
	now, sum := v.config.Clock.Now(), sha256.Sum256([]byte(token))
	if p, ok := v.seen.get(sum, keys, now); ok {
		return p, nil
	}
	p, until, err := v.check(token, keys)
	if errors.Is(err, errUnknownKey) {
		known := keys
		if keys, err = v.config.Keys.renewed(ctx); err != nil {
			return Principal{}, err
		}
		if keys == known {
			return Principal{}, refusedBy(errUnknownKey)
		}
		p, until, err = v.check(token, keys)
	}
	if err != nil {
		return Principal{}, err
	}
	if latest := now.Add(rememberedFor); until.After(latest) {
		until = latest
	}
	v.seen.put(sum, keys, p, until)
	return p, nil
}

// check verifies a token with the keys, and says until when it holds.
func (v *Verifier) check(token string, keys *keySet) (Principal, time.Time, error) {
	claims := jwt.MapClaims{} // not a struct: encoding/json would take "SUB" for "sub"
	_, err := v.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) { return v.keyFor(t.Header, keys) })
	if err != nil {
		return Principal{}, time.Time{}, refusedBy(err)
	}
	p, err := v.principal(claims)
	if err != nil {
		return Principal{}, time.Time{}, err
	}
	exp, err := claims.GetExpirationTime()
	if err != nil || exp == nil { // cannot be: the parser wants one
		return Principal{}, time.Time{}, refused("no expiry")
	}
	return p, exp.Time, nil
}

// errUnknownKey: the issuer may have a new key.
var errUnknownKey = errors.New("signed with an unknown key")

// keyFor is the key that a token claims to be signed with. Nothing else of the header is believed: a key in it, or the address of one, is the sender's.
func (v *Verifier) keyFor(header map[string]any, keys *keySet) (any, error) {
	for _, name := range []string{"jku", "jwk", "x5u", "x5c", "crit"} {
		if _, there := header[name]; there {
			return nil, fmt.Errorf("a header %s", name)
		}
	}
	if typ, ok := header["typ"].(string); !ok || !slices.Contains(v.types, bareType(typ)) {
		return nil, errors.New("another type")
	}
	k, err := keys.named(header)
	if err != nil {
		return nil, err
	}
	if header["alg"] != k.method.Alg() {
		return nil, errors.New("another algorithm than the key's")
	}
	return k.public, nil
}

// bareType is a typ header without what may be left out (RFC 7515, 4.1.9).
func bareType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}
