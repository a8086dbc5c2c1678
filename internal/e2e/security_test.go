package e2e

// The attacks of docs/explanation/security.md, each with the answer that it must get, against `shop serve` over TCP: a shop in one process, and one whose entry is another
// process. A table for each kind of attack stands in a file of its own. Limits on how often one may ask are in edge_test.go; slow bodies and slow readers, which the program
// gives 30 s and more, are in the tests of internal/platform/web, with shorter limits.

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

func TestEveryAttackGetsTheAnswerThatItMust(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *testIssuer) *fortress{"in one process": openAlone, "behind another process": openBehind} {
		t.Run(name, func(t *testing.T) {
			f := open(t, newTestIssuer(t))
			f.furnish()
			patient := f.sendHeadersSlowly()
			t.Run("on what is another's", f.attackObjects)
			t.Run("with forged tokens", f.attackTokens)
			t.Run("on what is for others", f.attackFunctions)
			t.Run("with fields that are not the sender's", f.attackProperties)
			t.Run("with too much", f.attackResources)
			t.Run("by injection", f.attackByInjection)
			t.Run("below HTTP", f.attackBelowHTTP)
			t.Run("on the business", f.attackBusiness)
			patient(t)
			f.terminate()
			f.inner.audit()
			f.requireCleanLogs()
		})
	}
}

// fortress is a shop under attack.
type fortress struct {
	t             *testing.T
	inner         *shop
	behind, front *running // the process that hosts the shop, and the one that is asked; often the same
	issuer        *testIssuer
	fill          *strings.Replacer // {order} and the like, in paths

	order, payment, shipment string // Ann's
}

func openAlone(t *testing.T, i *testIssuer) *fortress {
	inner := newEmptyShop(t, "sqlite:"+t.TempDir(), i.settings()...)
	p := inner.serve()
	return &fortress{t: t, inner: inner, behind: p, front: p, issuer: i}
}

func openBehind(t *testing.T, i *testIssuer) *fortress {
	f := openAlone(t, i)
	settings := i.settings()
	for _, context := range []string{"CUSTOMERS", "INVENTORY", "NOTIFICATIONS", "ORDERS", "PAYMENTS", "SHIPPING"} {
		settings = append(settings, "SHOP_"+context+"_URL="+f.behind.URL)
	}
	f.front = newEmptyShop(t, "sqlite:"+t.TempDir(), settings...).serve("--contexts", "catalog")
	return f
}

// furnish gives Ann a profile and an order that is paid for and on its way out.
func (f *fortress) furnish() {
	operator := f.as(f.behind, "operator", "staff")
	operator.product("MUG", 1250, 1000)
	ann := f.as(f.front, "customer", "ann")
	a := ann.do("POST", "/v1/customers", map[string]any{"name": "Ann", "email": "ann@example.org"})
	require.Equal(f.t, 201, a.Status, string(a.Raw))
	f.order = ann.place("secret-basket", own("pm_test_ok", "MUG", 2)).Body["id"].(string)
	f.payment = ann.do("GET", "/v1/payments?order_id="+f.order, nil).Body["data"].([]any)[0].(map[string]any)["id"].(string)
	eventually(f.t, "there is a shipment", func() bool {
		data := ann.do("GET", "/v1/shipments?order_id="+f.order, nil).Body["data"].([]any)
		if len(data) == 1 {
			f.shipment = data[0].(map[string]any)["id"].(string)
		}
		return len(data) == 1
	})
	f.fill = strings.NewReplacer("{order}", f.order, "{payment}", f.payment, "{shipment}", f.shipment)
}

// as is a process of the shop, asked by somebody.
func (f *fortress) as(p *running, role, subject string) *running {
	asked := *p
	asked.t, asked.token = f.t, f.issuer.token(jwt.MapClaims{"role": role, "sub": subject})
	return &asked
}

func (f *fortress) terminate() {
	f.front.terminate()
	if f.behind != f.front {
		f.behind.terminate()
	}
}

// requireCleanLogs looks for what attacks may have left there: lines that are no entries, panics, secrets.
func (f *fortress) requireCleanLogs() {
	for _, p := range []*running{f.front, f.behind} {
		for _, line := range p.log {
			var entry map[string]any
			require.NoError(f.t, json.Unmarshal([]byte(line), &entry), "not one of our entries: %s", line)
			require.NotEqual(f.t, "panic", entry["msg"], line)
			require.NotContains(f.t, line, "eyJ", "a token")
			require.NotContains(f.t, line, "goroutine ", line)
		}
	}
}

// attack is one request and the answer that it must get.
type attack struct {
	name         string
	who          string // a customer, staff, robot (of the role service), or "" for nobody
	method, path string
	body         string
	headers      []string // pairs
	want         int
	code         string // of the problem; empty: whatever it is
	check        func(t *testing.T, a answer)
}

