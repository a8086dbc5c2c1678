package auth_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/clock"
)

func TestTheRoleIsTheStrongestThatTheClaimNames(t *testing.T) {
	k := testKeys()["ed"]
	for what, c := range map[string]struct {
		claim       string
		claims      object
		defaultRole auth.Role
		want        auth.Role // empty: refused
	}{
		"a string":                      {"role", object{"role": "operator"}, "", auth.Operator},
		"a list":                        {"role", object{"role": []string{"customer", "service"}}, "", auth.Service},
		"a list with others":            {"roles", object{"roles": []any{"admin", 1, nil, "operator", "customer"}}, "", auth.Operator},
		"a text with spaces":            {"scope", object{"scope": "openid customer service"}, "", auth.Service},
		"a path":                        {"realm_access.roles", object{"realm_access": object{"roles": []string{"operator"}}}, "", auth.Operator},
		"a name with dots":              {"https://shop.example/role", object{"https://shop.example/role": "service"}, "", auth.Service},
		"a path that ends early":        {"a.b.c", object{"a": object{"b": "operator"}}, auth.Customer, auth.Customer},
		"none, and there is a default":  {"role", object{}, auth.Customer, auth.Customer},
		"none, and there is no default": {"role", object{}, "", ""},
		"another one":                   {"role", object{"role": "admin"}, auth.Customer, auth.Customer},
		"another one, without default":  {"role", object{"role": "admin"}, "", ""},
		"another case":                  {"role", object{"role": "Operator"}, "", ""},
		"a part of a word":              {"role", object{"role": "operators operator-like"}, "", ""},
		"a number":                      {"role", object{"role": 1}, "", ""},
		"an object":                     {"role", object{"role": object{"operator": true}}, auth.Customer, auth.Customer},
		"another claim":                 {"roles", object{"role": "operator"}, auth.Customer, auth.Customer},
	} {
		t.Run(what, func(t *testing.T) {
			v, _ := verifying(t, func(cfg *auth.Config) { cfg.RoleClaim, cfg.DefaultRole = c.claim, c.defaultRole })
			p, err := v.Verify(t.Context(), k.token(c.claims))
			if c.want == "" {
				require.ErrorIs(t, err, auth.ErrNoRole)
				require.False(t, p.Known())
				return
			}
			require.NoError(t, err)
			require.Equal(t, auth.Principal{Role: c.want, Subject: "cus_1"}, p)
		})
	}
}

func TestASubjectMayBeWhatIssuersCallPeople(t *testing.T) {
	v, _ := verifying(t)
	for _, subject := range []string{
		"cus_01jd3q6k9v8xw2n4t7ryz5abcd", "auth0|5f7c8ec7c33c6c004bbafe82", "google-oauth2|117", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "ann@example.org",
		"AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "urn:x:1", "a+b~c=", "7", strings.Repeat("s", 255),
	} {
		p, err := v.Verify(t.Context(), testKeys()["ed"].token(object{"sub": subject}))
		require.NoError(t, err, subject)
		require.Equal(t, subject, p.Subject)
	}
}

func TestARememberedTokenEndsWithItsExpiryAndIsLookedAtAgainAfterAMinute(t *testing.T) {
	v, at := verifying(t, func(c *auth.Config) { c.Leeway = 0 })
	short := testKeys()["ed"].token(object{"exp": noon.Add(10 * time.Second).Unix()})
	_, err := v.Verify(t.Context(), short)
	require.NoError(t, err)
	at.Advance(9 * time.Second)
	_, err = v.Verify(t.Context(), short)
	require.NoError(t, err)
	at.Advance(time.Second)
	_, err = v.Verify(t.Context(), short)
	require.ErrorIs(t, err, auth.ErrInvalidToken)
	require.ErrorContains(t, err, "expired")
}

// rewrite changes a file of keys, with another time, however coarse the file system's clock is.
func rewrite(t *testing.T, path string, content []byte, age time.Duration) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, content, 0o600))
	require.NoError(t, os.Chtimes(path, noon.Add(age), noon.Add(age)))
}

func TestKeysInAFileAreRotatedWithoutARestart(t *testing.T) {
	first, second := testKeys()["ed"], testKeys()["ec"]
	path, at := keyFile(t, nil), clock.NewFake(noon)
	rewrite(t, path, jwks(first.jwk()), 0)
	keys, err := auth.KeyFile(path, at, zap.NewNop())
	require.NoError(t, err)
	v, _ := verifying(t, func(c *auth.Config) { c.Keys, c.Clock = keys, at })
	believed := func(p pair) bool {
		_, err := v.Verify(t.Context(), p.token(nil))
		if err != nil {
			require.ErrorIs(t, err, auth.ErrInvalidToken)
		}
		return err == nil
	}
	require.True(t, believed(first))
	require.False(t, believed(second))

	rewrite(t, path, jwks(first.jwk(), second.jwk()), time.Second)
	require.True(t, believed(second), "a new key is found with its first token")
	require.True(t, believed(first))

	rewrite(t, path, []byte("half a fi"), 2*time.Second)
	at.Advance(5 * time.Second)
	require.True(t, believed(first), "what makes no sense changes nothing")
	require.NoError(t, os.Remove(path))
	at.Advance(5 * time.Second)
	require.True(t, believed(first), "nor does a file that is gone")

	rewrite(t, path, jwks(second.jwk()), 3*time.Second)
	at.Advance(5 * time.Second)
	require.False(t, believed(first), "a key that was taken out is forgotten, and with it the tokens that were remembered")
	require.True(t, believed(second))
}

func TestTheOnlyKeyNeedsNoName(t *testing.T) {
	for _, name := range []string{"ed", "ec", "rs"} {
		k := testKeys()[name]
		keys, err := auth.KeyFile(keyFile(t, k.pem()), clock.System, zap.NewNop())
		require.NoError(t, err)
		v, _ := verifying(t, func(c *auth.Config) { c.Keys = keys })
		_, err = v.Verify(t.Context(), k.sign(k.goodHeader(object{"kid": nil}), goodClaims(nil)))
		require.NoError(t, err, name)
		_, err = v.Verify(t.Context(), k.token(nil))
		require.ErrorIs(t, err, auth.ErrInvalidToken, "a key in PEM is named after its thumbprint")
	}
}

func FuzzToken(f *testing.F) {
	v, _ := verifying(f)
	good := testKeys()["ed"].token(nil)
	f.Add(good)
	for _, token := range hostile() {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		p, err := v.Verify(t.Context(), token)
		if err == nil {
			require.Equal(t, good, token, "there is one token that is believed")
			return
		}
		require.ErrorIs(t, err, auth.ErrInvalidToken)
		require.Equal(t, auth.Principal{}, p)
	})
}
