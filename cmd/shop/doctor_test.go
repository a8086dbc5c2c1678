package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/clock"
)

var docsPage = regexp.MustCompile(`docs/[a-z-]+/[a-z-]+\.md`)

// examined is what the doctor said, and how it ended.
type examined struct {
	checkup
	t      *testing.T
	code   int
	output string
}

// doctorSays runs the doctor in an environment. Its ports are free ones that nobody listens on, unless the arguments say otherwise.
func doctorSays(t *testing.T, environ []string, args ...string) examined {
	t.Helper()
	return doctorSaysAt(t, clock.System, environ, args...)
}

// doctorSaysAt runs the doctor on a machine with another clock.
func doctorSaysAt(t *testing.T, at clock.Clock, environ []string, args ...string) examined {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{environ: environ, stdout: &stdout, stderr: &stderr}
	root := p.command()
	root.SetArgs(append([]string{"doctor", "-o", "json", "--addr", freeAddress(t), "--admin-addr", freeAddress(t)}, args...))
	cmd, _, err := root.Find([]string{"doctor"})
	require.NoError(t, err)
	cmd.RunE = func(*cobra.Command, []string) error { return p.examine(cmd, 20*time.Second, at) }
	code := p.report(root.ExecuteC())
	e := examined{t: t, code: code, output: stdout.String()}
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &e.checkup), stderr.String())
	require.Empty(t, stderr.String(), "everything is told in the report")
	require.Equal(t, code, e.Exit)
	require.Equal(t, code == exitOK, e.OK)
	return e
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// requires finds a line of a check with that status, whose detail and advice contain the words.
func (e examined) requires(check, status, detail, todo string) {
	e.t.Helper()
	require.True(e.t, slices.ContainsFunc(e.Checks, func(d diagnosis) bool {
		return d.Check == check && d.Status == status && strings.Contains(d.Detail, detail) && strings.Contains(d.Todo, todo)
	}), "%s %s %q → %q in\n%s", status, check, detail, todo, e.output)
}

// failures are the checks that failed.
func (e examined) failures() []string {
	names := []string{}
	for _, d := range e.Checks {
		if d.Status == failed {
			names = append(names, d.Check)
		}
	}
	return names
}

func TestTheDoctorSaysOneLineACheckAndWhatToDo(t *testing.T) {
	r := run(t, "doctor", "--data", filepath.Join(t.TempDir(), "none"), "--addr", freeAddress(t), "--admin-addr", freeAddress(t))
	require.Equal(t, exitOK, r.code, r.stdout)
	require.Regexp(t, `(?m)^ok    configuration  every setting is understood; hosts catalog, `, r.stdout)
	require.Regexp(t, `(?m)^warn  mail           customers are not written to: .* → set SHOP_SMTP_URL and SHOP_MAIL_FROM: docs/how-to/send-mail.md$`, r.stdout)
	require.Regexp(t, `\n\n\d+ checks: \d+ ok, \d+ to know of, 0 failed \(\d+\.\d s\)\.\n$`, r.stdout)
	require.NotContains(t, r.stdout, "\x1b")
	require.Equal(t, exitUsage, run(t, "doctor", "now").code)
	require.Equal(t, exitUsage, run(t, "doctor", "--timeout", "0s").code)
}

func TestThePagesThatTheDoctorNamesAreThere(t *testing.T) {
	files, err := filepath.Glob("doctor*.go")
	require.NoError(t, err)
	named := map[string]bool{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, page := range docsPage.FindAllString(string(b), -1) {
			named[page] = true
		}
	}
	require.NotEmpty(t, named)
	for page := range named {
		require.FileExists(t, filepath.Join("../..", page))
	}
}

func TestEachWrongSettingHasItsLine(t *testing.T) {
	e := doctorSays(t, []string{"SHOP_MAX_CONCURRENT=many", "SHOP_BREAKER_WINDOW=soon", "SHOP_LOG_LEVEL=loud"})
	require.Equal(t, exitConfiguration, e.code)
	require.Equal(t, []string{"configuration", "configuration", "configuration"}, e.failures())
	require.Len(t, e.Checks, 3, "nothing else is known")
	for _, name := range []string{"SHOP_MAX_CONCURRENT: ", "SHOP_BREAKER_WINDOW: ", "SHOP_LOG_LEVEL: "} {
		e.requires("configuration", failed, name, "docs/reference/configuration.md")
	}
	e = doctorSays(t, nil, "--contexts", "nothing")
	require.Equal(t, exitConfiguration, e.code)
	e.requires("configuration", failed, "--contexts: ", "")

	data := "SHOP_DATA=" + t.TempDir()
	e = doctorSays(t, []string{data, "SHOP_COLOUR=red", "SHOP_LOG_LEVEL=debug"})
	require.Equal(t, exitOK, e.code, e.output)
	e.requires("configuration", warned, "SHOP_COLOUR is not a setting of this version", "docs/reference/configuration.md")
	e.requires("log", warned, "the level is debug", "SHOP_LOG_LEVEL")
	e.requires("tokens", warned, "the development key", "SHOP_JWT_ISSUER")
	e.requires("mail", warned, "not written to", "SHOP_SMTP_URL")
	e.requires("broker", passed, "within this process", "")

	e = doctorSays(t, []string{data}, "--contexts", "catalog", "--admin-addr", ":0")
	e.requires("bus", warned, "hosts 1 of 7 contexts", "SHOP_BUS_URL")
	e.requires("admin", warned, "listens beyond this machine", "SHOP_ADMIN_ADDR")

	e = doctorSays(t, []string{data}, "--addr", "0.0.0.0:0")
	require.Equal(t, exitConfiguration, e.code)
	e.requires("tokens", failed, "beyond this machine", "SHOP_JWT_ISSUER")
}