// run makes each attack, and requires of every answer what no answer may lack.
func (f *fortress) run(t *testing.T, attacks []attack) {
	for _, at := range attacks {
		t.Run(at.name, func(t *testing.T) {
			a := f.send(t, at)
			require.Equal(t, at.want, a.Status, "%s %s: %s", at.method, at.path, a.Raw)
			if at.code != "" {
				require.Equal(t, at.code, a.Body["code"], string(a.Raw))
			}
			if at.check != nil {
				at.check(t, a)
			}
			requireDecency(t, a)
		})
	}
}

func (f *fortress) send(t *testing.T, at attack) answer {
	t.Helper()
	r, err := http.NewRequest(at.method, f.front.URL+f.fill.Replace(at.path), strings.NewReader(at.body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	if at.who != "" {
		r.Header.Set("Authorization", "Bearer "+f.issuer.of(at.who))
	}
	for i := 0; i+1 < len(at.headers); i += 2 {
		r.Header.Set(at.headers[i], at.headers[i+1])
	}
	res, err := f.front.client.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	a := answer{Status: res.StatusCode, Header: res.Header}
	a.Raw, err = io.ReadAll(res.Body)
	require.NoError(t, err)
	_ = json.Unmarshal(a.Raw, &a.Body)
	return a
}

// requireDecency: an answer runs nowhere, is kept nowhere, allows no other origin, and tells nothing of the inside.
func requireDecency(t *testing.T, a answer) {
	t.Helper()
	require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
	require.NotEmpty(t, a.Header.Get("Content-Security-Policy"))
	require.NotEmpty(t, a.Header.Get("Cache-Control"))
	require.Empty(t, a.Header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, a.Header.Get("Server"))
	if a.Status >= 400 {
		require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), string(a.Raw))
		for _, inside := range []string{"goroutine", ".go:", "sqlite", "SELECT", "no such table", "127.0.0.1"} {
			require.NotContains(t, string(a.Raw), inside)
		}
	}
}

// testIssuer signs as any OpenID Connect issuer does, and as none should.
type testIssuer struct {
	ed     ed25519.PrivateKey
	rsa    *rsa.PrivateKey
	file   string
	mu     sync.Mutex
	tokens map[string]string
}

const (
	issuerName     = "https://issuer.example"
	issuerAudience = "shop"
)

func newTestIssuer(t *testing.T) *testIssuer {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	i := &testIssuer{ed: ed, rsa: rs, file: filepath.Join(t.TempDir(), "keys.json"), tokens: map[string]string{}}
	b64 := base64.RawURLEncoding.EncodeToString
	keys, err := json.Marshal(map[string]any{"keys": []any{
		map[string]any{"kid": "ed", "use": "sig", "alg": "EdDSA", "kty": "OKP", "crv": "Ed25519", "x": b64(ed.Public().(ed25519.PublicKey))},
		map[string]any{"kid": "rsa", "use": "sig", "alg": "RS256", "kty": "RSA", "n": b64(rs.N.Bytes()), "e": b64(big.NewInt(int64(rs.E)).Bytes())},
	}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(i.file, keys, 0o600))
	return i
}

// settings make a shop believe the issuer. Guesses are not counted, so that all are judged by what they are.
func (i *testIssuer) settings() []string {
	return []string{"SHOP_JWT_ISSUER=" + issuerName, "SHOP_JWT_AUDIENCE=" + issuerAudience, "SHOP_JWT_KEYS=" + i.file, "SHOP_RATE_LIMIT_FAILURES=0"}
}

// claims are those of a token that is believed; changes are set, nil removes.
func claims(changes jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{"iss": issuerName, "aud": issuerAudience, "sub": "ann", "role": "customer", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

// token is a good one.
func (i *testIssuer) token(changes jwt.MapClaims) string {
	return sign(jwt.SigningMethodEdDSA, i.ed, jwt.MapClaims{"kid": "ed"}, claims(changes))
}

// sign makes a token of what is given, however wrong.
func sign(method jwt.SigningMethod, key crypto.PrivateKey, header, claims jwt.MapClaims) string {
	t := jwt.NewWithClaims(method, claims)
	t.Header["typ"] = "at+jwt"
	for name, value := range header {
		if t.Header[name] = value; value == nil {
			delete(t.Header, name)
		}
	}
	s, err := t.SignedString(key)
	if err != nil {
		panic(err) // the test's own mistake
	}
	return s
}

// of is the token of somebody, always the same.
func (i *testIssuer) of(who string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.tokens[who] == "" {
		role := map[string]string{"staff": "operator", "robot": "service"}[who]
		if role == "" {
			role = "customer"
		}
		i.tokens[who] = i.token(jwt.MapClaims{"sub": who, "role": role})
	}
	return i.tokens[who]
}
