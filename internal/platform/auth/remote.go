package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"

	"shop/internal/platform/clock"
	"shop/internal/platform/fault"
)

// How fresh the keys of a URL are.
const (
	fetchPause = 10 * time.Second // between two attempts, whatever asks for them
	freshFor   = 5 * time.Minute  // then they are fetched again, by use, while those that are known serve
	waitAfter  = 10 * time.Minute // then a request waits for them: nobody has used them for a while
	staleAfter = 24 * time.Hour   // without an answer of the issuer for so long, its keys are not believed any more
	fetchLimit = 5 * time.Second  // for one attempt
)

// remoteKeys are the keys that an issuer publishes as a JWK set.
type remoteKeys struct {
	url    string
	client *http.Client
	log    *zap.Logger
	clock  clock.Clock

	mu      sync.Mutex
	set     *keySet
	fetched time.Time     // when set was last heard from the issuer
	asked   time.Time     // when the last attempt began
	flight  chan struct{} // closed when the attempt under way ends; nil when there is none
}

// KeyURL takes an issuer's public keys from a URL (jwks_uri in OpenID Connect's discovery). They are fetched when they are needed: at the first token, every five minutes by use,
// and when a token names a key that is not known, at most every ten seconds. A failure is logged, and the keys stay what they were, for 24 hours. Errors: that the URL
// is neither https nor of this machine.
func KeyURL(address string, c clock.Clock, log *zap.Logger) (KeySource, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, errors.New("expected https://…, or http://… on this machine")
	}
	return &remoteKeys{
		url: address, log: log, clock: c,
		client: &http.Client{
			Timeout:   fetchLimit,
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return errors.New("it redirects; configure the address that it redirects to")
			},
		},
	}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (r *remoteKeys) keys(ctx context.Context) (*keySet, error) {
	r.mu.Lock()
	age := r.clock.Now().Sub(r.fetched)
	if r.set != nil && age < waitAfter {
		defer r.mu.Unlock()
		if age >= freshFor {
			r.fetch()
		}
		return r.set, nil
	}
	flight := r.fetch()
	r.mu.Unlock()
	return r.after(ctx, flight)
}

func (r *remoteKeys) renewed(ctx context.Context) (*keySet, error) {
	r.mu.Lock()
	flight := r.fetch()
	r.mu.Unlock()
	return r.after(ctx, flight)
}

// after waits for an attempt and gives the keys that are known then.
func (r *remoteKeys) after(ctx context.Context, flight chan struct{}) (*keySet, error) {
	if flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, fault.Wrap(ctx.Err(), ErrKeysUnavailable.Kind, ErrKeysUnavailable.Code, ErrKeysUnavailable.Message)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set == nil || r.clock.Now().Sub(r.fetched) >= staleAfter {
		return nil, ErrKeysUnavailable
	}
	return r.set, nil
}

// fetch begins an attempt, unless one is under way or was begun lately; it returns the one under way, or nil. r.mu is held.
func (r *remoteKeys) fetch() chan struct{} {
	now := r.clock.Now()
	if since := now.Sub(r.asked); r.flight != nil || since >= 0 && since < fetchPause { // a clock may be set back
		return r.flight
	}
	flight := make(chan struct{})
	r.asked, r.flight = now, flight
	go func() {
		set, err := r.get()
		r.mu.Lock()
		defer r.mu.Unlock()
		defer close(flight)
		r.flight = nil
		if err != nil {
			r.log.Warn("the keys of tokens cannot be fetched", zap.String("url", r.url), zap.Error(err))
			return
		}
		r.fetched = r.clock.Now()
		if r.set == nil || r.set.fingerprint != set.fingerprint {
			r.set = set
		}
	}()
	return flight
}

// get asks the issuer. It belongs to nobody's request: others may wait for it too.
func (r *remoteKeys) get() (*keySet, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil) //nolint:gosec // the operator's setting; nothing of a token gets into it
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := r.client.Do(req) //nolint:gosec // likewise
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it is only read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxKeyBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyBytes {
		return nil, errors.New("it answers with more than 1 MiB")
	}
	return parseKeys(data)
}
