package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

type header = jwt.MapClaims

// forgeries are tokens that prove nothing.
func (i *testIssuer) forgeries(t *testing.T) map[string]string {
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	good := i.token(nil)
	parts := strings.Split(good, ".")
	payload, signature := parts[1], parts[2]
	plain := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	unsigned := func(h string) string { return plain(h) + "." + payload }
	der, err := x509.MarshalPKIXPublicKey(i.rsa.Public())
	require.NoError(t, err)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	ed := func(h header, c jwt.MapClaims) string {
		if h == nil {
			h = header{"kid": "ed"}
		}
		return sign(jwt.SigningMethodEdDSA, i.ed, h, claims(c))
	}
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	foreign := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(stranger.Public().(ed25519.PublicKey))}
	return map[string]string{
		"alg none":                       unsigned(`{"alg":"none","typ":"at+jwt"}`) + ".",
		"alg None":                       unsigned(`{"alg":"None","typ":"at+jwt","kid":"ed"}`) + ".",
		"alg none with a signature":      unsigned(`{"alg":"none","typ":"at+jwt","kid":"ed"}`) + "." + signature,
		"no alg":                         unsigned(`{"typ":"at+jwt","kid":"ed"}`) + "." + signature,
		"HS256 with the RSA key in PEM":  sign(jwt.SigningMethodHS256, publicPEM, header{"kid": "rsa"}, claims(nil)),
		"HS256 with the RSA key in DER":  sign(jwt.SigningMethodHS256, der, header{"kid": "rsa"}, claims(nil)),
		"HS256 with the RSA modulus":     sign(jwt.SigningMethodHS256, i.rsa.N.Bytes(), header{"kid": "rsa"}, claims(nil)),
		"HS256 with the Ed25519 key":     sign(jwt.SigningMethodHS256, []byte(i.ed.Public().(ed25519.PublicKey)), header{"kid": "ed"}, claims(nil)),
		"HS256 with nothing":             sign(jwt.SigningMethodHS256, []byte{}, header{"kid": "ed"}, claims(nil)),
		"RS512 with the RSA key":         sign(jwt.SigningMethodRS512, i.rsa, header{"kid": "rsa"}, claims(nil)),
		"PS256 with the key for RS256":   sign(jwt.SigningMethodPS256, i.rsa, header{"kid": "rsa"}, claims(nil)),
		"a key under another's name":     ed(header{"kid": "rsa"}, nil),
		"no kid, and several keys":       ed(header{}, nil),
		"a kid that is a path":           ed(header{"kid": "../../../../dev/null"}, nil),
		"a kid that is SQL":              ed(header{"kid": "ed' UNION SELECT 'x"}, nil),
		"a kid that is an address":       ed(header{"kid": "http://127.0.0.1:1/key"}, nil),
		"a kid that is a list":           ed(header{"kid": []string{"ed"}}, nil),
		"a jku":                          sign(jwt.SigningMethodEdDSA, stranger, header{"kid": "ed", "jku": "http://127.0.0.1:1/keys"}, claims(nil)),
		"a jku, and signed by us":        ed(header{"kid": "ed", "jku": "http://127.0.0.1:1/keys"}, nil),
		"a jwk":                          sign(jwt.SigningMethodEdDSA, stranger, header{"kid": "ed", "jwk": foreign}, claims(nil)),
		"an x5u":                         sign(jwt.SigningMethodEdDSA, stranger, header{"kid": "ed", "x5u": "http://127.0.0.1:1/cert"}, claims(nil)),
		"a crit that nobody understands": ed(header{"kid": "ed", "crit": []string{"exp"}}, nil),
		"another typ":                    ed(header{"kid": "ed", "typ": "dpop+jwt"}, nil),
		"no typ":                         ed(header{"kid": "ed", "typ": nil}, nil),
		"a stranger's signature":         sign(jwt.SigningMethodEdDSA, stranger, header{"kid": "ed"}, claims(nil)),
		"a key that was rotated away":    sign(jwt.SigningMethodEdDSA, stranger, header{"kid": "last-year"}, claims(nil)),
		"expired":                        ed(nil, jwt.MapClaims{"exp": at(-time.Minute)}),
		"never expires":                  ed(nil, jwt.MapClaims{"exp": nil}),
		"an exp that is text":            ed(nil, jwt.MapClaims{"exp": "2100-01-01"}),
		"not valid yet":                  ed(nil, jwt.MapClaims{"nbf": at(time.Minute)}),
		"issued in the future":           ed(nil, jwt.MapClaims{"iat": at(time.Minute)}),
		"for another audience":           ed(nil, jwt.MapClaims{"aud": "billing"}),
		"for no audience":                ed(nil, jwt.MapClaims{"aud": nil}),
		"for an audience like ours":      ed(nil, jwt.MapClaims{"aud": issuerAudience + "s"}),
		"of another issuer":              ed(nil, jwt.MapClaims{"iss": issuerName + ".evil.example"}),
		"of no issuer":                   ed(nil, jwt.MapClaims{"iss": nil}),
		"of nobody":                      ed(nil, jwt.MapClaims{"sub": ""}),
		"of a guest":                     ed(nil, jwt.MapClaims{"sub": "guest"}),
		"an empty signature":             parts[0] + "." + payload + ".",
		"no signature":                   parts[0] + "." + payload,
		"another's payload":              parts[0] + "." + strings.Split(i.token(jwt.MapClaims{"role": "operator"}), ".")[1] + "." + signature,
		"a signature with one bit off":   parts[0] + "." + payload + "." + flip(signature),
		"a second spelling":              good + "=",
		"dots":                           strings.Repeat(".", 8000),
		"more dots":                      strings.Repeat(".", 20_000),
		"nothing":                        "",
		"five parts":                     "eyJhbGciOiJkaXIifQ....",
		"two tokens":                     good + " " + good,
		"a token and a comma":            good + ",",
	}
}

