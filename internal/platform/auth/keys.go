package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// methodNames are the algorithms that are believed. None of them works with a shared secret.
var methodNames = []string{"EdDSA", "ES256", "RS256", "PS256"}

// key is a public key with the one algorithm that it is for (RFC 8725, 3.1).
type key struct {
	id     string
	method jwt.SigningMethod
	public any
}

// keySet is what tokens may be signed with. It never changes: new keys are a new set.
type keySet struct {
	byID        map[string]key
	fingerprint string // equal sets have the same
}

// named is the key that the header's kid names. A token without kid means the only key, if there is one. Errors: errUnknownKey.
func (s *keySet) named(header map[string]any) (key, error) {
	kid, given := header["kid"]
	if !given {
		if len(s.byID) == 1 {
			for _, k := range s.byID {
				return k, nil
			}
		}
		return key{}, errors.New("no kid, and several keys")
	}
	id, ok := kid.(string)
	if !ok || len(id) > 255 {
		return key{}, errors.New("a kid that is none")
	}
	if k, ok := s.byID[id]; ok {
		return k, nil
	}
	return key{}, errUnknownKey
}

// maxKeys is how many keys a set may have.
const maxKeys = 100

// parseKeys reads a JWK, a JWK set (RFC 7517), or PEM: public keys and certificates, of which only the key counts. Keys that cannot be used here are left out (RFC 7517,
// section 5). Errors: that no key is left, and why; that one is private or two have the same kid.
func parseKeys(data []byte) (*keySet, error) {
	isPEM := bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN"))
	parsed, err := jwk.Parse(data, jwk.WithPEM(isPEM), jwk.WithStrictKeySetParsing(false), jwk.WithRejectDuplicateKID(true), jwk.WithMaxKeys(maxKeys))
	if err != nil {
		return nil, err
	}
	set := &keySet{byID: map[string]key{}}
	var prints []string
	var left []error
	for i := range parsed.Len() {
		j, _ := parsed.Key(i)
		k, fingerprint, err := newKey(j)
		switch {
		case errors.Is(err, errPrivateKey):
			return nil, err
		case err != nil:
			left = append(left, fmt.Errorf("key %d: %w", i+1, err))
			continue
		}
		if _, twice := set.byID[k.id]; twice {
			return nil, errors.New("two keys are the same, or have the same kid")
		}
		set.byID[k.id] = k
		prints = append(prints, fingerprint)
	}
	if len(set.byID) == 0 {
		return nil, fmt.Errorf("there is no key that can be used: %w", errors.Join(append(left, errors.New("expected Ed25519, P-256, or RSA of at least 2048 bits"))...))
	}
	slices.Sort(prints)
	set.fingerprint = strings.Join(prints, " ")
	return set, nil
}

var errPrivateKey = errors.New("one of the keys is private: give the public ones, and consider it known to others")

// newKey binds a key to its algorithm. One without kid is named after its thumbprint (RFC 7638). Errors: errPrivateKey; that it is not for this.
func newKey(j jwk.Key) (k key, fingerprint string, err error) {
	if unsupported, ok := j.(jwk.UnsupportedKey); ok {
		return k, "", unsupported.Reason()
	}
	if private, err := jwk.IsPrivateKey(j); err == nil && private {
		return k, "", errPrivateKey
	}
	if err := forSigning(j); err != nil {
		return k, "", err
	}
	if err := jwk.Export(j, &k.public); err != nil {
		return k, "", err
	}
	if k.method, err = methodOf(k.public, j); err != nil {
		return k, "", err
	}
	sum, err := j.Thumbprint(crypto.SHA256)
	if err != nil {
		return k, "", err
	}
	thumbprint := base64.RawURLEncoding.EncodeToString(sum)
	if id, ok := j.KeyID(); ok && id != "" {
		k.id = id
	} else {
		k.id = thumbprint
	}
	return k, k.id + ":" + k.method.Alg() + ":" + thumbprint, nil
}

// forSigning refuses keys that are for encryption.
func forSigning(j jwk.Key) error {
	if use, ok := j.KeyUsage(); ok && use != "sig" {
		return errors.New("it is not for signatures")
	}
	if ops, ok := j.KeyOps(); ok && !slices.Contains(ops, jwk.KeyOpVerify) {
		return errors.New("it is not for verifying")
	}
	return nil
}

// methodOf is the algorithm of a key: the one that it names, if it can be that, or else the usual one of its kind.
func methodOf(public any, j jwk.Key) (jwt.SigningMethod, error) {
	var possible []jwt.SigningMethod
	switch p := public.(type) {
	case ed25519.PublicKey:
		possible = []jwt.SigningMethod{jwt.SigningMethodEdDSA}
	case *ecdsa.PublicKey:
		if p.Curve == elliptic.P256() {
			possible = []jwt.SigningMethod{jwt.SigningMethodES256}
		}
	case *rsa.PublicKey:
		if p.N.BitLen() >= 2048 {
			possible = []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodPS256}
		}
	}
	if len(possible) == 0 {
		return nil, errors.New("it is of another kind, or too short")
	}
	alg, named := j.Algorithm()
	if !named || alg == jwa.EmptySignatureAlgorithm() {
		return possible[0], nil
	}
	for _, m := range possible {
		if m.Alg() == alg.String() || m == jwt.SigningMethodEdDSA && alg.String() == "Ed25519" { // RFC 9864 names the curve
			return m, nil
		}
	}
	return nil, errors.New("its algorithm is not one of ours")
}
