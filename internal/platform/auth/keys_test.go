package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Keys of RFC 7517, appendix A, and RFC 8037, appendix A.
const (
	rfcEC  = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}`
	rfcRSA = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","kid":"2011-04-29"}`
	rfcOKP = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"3"}`
	secret = `{"kty":"oct","k":"c2VjcmV0","kid":"4"}`
)

func with(key, more string) string { return strings.TrimSuffix(key, "}") + "," + more + "}" }

func set(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

// algorithms are the keys of a set by id, each with its algorithm.
func algorithms(s *keySet) map[string]string {
	found := map[string]string{}
	for id, k := range s.byID {
		found[id] = k.method.Alg()
	}
	return found
}

func TestAKeyIsForOneAlgorithm(t *testing.T) {
	s, err := parseKeys(set(rfcEC, rfcRSA, rfcOKP, secret))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"1": "ES256", "2011-04-29": "RS256", "3": "EdDSA"}, algorithms(s), "a shared secret is no key here")

	s, err = parseKeys(set(with(rfcRSA, `"alg":"PS256","use":"sig"`), with(rfcOKP, `"alg":"Ed25519","key_ops":["verify"]`), `{"kty":"AKP","alg":"ML-DSA-44","kid":"9","pub":"AA"}`))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"2011-04-29": "PS256", "3": "EdDSA"}, algorithms(s), "what is not known yet is left out")

	s, err = parseKeys([]byte(rfcEC))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"1": "ES256"}, algorithms(s), "one key is a set too")
}

func TestASetOfKeysThatCannotBeUsedIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		keys []byte
		says string
	}{
		"nothing":                   {nil, ""},
		"no JSON":                   {[]byte("keys"), ""},
		"an empty set":              {set(), "no key that can be used"},
		"a shared secret":           {set(secret), "no key that can be used"},
		"a key for encryption":      {set(with(rfcRSA, `"use":"enc"`)), "not for signatures"},
		"a key for wrapping":        {set(with(rfcRSA, `"key_ops":["wrapKey"]`)), "not for verifying"},
		"an algorithm of secrets":   {set(with(rfcRSA, `"alg":"HS256"`)), "not one of ours"},
		"an algorithm for others":   {set(with(rfcEC, `"alg":"EdDSA"`)), "not one of ours"},
		"RSA without OAEP":          {set(with(rfcRSA, `"alg":"RSA1_5"`)), ""},
		"a point not on the curve":  {set(strings.Replace(rfcEC, "4Etl", "5Etl", 1)), "no key that can be used"},
		"a private key":             {set(with(rfcEC, `"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"`), rfcOKP), "private"},
		"two keys of one name":      {set(rfcEC, strings.Replace(rfcOKP, `"3"`, `"1"`, 1)), "duplicate"},
		"a short RSA key":           {pemOf(t, rsaKey(t, 1024)), ""},
		"another curve":             {pemOf(t, ecKey(t, elliptic.P384())), "another kind"},
		"a private key in PEM":      {privatePEM(t), "private"},
		"a private key in RSA form": {[]byte("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"), ""},
		"a PEM of something else":   {[]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), ""},
		"more than a hundred":       {set(slices.Repeat([]string{`{"kty":"oct","k":"AA"}`}, 101)...), ""},
	} {
		_, err := parseKeys(c.keys)
		require.Error(t, err, what)
		require.ErrorContains(t, err, c.says, what)
	}
}

func TestKeysAndCertificatesAreReadFromPEM(t *testing.T) {
	ed, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ed, private)
	require.NoError(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})

	s, err := parseKeys(slices.Concat([]byte("\n"), certificate, pemOf(t, ecKey(t, elliptic.P256())), pemOf(t, rsaKey(t, 2048))))
	require.NoError(t, err)
	var found []string
	for id, alg := range algorithms(s) {
		require.Len(t, id, 43, "the thumbprint of RFC 7638")
		found = append(found, alg)
	}
	require.ElementsMatch(t, []string{"EdDSA", "ES256", "RS256"}, found)
}

func TestTheFingerprintOfASetDoesNotDependOnItsOrder(t *testing.T) {
	fingerprint := func(keys ...string) string {
		s, err := parseKeys(set(keys...))
		require.NoError(t, err)
		return s.fingerprint
	}
	require.Equal(t, fingerprint(rfcEC, rfcOKP), fingerprint(rfcOKP, secret, rfcEC))
	require.NotEqual(t, fingerprint(rfcEC, rfcOKP), fingerprint(rfcEC))
	require.NotEqual(t, fingerprint(rfcRSA), fingerprint(with(rfcRSA, `"alg":"PS256"`)))
	require.NotEqual(t, fingerprint(rfcOKP), fingerprint(strings.Replace(rfcOKP, `"3"`, `"4"`, 1)))
}

func TestAFullMemoryKeepsWhatIsInUse(t *testing.T) {
	r, keys := newRemembered(), &keySet{}
	sum := func(i int) (s [32]byte) {
		s[0], s[1], s[2] = byte(i), byte(i>>8), byte(i>>16)
		return s
	}
	now := time.Unix(0, 0)
	for i := range 3 * generation {
		r.put(sum(i), keys, Principal{Role: Customer, Subject: "x"}, now.Add(time.Minute))
		require.LessOrEqual(t, r.tokens.Len(), 2*generation)
	}
	_, ok := r.get(sum(3*generation-1), keys, now)
	require.True(t, ok)
	_, ok = r.get(sum(0), keys, now)
	require.False(t, ok, "the oldest had to go")
	_, ok = r.get(sum(3*generation-1), keys, now.Add(time.Minute))
	require.False(t, ok, "its time is over")
	_, ok = r.get(sum(3*generation-1), &keySet{}, now)
	require.False(t, ok, "other keys verified nothing yet")
	r.put(sum(1), &keySet{fingerprint: "new"}, Principal{}, now)
	require.Equal(t, 1, r.tokens.Len())
}

func pemOf(t *testing.T, k crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func privatePEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ecKey(t, elliptic.P256()))
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	require.NoError(t, err)
	return k
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0") // to make one that is too short
	k, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return k
}

// BenchmarkVerify is what a token costs: one that comes again, and one that comes for the first time.
func BenchmarkVerify(b *testing.B) {
	s, err := NewSigner()
	require.NoError(b, err)
	token, err := s.Sign(Principal{Role: Customer, Subject: "cus_01jd3q6k9v8xw2n4t7ryz5abcd"}, time.Now(), time.Hour)
	require.NoError(b, err)
	v := NewVerifier(s.Config())
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := v.check(token, s.set); err != nil {
				b.Fatal(err)
			}
		}
	})
}
