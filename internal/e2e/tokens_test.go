package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb/dbtest"
)

// own is an order of whoever sends it.
func own(method string, lines ...any) map[string]any {
	body := orderOf(method, lines...)
	delete(body, "customer_id")
	return body
}

func TestACustomerSeesTheirOwnThingsAndNobodyElses(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := newShop(t, url)
		p := s.serve()
		p.product("MUG", 1250, 100)
		ann, bob := p.as("ann"), p.as("auth0|bob")
		order := ann.place("basket-1", own("pm_test_ok", "MUG", 2))
		require.Equal(t, "ann", order.Body["customer_id"])
		id := order.Body["id"].(string)
		only := func(a answer) string {
			data := a.Body["data"].([]any)
			require.Len(t, data, 1, string(a.Raw))
			return data[0].(map[string]any)["id"].(string)
		}
		eventually(t, "there is a shipment", func() bool { return len(p.do("GET", "/v1/shipments?order_id="+id, nil).Body["data"].([]any)) == 1 })
		payment, shipment := only(ann.do("GET", "/v1/payments?order_id="+id, nil)), only(ann.do("GET", "/v1/shipments?order_id="+id, nil))
		require.Equal(t, id, only(ann.do("GET", "/v1/orders", nil)))

		for _, path := range []string{"/v1/orders/" + id, "/v1/orders/" + id + "/events", "/v1/payments/" + payment, "/v1/payments/" + payment + "/refunds", "/v1/shipments/" + shipment} {
			require.Equal(t, 200, ann.do("GET", path, nil).Status, path)
			require.Equal(t, 200, p.do("GET", path, nil).Status, path)
			require.Equal(t, 404, bob.do("GET", path, nil).Status, path)
			require.Equal(t, 401, p.asNobody().do("GET", path, nil).Status, path)
		}
		for _, path := range []string{"/v1/orders", "/v1/orders?customer_id=ann", "/v1/payments?order_id=" + id, "/v1/shipments?order_id=" + id} {
			require.Empty(t, bob.do("GET", path, nil).Body["data"], path)
		}
		require.Equal(t, 404, bob.do("POST", "/v1/orders/"+id+"/cancel", map[string]any{}).Status)
		require.Equal(t, 403, ann.do("POST", "/v1/payments/"+payment+"/refunds", map[string]any{}, "Idempotency-Key", "r").Status)
		require.Equal(t, 403, ann.do("POST", "/v1/shipments/"+shipment+"/dispatch", map[string]any{}).Status)
		require.Equal(t, 403, ann.do("PUT", "/v1/products/MUG", map[string]any{"name": "Mug", "price": map[string]any{"amount": 1, "currency": "EUR"}}).Status)

		again := bob.place("basket-1", own("pm_test_ok", "MUG", 2))
		require.NotEqual(t, id, again.Body["id"], "another's key is another key")
		require.Equal(t, 202, ann.do("POST", "/v1/orders/"+id+"/cancel", map[string]any{}).Status)
		p.terminate()
		s.audit()
	})
}

func TestATokenOfTheCommandIsBelievedByTheShopOfItsDirectoryOnly(t *testing.T) {
	s := newShop(t, "sqlite:"+t.TempDir())
	p := s.serve()
	r := s.run("token", "--role", "customer", "--subject", "ann")
	require.Equal(t, 0, r.code, r.stderr)
	asked := *p
	asked.token = strings.TrimSpace(r.stdout)
	require.Equal(t, 200, asked.do("GET", "/v1/orders", nil).Status)
	r = s.run("token", "--role", "operator", "--data", t.TempDir())
	require.Equal(t, 0, r.code, r.stderr)
	asked.token = strings.TrimSpace(r.stdout)
	require.Equal(t, 401, asked.do("GET", "/v1/orders", nil).Status)
	require.NotContains(t, p.logged(), asked.token)
}

// keyOf makes a key and its public half in PEM.
func keyOf(t *testing.T) (ed25519.PrivateKey, []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	return private, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestAShopWithAnIssuerBelievesItsTokensAndFollowsItsKeys(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.pem")
	first, public := keyOf(t)
	require.NoError(t, os.WriteFile(keys, public, 0o600))
	s := newShop(t, "sqlite:"+t.TempDir(), "SHOP_JWT_ISSUER=https://issuer.example", "SHOP_JWT_AUDIENCE=shop", "SHOP_JWT_KEYS="+keys, "SHOP_JWT_ROLE_CLAIM=realm_access.roles",
		"SHOP_RATE_LIMIT_FAILURES=0") // the test tries often
	p := s.serve()
	sign := func(key ed25519.PrivateKey, changes jwt.MapClaims) string {
		claims := jwt.MapClaims{"iss": "https://issuer.example", "aud": []string{"shop"}, "sub": "ann", "exp": time.Now().Add(time.Hour).Unix(),
			"realm_access": map[string]any{"roles": []string{"offline_access", "operator"}}}
		for name, value := range changes {
			claims[name] = value
		}
		token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(key)
		require.NoError(t, err)
		return token
	}
	status := func(token string) int {
		asked := *p
		asked.token = token
		return asked.do("GET", "/v1/orders", nil).Status
	}
	require.Equal(t, 200, status(sign(first, nil)))
	require.Equal(t, 401, status(sign(first, jwt.MapClaims{"aud": "else"})))
	require.Equal(t, 401, status(p.token), "the development key counts for nothing here")
	require.Equal(t, 3, s.run("token", "--role", "operator").code)

	second, public := keyOf(t)
	require.NoError(t, os.WriteFile(keys, public, 0o600))
	later := time.Now().Add(time.Minute) // whatever the file system's clock can tell
	require.NoError(t, os.Chtimes(keys, later, later))
	eventually(t, "the new key counts", func() bool { return status(sign(second, nil)) == 200 })
	require.Equal(t, 401, status(sign(first, nil)), "and the old one does not")
	p.terminate()
}
