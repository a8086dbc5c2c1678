package auth_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/platform/auth"
	"shop/internal/platform/web"
)

// gate is a server with two operations behind the middleware: one that needs a token, and one that does not. Both say who asks.
type gate struct {
	*httptest.Server
	t    *testing.T
	logs *observer.ObservedLogs
}

func openGate(t *testing.T, v *auth.Verifier, limiter auth.Limiter) *gate {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	edge := web.New(web.Options{Logger: zap.New(core), Use: []func(http.Handler) http.Handler{auth.Middleware(v, limiter, web.WriteProblem)}})
	for path, public := range map[string]bool{"/closed": false, "/open": true} {
		web.Register(edge.API, web.Op{Method: http.MethodGet, Path: path, ID: path, Public: public}, func(ctx context.Context, _ *struct{}) (string, error) {
			return auth.From(ctx).String(), nil
		})
	}
	g := &gate{Server: httptest.NewUnstartedServer(nil), t: t, logs: logs}
	g.Config = edge.Server("")
	g.Start()
	t.Cleanup(g.Close)
	return g
}

// get asks with these Authorization headers, and returns the status, who asked or the code of the problem, and the header.
func (g *gate) get(path string, authorization ...string) (status int, said string, header http.Header) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.URL+path, nil)
	require.NoError(g.t, err)
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	res, err := g.Client().Do(r)
	require.NoError(g.t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(g.t, err)
	if res.StatusCode == http.StatusOK {
		require.NoError(g.t, json.Unmarshal(body, &said))
		return res.StatusCode, said, res.Header
	}
	var p web.Problem
	require.NoError(g.t, json.Unmarshal(body, &p), string(body))
	return res.StatusCode, p.Code, res.Header
}

func TestATokenOfEachAlgorithmIsBelieved(t *testing.T) {
	v, _ := verifying(t)
	g := openGate(t, v, nil)
	for _, name := range []string{"ed", "ec", "rs", "ps"} {
		k := testKeys()[name]
		for what, token := range map[string]string{
			"the usual":             k.token(nil),
			"typ in full":           k.sign(k.goodHeader(object{"typ": "application/at+jwt"}), goodClaims(nil)),
			"typ in another case":   k.sign(k.goodHeader(object{"typ": "AT+JWT"}), goodClaims(nil)),
			"the other typ":         k.sign(k.goodHeader(object{"typ": "JWT"}), goodClaims(nil)),
			"several audiences":     k.token(object{"aud": []string{"https://else.example", audience}}),
			"no iat":                k.token(object{"iat": nil}),
			"an expiry just missed": k.token(object{"exp": noon.Add(-29 * time.Second).Unix()}),
			"a clock that is ahead": k.token(object{"iat": noon.Add(29 * time.Second).Unix(), "nbf": noon.Add(29 * time.Second).Unix()}),
		} {
			for range 2 { // the second time it is remembered
				status, who, _ := g.get("/closed", "Bearer "+token)
				require.Equal(t, 200, status, "%s, %s", name, what)
				require.Equal(t, "customer:cus_1", who)
			}
		}
	}
}

