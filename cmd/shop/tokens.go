package main

import (
	"strings"
	"time"

	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/clock"
)

// issuer is who signs the tokens of this shop.
type issuer struct {
	name, audience   string
	keyFile, keysURL string // one of them
	types            []string
	leeway           time.Duration
	roleClaim        string
	defaultRole      auth.Role // empty: none
}

// issuer checks the settings of tokens; nil when none is given. Errors: exitError with exitConfiguration.
func (s settings) issuer(given map[string]string) (*issuer, error) {
	if !tokensConfigured(given) {
		return nil, nil
	}
	i := &issuer{name: s.JWTIssuer, audience: s.JWTAudience, keyFile: s.JWTKeys, keysURL: s.JWTKeysURL, roleClaim: s.JWTRoleClaim}
	const all = "tokens need SHOP_JWT_ISSUER, SHOP_JWT_AUDIENCE, and SHOP_JWT_KEYS or SHOP_JWT_JWKS_URL"
	switch {
	case i.name == "":
		return nil, configError("SHOP_JWT_ISSUER: is missing; " + all)
	case i.audience == "":
		return nil, configError("SHOP_JWT_AUDIENCE: is missing; " + all)
	case i.keyFile == "" && i.keysURL == "":
		return nil, configError("SHOP_JWT_JWKS_URL: is missing; " + all)
	case i.keyFile != "" && i.keysURL != "":
		return nil, configError("SHOP_JWT_KEYS: keys come from a file or from SHOP_JWT_JWKS_URL, not from both")
	}
	var err error
	if i.leeway, err = time.ParseDuration(s.JWTLeeway); err != nil || i.leeway < 0 || i.leeway > 5*time.Minute {
		return nil, configError("SHOP_JWT_LEEWAY: %q is no time from 0s to 5m", s.JWTLeeway)
	}
	for t := range strings.SplitSeq(s.JWTTypes, ",") {
		if t = strings.TrimSpace(t); t == "" {
			return nil, configError("SHOP_JWT_TYPES: expected a list such as at+jwt,JWT")
		}
		i.types = append(i.types, t)
	}
	switch s.JWTDefaultRole {
	case "none":
	case string(auth.Customer):
		i.defaultRole = auth.Customer
	default:
		return nil, configError("SHOP_JWT_DEFAULT_ROLE: %q is neither customer nor none", s.JWTDefaultRole)
	}
	return i, nil
}

// tokensConfigured reports whether any setting says something of tokens.
func tokensConfigured(given map[string]string) bool {
	for name, value := range given {
		if strings.HasPrefix(name, "SHOP_JWT_") && value != "" {
			return true
		}
	}
	return false
}

// verifier judges the tokens of requests. Errors: exitError with exitConfiguration.
func (c config) verifier(at clock.Clock, log *zap.Logger) (*auth.Verifier, error) {
	if c.issuer == nil {
		s := c.signer
		if s == nil {
			var err error
			if s, err = c.developmentSigner(); err != nil {
				return nil, err
			}
		}
		return auth.NewVerifier(s.Config()), nil
	}
	keys, err := c.issuer.keys(at, log)
	if err != nil {
		return nil, err
	}
	return auth.NewVerifier(auth.Config{
		Issuer: c.issuer.name, Audience: c.issuer.audience, Types: c.issuer.types, Leeway: c.issuer.leeway,
		RoleClaim: c.issuer.roleClaim, DefaultRole: c.issuer.defaultRole, Keys: keys, Clock: at,
	}), nil
}

func (i *issuer) keys(at clock.Clock, log *zap.Logger) (auth.KeySource, error) {
	if i.keyFile != "" {
		keys, err := auth.KeyFile(i.keyFile, at, log)
		if err != nil {
			return nil, configError("SHOP_JWT_KEYS: %w", err)
		}
		return keys, nil
	}
	keys, err := auth.KeyURL(i.keysURL, at, log)
	if err != nil {
		return nil, configError("SHOP_JWT_JWKS_URL: %w", err)
	}
	return keys, nil
}

// developmentSigner signs with the key in the data directory, which it makes if there is none. Errors: exitError with exitConfiguration.
func (c config) developmentSigner() (*auth.Signer, error) {
	s, err := auth.DevelopmentSigner(c.data)
	if err != nil {
		return nil, configError("the development key: %w", err)
	}
	return s, nil
}

// inProcess makes the shop that a command starts for itself believe nobody else, and returns the token of the command.
func (c *config) inProcess(ttl time.Duration) (token string, err error) {
	if c.signer, err = auth.NewSigner(); err != nil {
		return "", err
	}
	c.issuer = nil
	return c.signer.Sign(auth.Principal{Role: auth.Operator, Subject: "import"}, time.Now(), ttl)
}
