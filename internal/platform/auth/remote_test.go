package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/auth"
	"shop/internal/platform/clock"
	"shop/internal/platform/fault"
)

// publisher is an issuer that publishes its keys over HTTP.
type publisher struct {
	*httptest.Server
	asked atomic.Int64

	mu     sync.Mutex
	answer http.HandlerFunc
}

func publishing(t *testing.T, keys ...map[string]any) *publisher {
	t.Helper()
	p := &publisher{}
	p.publish(keys...)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		p.mu.Lock()
		answer := p.answer
		p.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) publish(keys ...map[string]any) {
	p.behave(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(jwks(keys...)) })
}

func (p *publisher) behave(answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *publisher) fail() {
	p.behave(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
}

// verifier believes the publisher.
func (p *publisher) verifier(t *testing.T) (*auth.Verifier, *clock.Fake) {
	t.Helper()
	at := clock.NewFake(noon)
	keys, err := auth.KeyURL(p.URL, at, zap.NewNop())
	require.NoError(t, err)
	v, _ := verifying(t, func(c *auth.Config) { c.Keys, c.Clock = keys, at })
	return v, at
}

// lasting is a token that lives longer than the tests' clocks go.
func (p pair) lasting() string { return p.token(object{"exp": noon.Add(1000 * time.Hour).Unix()}) }

func TestKeysOfAURLAreFetchedWhenTheyAreNeededAndRotatedWithoutARestart(t *testing.T) {
	first, second := testKeys()["ed"], testKeys()["ec"]
	p := publishing(t, first.jwk())
	v, at := p.verifier(t)
	require.Zero(t, p.asked.Load(), "not before the first token")
	for range 5 {
		_, err := v.Verify(t.Context(), first.lasting())
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, p.asked.Load())

	p.publish(first.jwk(), second.jwk())
	at.Advance(10 * time.Second)
	_, err := v.Verify(t.Context(), second.lasting())
	require.NoError(t, err, "a new key is found with its first token")
	_, err = v.Verify(t.Context(), first.lasting())
	require.NoError(t, err)
	require.EqualValues(t, 2, p.asked.Load())

	p.publish(second.jwk())
	at.Advance(5 * time.Minute)
	require.Eventually(t, func() bool {
		_, err := v.Verify(t.Context(), first.lasting())
		return err != nil
	}, 10*time.Second, time.Millisecond, "five minutes later it is seen, by use, that a key was taken out")
	_, err = v.Verify(t.Context(), second.lasting())
	require.NoError(t, err)
	require.EqualValues(t, 3, p.asked.Load())

	p.publish(first.jwk())
	at.Advance(10 * time.Minute)
	_, err = v.Verify(t.Context(), second.lasting())
	require.ErrorIs(t, err, auth.ErrInvalidToken, "who has not been asked for long waits for the new keys")
}

func TestUnknownKeysAreAskedForOnceInTenSeconds(t *testing.T) {
	known, unknown := testKeys()["ed"], testKeys()["other"]
	p := publishing(t, known.jwk())
	v, at := p.verifier(t)
	_, err := v.Verify(t.Context(), known.lasting())
	require.NoError(t, err)
	for round := range 3 {
		at.Advance(10 * time.Second)
		for range 20 {
			_, err := v.Verify(t.Context(), unknown.lasting())
			require.ErrorIs(t, err, auth.ErrInvalidToken)
		}
		require.EqualValues(t, 2+round, p.asked.Load())
	}
}

func TestManyWhoNeedTheKeysAskOnce(t *testing.T) {
	k := testKeys()["ed"]
	p := publishing(t)
	open := make(chan struct{})
	p.behave(func(w http.ResponseWriter, _ *http.Request) {
		<-open
		_, _ = w.Write(jwks(k.jwk()))
	})
	v, _ := p.verifier(t)
	token := k.lasting()
	results := make(chan error, 50)
	for range 50 {
		go func() {
			_, err := v.Verify(t.Context(), token)
			results <- err
		}()
	}
	require.Eventually(t, func() bool { return p.asked.Load() > 0 }, 10*time.Second, time.Millisecond)
	close(open)
	for range 50 {
		require.NoError(t, <-results)
	}
	require.EqualValues(t, 1, p.asked.Load())
}

func TestKeysStayForADayWhenTheIssuerDoesNotAnswer(t *testing.T) {
	k := testKeys()["ed"]
	p := publishing(t, k.jwk())
	v, at := p.verifier(t)
	token := k.lasting()
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	p.fail()
	for range 23 {
		at.Advance(time.Hour)
		_, err = v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	at.Advance(time.Hour)
	_, err = v.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrKeysUnavailable)
	p.publish(k.jwk())
	at.Advance(10 * time.Second)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestAnIssuerThatCannotBeBelievedHasNoKeys(t *testing.T) {
	k := testKeys()["ed"]
	elsewhere := publishing(t, k.jwk())
	for what, answer := range map[string]http.HandlerFunc{
		"an error":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"a page":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(jwks()) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(jwks(k.jwk()), strings.Repeat(" ", 1<<20)...))
		},
		"half of them": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(jwks(k.jwk()))
		},
	} {
		p := publishing(t)
		p.behave(answer)
		v, _ := p.verifier(t)
		for range 3 {
			_, err := v.Verify(t.Context(), k.lasting())
			require.ErrorIs(t, err, auth.ErrKeysUnavailable, what)
			require.Equal(t, fault.Unavailable, fault.KindOf(err), "it is not the caller's fault")
		}
		require.EqualValues(t, 1, p.asked.Load(), "%s: it is left alone for a while", what)
	}
	require.Zero(t, elsewhere.asked.Load())
}

func TestKeysTravelEncryptedOrStayOnThisMachine(t *testing.T) {
	for address, good := range map[string]bool{
		"https://issuer.example/jwks.json": true, "http://127.0.0.1:1/jwks.json": true, "http://localhost/x": true, "http://[::1]:8/x": true,
		"http://issuer.example/jwks.json": false, "http://127.0.0.1.example/x": false, "http://10.0.0.1/x": false, "file:///etc/passwd": false,
		"ftp://127.0.0.1/x": false, "https://": false, "issuer.example": false, "": false, "%": false,
	} {
		_, err := auth.KeyURL(address, clock.System, zap.NewNop())
		require.Equal(t, good, err == nil, address)
	}
}