// hostile are tokens that prove nothing, by what is wrong with them.
func hostile() map[string]string {
	k, other := testKeys()["ed"], testKeys()["other"]
	rs, ec := testKeys()["rs"], testKeys()["ec"]
	header := func(changes object) string { return k.sign(k.goodHeader(changes), goodClaims(nil)) }
	forged := func(method jwt.SigningMethod, secret []byte, kid string) string {
		text := unsigned(object{"alg": method.Alg(), "typ": "at+jwt", "kid": kid}, goodClaims(object{"role": "operator"}))
		signature, err := method.Sign(text, secret)
		must(err)
		return text + "." + b64(signature)
	}
	good := k.token(nil)
	cases := map[string]string{
		"alg HS256 with the RSA key":       forged(jwt.SigningMethodHS256, rs.pem(), "rs"),
		"alg HS512 with the RSA key":       forged(jwt.SigningMethodHS512, rs.pem(), "rs"),
		"alg HS256 with the JWK":           forged(jwt.SigningMethodHS256, jwks(k.jwk()), "ed"),
		"alg HS256 with nothing":           forged(jwt.SigningMethodHS256, []byte{}, "ed"),
		"an RS256 key used for PS256":      pair{"rs", jwt.SigningMethodPS256, rs.private}.token(nil),
		"an RS256 key used for RS512":      pair{"rs", jwt.SigningMethodRS512, rs.private}.token(nil),
		"another alg in the header":        k.sign(k.goodHeader(object{"alg": "ES256"}), goodClaims(nil)),
		"another key with a known kid":     other.sign(k.goodHeader(nil), goodClaims(nil)),
		"an unknown kid":                   other.token(nil),
		"no kid, and several keys":         header(object{"kid": nil}),
		"a kid that is a path":             other.sign(k.goodHeader(object{"kid": "../../../../dev/null"}), goodClaims(nil)),
		"a kid that is SQL":                other.sign(k.goodHeader(object{"kid": "' UNION SELECT 'secret"}), goodClaims(nil)),
		"a kid that is a number":           header(object{"kid": 1}),
		"a kid of 256 characters":          header(object{"kid": strings.Repeat("k", 256)}),
		"a key in the header":              other.sign(k.goodHeader(object{"jwk": other.jwk()}), goodClaims(nil)),
		"a key in the header, signed":      header(object{"jwk": k.jwk()}),
		"the address of keys":              header(object{"jku": "https://evil.example/jwks.json"}),
		"the address of a certificate":     header(object{"x5u": "https://evil.example/cert.pem"}),
		"a certificate":                    header(object{"x5c": []string{"MIIB"}}),
		"a critical extension":             header(object{"crit": []string{"exp"}, "exp": 1}),
		"no typ":                           header(object{"typ": nil}),
		"another typ":                      header(object{"typ": "id+jwt"}),
		"a typ that is a list":             header(object{"typ": []string{"at+jwt"}}),
		"expired":                          k.token(object{"exp": noon.Add(-31 * time.Second).Unix()}),
		"no expiry":                        k.token(object{"exp": nil}),
		"an expiry that is text":           k.token(object{"exp": "never"}),
		"not valid yet":                    k.token(object{"nbf": noon.Add(31 * time.Second).Unix()}),
		"issued in the future":             k.token(object{"iat": noon.Add(31 * time.Second).Unix()}),
		"another audience":                 k.token(object{"aud": "https://else.example"}),
		"no audience":                      k.token(object{"aud": nil}),
		"an empty list of audiences":       k.token(object{"aud": []string{}}),
		"another issuer":                   k.token(object{"iss": issuerName + "/"}),
		"no issuer":                        k.token(object{"iss": nil}),
		"no subject":                       k.token(object{"sub": nil}),
		"a claim SUB for sub":              k.token(object{"sub": nil, "SUB": "cus_1"}),
		"an empty subject":                 k.token(object{"sub": ""}),
		"a subject that is a number":       k.token(object{"sub": 1}),
		"a subject that is a path":         k.token(object{"sub": "../../admin"}),
		"a subject with a slash":           k.token(object{"sub": "a/b"}),
		"a subject with a space":           k.token(object{"sub": "a b"}),
		"a subject with a line":            k.token(object{"sub": "a\n"}),
		"a subject that begins with a dot": k.token(object{"sub": ".a"}),
		"the subject guest":                k.token(object{"sub": "guest"}),
		"a subject of 256 characters":      k.token(object{"sub": strings.Repeat("s", 256)}),
		"an empty signature":               good[:strings.LastIndexByte(good, '.')+1],
		"no signature":                     good[:strings.LastIndexByte(good, '.')],
		"half a signature":                 good[:len(good)-40],
		"an empty ECDSA signature":         unsigned(ec.goodHeader(nil), goodClaims(nil)) + "." + b64(make([]byte, 64)),
		"a signature of one character":     good[:strings.LastIndexByte(good, '.')+1] + "A",
		"another payload":                  strings.SplitN(good, ".", 2)[0] + "." + strings.SplitN(k.token(object{"sub": "cus_2"}), ".", 3)[1] + good[strings.LastIndexByte(good, '.'):],
		"padding":                          good + "==",
		"other spare bits":                 withOtherSpareBits(good),
		"a fourth part":                    good + ".x",
		"8,000 dots":                       strings.Repeat(".", 8000),
		"only dots":                        "..",
		"no JSON":                          "e30x.e30x.e30x",
		"JSON that is no object":           b64([]byte("[]")) + "." + b64([]byte("null")) + ".AA",
		"a header of deep JSON":            b64([]byte(strings.Repeat("[", 4000))) + ".e30.AA",
		"more than 8 KiB, but good":        k.token(object{"more": strings.Repeat("x", 8<<10)}),
		"one character":                    "x",
		"nothing":                          "",
	}
	for _, none := range []string{"none", "None", "NONE", "nOnE"} {
		text := unsigned(object{"alg": none, "typ": "at+jwt", "kid": "ed"}, goodClaims(object{"role": "operator"}))
		cases["alg "+none] = text + "."
		cases["alg "+none+" with a signature"] = text + good[strings.LastIndexByte(good, '.'):]
	}
	return cases
}