func TestTheDoctorAsksWhatTheSettingsName(t *testing.T) {
	data, nobody := "SHOP_DATA="+t.TempDir(), freeAddress(t)
	issuer := func(at string) []string {
		return []string{data, "SHOP_JWT_ISSUER=https://issuer.example", "SHOP_JWT_AUDIENCE=shop", "SHOP_JWT_JWKS_URL=" + at}
	}
	e := doctorSays(t, issuer("http://"+nobody+"/keys"))
	require.Equal(t, exitDependency, e.code)
	e.requires("tokens", failed, "refused", "SHOP_JWT_JWKS_URL")
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`{"keys":[{},{}]}`)) }))
	defer keys.Close()
	doctorSays(t, issuer(keys.URL)).requires("tokens", passed, "with 2 keys", "")
	nothing := httptest.NewServer(http.NotFoundHandler())
	defer nothing.Close()
	doctorSays(t, issuer(nothing.URL)).requires("tokens", failed, "it answers 404 Not Found, and no set of keys", "")
	missing := filepath.Join(t.TempDir(), "missing")
	e = doctorSays(t, []string{data, "SHOP_JWT_ISSUER=https://issuer.example", "SHOP_JWT_AUDIENCE=shop", "SHOP_JWT_KEYS=" + missing})
	require.Equal(t, exitConfiguration, e.code)
	e.requires("tokens", failed, "no such file", "SHOP_JWT_KEYS")

	e = doctorSays(t, []string{data, "SHOP_SMTP_URL=smtp://" + nobody + "?tls=none", "SHOP_MAIL_FROM=shop@example.org", "SHOP_CACHE_URL=redis://" + nobody,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + nobody, "SHOP_FLAGS=" + missing})
	require.Equal(t, exitConfiguration, e.code, "a setting comes before what is down")
	e.requires("mail", failed, "refused", "docs/how-to/send-mail.md")
	e.requires("cache", warned, "Redis does not answer", "SHOP_CACHE_URL")
	e.requires("telemetry", failed, "refused", "OTEL_EXPORTER_OTLP_ENDPOINT")
	e.requires("flags", failed, "no such file", "docs/reference/flags.md")
	require.ElementsMatch(t, []string{"mail", "telemetry", "flags"}, e.failures())

	listens := strings.TrimPrefix(keys.URL, "http://")
	e = doctorSays(t, []string{data, "SHOP_SMTP_URL=smtp://" + listens + "?tls=none", "SHOP_MAIL_FROM=shop@example.org", "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + listens})
	require.Equal(t, exitOK, e.code, e.output)
	e.requires("mail", passed, listens, "")
	e.requires("telemetry", passed, listens, "")
}

func TestAPasswordIsNeverPrinted(t *testing.T) {
	nobody := freeAddress(t)
	environ := []string{
		"SHOP_DATA=" + t.TempDir(), "SHOP_DATABASE_URL=postgres://shop:geh%40im1@" + nobody + "/shop?sslmode=disable", "SHOP_BUS_URL=nats://shop:geheim2@" + nobody,
		"SHOP_CACHE_URL=redis://shop:geheim3@" + nobody, "SHOP_SMTP_URL=smtp://shop:geheim4@" + nobody, "SHOP_MAIL_FROM=shop@example.org", "SHOP_TOKEN=geheim5",
	}
	e := doctorSays(t, environ)
	require.Equal(t, exitDependency, e.code)
	e.requires("broker", failed, "does not answer", "SHOP_BUS_URL")
	e.requires("orders.database", failed, nobody, "SHOP_DATABASE_URL")
	for _, secret := range []string{"geheim", "geh@im", "geh%40im"} {
		require.NotContains(t, e.output, secret)
	}
	shown := newCheckup([]diagnosis{{Detail: "refused: geheim1", Todo: "not geheim1"}}, []string{"", "geheim1"}, 0)
	require.Equal(t, diagnosis{Detail: "refused: …", Todo: "not …"}, shown.Checks[0])
	e = doctorSays(t, []string{"SHOP_BUS_URL=nats://shop:geheim2@:x:y"})
	require.Equal(t, exitConfiguration, e.code)
	require.NotContains(t, e.output, "geheim")
}

func TestAnExaminationThatDoesNotEndIsLeftBehind(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	release := make(chan struct{})
	defer close(release)
	lines := runAll(ctx, []examination{
		{"quick", func(_ context.Context, c *chart) { c.ok("quick", "well") }},
		{"frozen", func(_ context.Context, c *chart) { <-release; c.ok("frozen", "too late") }},
		{"obedient", func(ctx context.Context, c *chart) { <-ctx.Done(); c.warn("obedient", "", "%v", ctx.Err()) }},
	})
	require.Equal(t, []diagnosis{
		{Check: "quick", Status: passed, Detail: "well"},
		{Check: "frozen", Status: failed, Detail: "no answer in time", exit: exitDependency},
		{Check: "obedient", Status: warned, Detail: "context deadline exceeded"},
	}, lines)
}

func TestTheCauseDecidesHowTheDoctorEnds(t *testing.T) {
	for _, c := range []struct {
		exits []int
		want  int
	}{
		{nil, exitOK}, {[]int{exitFailed}, exitFailed}, {[]int{exitFailed, exitDependency, exitFailed}, exitDependency},
		{[]int{exitDependency, exitConfiguration, exitFailed}, exitConfiguration},
	} {
		var ch chart
		ch.ok("a", "well")
		ch.warn("b", "", "so so")
		for _, exit := range c.exits {
			ch.fail("c", exit, "", "no")
		}
		require.Equal(t, c.want, newCheckup(ch.take(), nil, 0).Exit, c.exits)
	}
}
