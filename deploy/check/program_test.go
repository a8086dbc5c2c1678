package check

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is the path of shop, built for these tests.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "deploy-check")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		program = filepath.Join(dir, "shop")
		build := exec.Command("go", "build", "-o", program, "./cmd/shop")
		build.Dir = filepath.Join("..", "..")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building shop: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// contexts are those that the program knows.
func contexts(t *testing.T) []string {
	t.Helper()
	code, said := shop(t, nil, "serve", "--contexts", "none-of-them")
	require.Equal(t, 3, code, said)
	list := regexp.MustCompile(`there are all, ([a-z, ]+)`).FindStringSubmatch(said)
	require.NotNil(t, list, said)
	names := strings.Split(list[1], ", ")
	slices.Sort(names)
	return names
}

// shop runs the program with nothing in its environment but env, until it ends.
func shop(t *testing.T, env map[string]string, args ...string) (code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, name+"="+env[name])
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "it does not end: %s", out.String())
	if err != nil && cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

var databaseHost = regexp.MustCompile(`^(postgres://[^@]*@)[^/]*`)

// requireAccepted starts a process with these settings, and a database that does not answer: it must come so far as to say so, and find nothing wrong before that, not even a
// setting without effect.
func requireAccepted(t *testing.T, env map[string]string, args ...string) {
	t.Helper()
	env = maps.Clone(env)
	for name, value := range env {
		env[name] = databaseHost.ReplaceAllString(value, "${1}127.0.0.1:1")
	}
	env["SHOP_DATA"] = t.TempDir()
	if env["SHOP_JWT_KEYS"] != "" {
		env["SHOP_JWT_KEYS"] = publicKey(t)
	}
	code, said := shop(t, env, args...)
	require.Equal(t, 4, code, said)
	require.Contains(t, said, "database of ")
	require.NotContains(t, said, "no effect")
}

func publicKey(t *testing.T) (file string) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "keys.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
	return file
}