// withOtherSpareBits writes the token in another way that a careless decoder reads the same: an Ed25519 signature leaves four bits of its last character unused.
func withOtherSpareBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last^1])
}

func TestATokenThatProvesNothingIs401AndItsReasonIsInTheLogAlone(t *testing.T) {
	v, _ := verifying(t)
	g := openGate(t, v, nil)
	for what, token := range hostile() {
		for _, path := range []string{"/closed", "/open"} { // also where none is needed
			status, code, header := g.get(path, "Bearer "+token)
			require.Equal(t, 401, status, "%s: %s", what, code)
			require.Equal(t, "invalid_token", code, what)
			require.Equal(t, `Bearer error="invalid_token"`, header.Get("WWW-Authenticate"), what)
		}
		entries := g.logs.TakeAll()
		require.Len(t, entries, 2, what)
		logged := entries[0].ContextMap()
		require.Equal(t, "invalid_token", logged["error.type"], what)
		require.Greater(t, len(logged["error"].(string)), len("invalid_token: the token is not valid here: "), what)
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 30 {
				require.NotContains(t, logged["error"], part, what)
			}
		}
	}
	status, who, _ := g.get("/closed", "Bearer "+testKeys()["ed"].token(nil))
	require.Equal(t, 200, status, "and yet a good one still is")
	require.Equal(t, "customer:cus_1", who)
}

func TestATokenCountsInTheOneAuthorizationHeaderOnly(t *testing.T) {
	v, _ := verifying(t)
	g := openGate(t, v, nil)
	token := testKeys()["ed"].token(nil)
	for _, c := range []struct {
		path          string
		authorization []string
		status        int
		said          string
	}{
		{"/closed", nil, 401, "unauthorized"},
		{"/open", nil, 200, "anonymous"},
		{"/closed?access_token=" + token, nil, 401, "unauthorized"},
		{"/open?access_token=" + token, nil, 200, "anonymous"},
		{"/closed", []string{"bEARER " + token}, 200, "customer:cus_1"},
		{"/closed", []string{"Bearer  " + token}, 200, "customer:cus_1"},
		{"/closed", []string{"Bearer " + token, "Bearer " + token}, 401, "invalid_token"},
		{"/closed", []string{"Basic " + token}, 401, "invalid_token"},
		{"/open", []string{"Basic YTpi"}, 401, "invalid_token"},
		{"/closed", []string{token}, 401, "invalid_token"},
		{"/closed", []string{"Bearer"}, 401, "invalid_token"},
		{"/closed", []string{""}, 401, "invalid_token"},
		{"/closed", []string{"Bearer " + token + " x"}, 401, "invalid_token"},
		{"/closed", []string{"Bearer " + token + ", Bearer " + token}, 401, "invalid_token"},
	} {
		status, said, header := g.get(c.path, c.authorization...)
		require.Equal(t, c.status, status, "%s %.40q", c.path, c.authorization)
		require.Equal(t, c.said, said, "%s %.40q", c.path, c.authorization)
		if said == "unauthorized" {
			require.Equal(t, "Bearer", header.Get("WWW-Authenticate"))
		}
	}
}

func TestAHundredThousandDotsAreRefusedBeforeTheyAreRead(t *testing.T) {
	v, _ := verifying(t)
	_, err := v.Verify(t.Context(), strings.Repeat(".", 100_000))
	require.ErrorIs(t, err, auth.ErrInvalidToken)
	require.ErrorContains(t, err, "8 KiB")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, openGate(t, v, nil).URL+"/closed", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+strings.Repeat(".", 100_000))
	res, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode, "net/http has had enough before us")
}

// patience blocks a sender after so many failures.
type patience struct{ left int }

func (p *patience) Failed(*http.Request) bool {
	p.left--
	return p.left < 0
}

func TestWhoTriesTokensOutMustWait(t *testing.T) {
	v, _ := verifying(t)
	g := openGate(t, v, &patience{left: 3})
	for range 3 {
		status, code, _ := g.get("/closed", "Bearer guess")
		require.Equal(t, 401, status)
		require.Equal(t, "invalid_token", code)
	}
	status, code, header := g.get("/closed", "Bearer guess")
	require.Equal(t, 429, status)
	require.Equal(t, "too_many_failures", code)
	require.NotEmpty(t, header.Get("Retry-After"))
	require.Empty(t, header.Get("WWW-Authenticate"))

	status, _, _ = g.get("/closed", "Bearer "+testKeys()["ed"].token(nil))
	require.Equal(t, 200, status, "a good token never counts, nor waits")
	status, code, _ = g.get("/closed")
	require.Equal(t, 401, status, "nor does a request without one")
	require.Equal(t, "unauthorized", code)
}