// flip changes a character in the middle of a signature.
func flip(s string) string {
	b := []byte(s)
	if at := len(b) / 2; b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}

// A token that proves nothing is refused also where none is needed.
func (f *fortress) attackTokens(t *testing.T) {
	for name, token := range f.issuer.forgeries(t) {
		bearer := []string{"Authorization", "Bearer " + token}
		want := attack{want: 401, code: "invalid_token", check: func(t *testing.T, a answer) {
			require.Contains(t, a.Header.Get("WWW-Authenticate"), "Bearer")
			require.NotContains(t, strings.ToLower(string(a.Raw)), "signature", "why is nobody's business")
		}}
		if name == "of a guest" {
			want = attack{want: 401}
		}
		closed, open := want, want
		closed.name, closed.method, closed.path, closed.headers = name, http.MethodGet, "/v1/orders", bearer
		open.name, open.method, open.path, open.headers = name+", where none is needed", http.MethodGet, "/v1/products", bearer
		f.run(t, []attack{closed, open})
	}
	good := f.issuer.of("ann")
	f.run(t, []attack{
		{name: "no token", method: "GET", path: "/v1/orders", want: 401, code: "unauthorized"},
		{name: "in the URL", method: "GET", path: "/v1/orders?access_token=" + good + "&token=" + good, want: 401},
		{name: "in a cookie", method: "GET", path: "/v1/orders", headers: []string{"Cookie", "access_token=" + good}, want: 401},
		{name: "in a header of its own", method: "GET", path: "/v1/orders", headers: []string{"X-Access-Token", good}, want: 401},
		{name: "of another scheme", method: "GET", path: "/v1/orders", headers: []string{"Authorization", "Basic YW5uOmFubg=="}, want: 401},
		{name: "without a scheme", method: "GET", path: "/v1/orders", headers: []string{"Authorization", good}, want: 401},
		{name: "no role of ours makes no operator", method: "GET", path: "/v1/customers", want: 403,
			headers: []string{"Authorization", "Bearer " + f.issuer.token(jwt.MapClaims{"role": "admin"})}},
		{name: "the good one", who: "ann", method: "GET", path: "/v1/orders", want: 200},
	})
}
