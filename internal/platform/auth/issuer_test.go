package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/clock"
)

const (
	issuerName = "https://issuer.example"
	audience   = "https://shop.example"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// pair is a key of an issuer.
type pair struct {
	kid     string
	method  jwt.SigningMethod
	private crypto.Signer
}

// testKeys are made once: RSA keys take their time.
var testKeys = sync.OnceValue(func() map[string]pair {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	ps, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	_, other, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return map[string]pair{
		"ed":    {"ed", jwt.SigningMethodEdDSA, ed},
		"ec":    {"ec", jwt.SigningMethodES256, ec},
		"rs":    {"rs", jwt.SigningMethodRS256, rs},
		"ps":    {"ps", jwt.SigningMethodPS256, ps},
		"other": {"other", jwt.SigningMethodEdDSA, other},
	}
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk is the public key as a JWK.
func (p pair) jwk() map[string]any {
	j := map[string]any{"kid": p.kid, "use": "sig", "alg": p.method.Alg()}
	switch k := p.private.Public().(type) {
	case ed25519.PublicKey:
		j["kty"], j["crv"], j["x"] = "OKP", "Ed25519", b64(k)
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		must(err)
		size := (len(point) - 1) / 2
		j["kty"], j["crv"], j["x"], j["y"] = "EC", k.Params().Name, b64(point[1:1+size]), b64(point[1+size:])
	case *rsa.PublicKey:
		j["kty"], j["n"], j["e"] = "RSA", b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	}
	return j
}

// pem is the public key as PEM.
func (p pair) pem() []byte {
	der, err := x509.MarshalPKIXPublicKey(p.private.Public())
	must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwks is a JWK set of the keys.
func jwks(keys ...map[string]any) []byte {
	b, err := json.Marshal(map[string]any{"keys": keys})
	must(err)
	return b
}

type object = map[string]any

// goodHeader and goodClaims are those of a token that is believed at noon; changes are set, nil removes.
func (p pair) goodHeader(changes object) object {
	return changed(object{"alg": p.method.Alg(), "typ": "at+jwt", "kid": p.kid}, changes)
}

func goodClaims(changes object) object {
	return changed(object{"iss": issuerName, "aud": audience, "sub": "cus_1", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix()}, changes)
}

func changed(o, changes object) object {
	maps.Copy(o, changes)
	for name, value := range o {
		if value == nil {
			delete(o, name)
		}
	}
	return o
}

// sign makes a token of what is given, however wrong.
func (p pair) sign(header, claims object) string {
	text := unsigned(header, claims)
	var key any = p.private
	signature, err := p.method.Sign(text, key)
	must(err)
	return text + "." + b64(signature)
}

func unsigned(header, claims object) string {
	h, err := json.Marshal(header)
	must(err)
	c, err := json.Marshal(claims)
	must(err)
	return b64(h) + "." + b64(c)
}

// token is a good one, with changed claims.
func (p pair) token(claims object) string { return p.sign(p.goodHeader(nil), goodClaims(claims)) }

// keyFile is a file of keys.
func keyFile(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// verifying is a verifier of an issuer with all the test's keys but "other", at noon.
func verifying(t testing.TB, change ...func(*auth.Config)) (*auth.Verifier, *clock.Fake) {
	t.Helper()
	at := clock.NewFake(noon)
	k := testKeys()
	keys, err := auth.KeyFile(keyFile(t, jwks(k["ed"].jwk(), k["ec"].jwk(), k["rs"].jwk(), k["ps"].jwk())), at, zap.NewNop())
	require.NoError(t, err)
	c := auth.Config{
		Issuer: issuerName, Audience: audience, Types: []string{"at+jwt", "JWT"}, Leeway: 30 * time.Second, RoleClaim: "role",
		DefaultRole: auth.Customer, Keys: keys, Clock: at,
	}
	for _, f := range change {
		f(&c)
	}
	return auth.NewVerifier(c), at
}
