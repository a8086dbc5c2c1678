package auth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// What tokens of a Signer say.
const (
	DevelopmentIssuer   = "shop-dev"
	DevelopmentAudience = "shop"
	tokenType           = "at+jwt"
)

// Signer signs tokens where there is no issuer: on a developer's machine, and for a command's requests to a shop in its own process.
type Signer struct {
	private ed25519.PrivateKey
	set     *keySet
	id      string
}

// NewSigner makes a key that ends with the process. Errors: none that can be expected.
func NewSigner() (*Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return signerWith(private)
}

func signerWith(private ed25519.PrivateKey) (*Signer, error) {
	j, err := jwk.Import(private.Public())
	if err != nil {
		return nil, err
	}
	k, fingerprint, err := newKey(j)
	if err != nil {
		return nil, err
	}
	return &Signer{private: private, id: k.id, set: &keySet{byID: map[string]key{k.id: k}, fingerprint: fingerprint}}, nil
}

// Config believes what the signer signs, and nothing else.
func (s *Signer) Config() Config {
	return Config{Issuer: DevelopmentIssuer, Audience: DevelopmentAudience, Types: []string{tokenType}, RoleClaim: "role", Keys: s}
}

// Sign makes a token for the principal that is valid for ttl from now on.
func (s *Signer) Sign(p Principal, now time.Time, ttl time.Duration) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": DevelopmentIssuer, "aud": DevelopmentAudience, "sub": p.Subject, "role": p.Role, "iat": now.Unix(), "exp": now.Add(ttl).Unix(),
	})
	t.Header["typ"], t.Header["kid"] = tokenType, s.id
	return t.SignedString(s.private)
}

// PublicKey is the public half of the key, in PEM: with it, and with DevelopmentIssuer and DevelopmentAudience, a shop elsewhere believes what the signer signs. Errors: none
// that can be expected.
func (s *Signer) PublicKey() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(s.private.Public())
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func (s *Signer) keys(context.Context) (*keySet, error)    { return s.set, nil }
func (s *Signer) renewed(context.Context) (*keySet, error) { return s.set, nil }

// developmentKey is the file in the data directory.
const developmentKey = "development-key.pem"

// DevelopmentSigner is the signer of a data directory. It makes the directory and the key when they are not there; of several processes that do so at once all get the same
// key. Whoever can read the file can be anybody, so it is readable for its owner only. Errors: that it cannot be made or read.
func DevelopmentSigner(dir string) (*Signer, error) {
	name := filepath.Join(dir, developmentKey)
	private, err := readPrivate(name)
	if errors.Is(err, os.ErrNotExist) {
		if err := makePrivate(dir, name); err != nil {
			return nil, err
		}
		private, err = readPrivate(name)
	}
	if err != nil {
		return nil, err
	}
	return signerWith(private)
}

func readPrivate(name string) (ed25519.PrivateKey, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", name)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds another kind of key than Ed25519", name)
	}
	return private, nil
}

// makePrivate writes a new key beside its place and then links it there, which succeeds for one process only: the file is there whole or not at all.
func makePrivate(dir, name string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(crypto.PrivateKey(private))
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, developmentKey+".*") // readable for its owner only
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	werr := pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), name); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
