package auth_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
)

func TestProcessesThatStartAtOnceAgreeOnTheDevelopmentKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	type result struct {
		signer *auth.Signer
		err    error
	}
	results := make(chan result, 20)
	for range cap(results) {
		go func() {
			s, err := auth.DevelopmentSigner(dir)
			results <- result{s, err}
		}()
	}
	var signers []*auth.Signer
	for range cap(results) {
		r := <-results
		require.NoError(t, r.err)
		signers = append(signers, r.signer)
	}
	who := auth.Principal{Role: auth.Operator, Subject: "operator"}
	v := auth.NewVerifier(signers[0].Config())
	for _, s := range signers {
		token, err := s.Sign(who, time.Now(), time.Minute)
		require.NoError(t, err)
		p, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, who, p)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1, "nothing else is left behind")
	info, err := files[0].Info()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode(), "whoever can read it can be anybody")
}

func TestAnotherDirectorysKeyIsAnotherKey(t *testing.T) {
	ours, err := auth.DevelopmentSigner(t.TempDir())
	require.NoError(t, err)
	theirs, err := auth.DevelopmentSigner(t.TempDir())
	require.NoError(t, err)
	token, err := theirs.Sign(auth.Principal{Role: auth.Operator, Subject: "operator"}, time.Now(), time.Minute)
	require.NoError(t, err)
	_, err = auth.NewVerifier(ours.Config()).Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrInvalidToken)
}

func TestADevelopmentTokenEnds(t *testing.T) {
	s, err := auth.NewSigner()
	require.NoError(t, err)
	token, err := s.Sign(auth.Principal{Role: auth.Service, Subject: "service"}, time.Now().Add(-time.Hour), 59*time.Minute)
	require.NoError(t, err)
	_, err = auth.NewVerifier(s.Config()).Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrInvalidToken)
}

func TestADevelopmentKeyThatIsBrokenIsNotReplaced(t *testing.T) {
	for _, content := range []string{"", "not PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		dir := t.TempDir()
		name := filepath.Join(dir, "development-key.pem")
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		_, err := auth.DevelopmentSigner(dir)
		require.ErrorContains(t, err, name)
		kept, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, content, string(kept))
	}
}
