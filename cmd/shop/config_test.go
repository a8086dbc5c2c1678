package main

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/auth"
)

// configured is what a command with the given flags and environment is configured with.
func configured(t *testing.T, environ []string, flags ...string) (config, error) {
	t.Helper()
	p := &program{environ: environ}
	var c config
	var problem error
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, _ []string) error {
		c, problem = p.configure(cmd)
		return nil
	}}
	settingFlags(cmd)
	cmd.SetArgs(append([]string{}, flags...))
	require.NoError(t, cmd.Execute())
	return c, problem
}

func TestWithoutSettingsEverythingIsHostedOnThisMachineAlone(t *testing.T) {
	c, err := configured(t, nil)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8080", c.addr)
	require.Equal(t, "127.0.0.1:8081", c.adminAddr)
	require.Equal(t, contextNames(), c.hosted)
	require.Equal(t, zapcore.InfoLevel, c.logLevel)
	require.Len(t, c.databases, len(databaseNames()))
	for name, url := range c.databases {
		require.Equal(t, "sqlite:./data", url, name)
	}
	require.Empty(t, c.warnings)
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheDefault(t *testing.T) {
	c, err := configured(t, []string{"SHOP_ADDR=127.0.0.1:1", "SHOP_ADMIN_ADDR=127.0.0.1:2", "SHOP_LOG_LEVEL="}, "--addr", "127.0.0.1:3")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:3", c.addr)
	require.Equal(t, "127.0.0.1:2", c.adminAddr)
	require.Equal(t, zapcore.InfoLevel, c.logLevel, "an empty variable is not set")
}

func TestADatabaseIsThatOfItsContextOrTheCommonOneOrADirectory(t *testing.T) {
	c, err := configured(t, []string{"SHOP_DATABASE_URL=postgres://u:p@db/shop", "SHOP_ORDERS_DATABASE_URL=sqlite:/orders", "SHOP_TESTPSP_DATABASE_URL=postgresql://psp/psp"})
	require.NoError(t, err)
	require.Equal(t, "sqlite:/orders", c.databases["orders"])
	require.Equal(t, "postgresql://psp/psp", c.databases["testpsp"])
	require.Equal(t, "postgres://u:p@db/shop", c.databases["payments"])

	c, err = configured(t, nil, "--data", "/somewhere")
	require.NoError(t, err)
	require.Equal(t, "sqlite:/somewhere", c.databases["catalog"])
	require.Equal(t, []string{"/somewhere"}, sqliteDirectories(c))
}

func TestTheAdminPortCanBeLeftOut(t *testing.T) {
	c, err := configured(t, []string{"SHOP_ADMIN_ADDR=off"})
	require.NoError(t, err)
	require.Empty(t, c.adminAddr)
}

func TestAWrongSettingIsOneLineThatNamesItAndExitCode3(t *testing.T) {
	for name, c := range map[string]struct {
		environ []string
		flags   []string
		says    string
	}{
		"an address without port":         {[]string{"SHOP_ADDR=localhost"}, nil, `SHOP_ADDR: "localhost" is no address`},
		"a port that is none":             {nil, []string{"--admin-addr", ":99999"}, `--admin-addr: ":99999" is no address`},
		"an unknown context":              {[]string{"SHOP_CONTEXTS=orders,pets"}, nil, `SHOP_CONTEXTS: there is no context "pets"`},
		"nothing hosted":                  {[]string{"SHOP_CONTEXTS=catalog,-catalog"}, nil, "SHOP_CONTEXTS: no context is left"},
		"left out of nothing":             {nil, []string{"--contexts=-orders"}, "--contexts: it begins with what to leave out; say all,-orders"},
		"half of a conversation":          {[]string{"SHOP_CONTEXTS=inventory"}, nil, "inventory is hosted here and orders is not, but they talk"},
		"orders without payments":         {[]string{"SHOP_CONTEXTS=all,-payments"}, nil, "orders is hosted here and payments is not, but they talk"},
		"orders without catalog":          {[]string{"SHOP_CONTEXTS=all,-catalog"}, nil, "orders is hosted here and needs the answers of catalog"},
		"a database of another kind":      {[]string{"SHOP_DATABASE_URL=mysql://root:geheim@db/shop"}, nil, "SHOP_DATABASE_URL: expected sqlite:DIRECTORY or postgres://"},
		"a directory that has no name":    {[]string{"SHOP_ORDERS_DATABASE_URL=sqlite:"}, nil, "SHOP_ORDERS_DATABASE_URL: expected sqlite:DIRECTORY"},
		"a URL that cannot be read":       {nil, []string{"--database-url", "postgres://u:geheim@db:port/x"}, "--database-url: expected"},
		"a broker of no known kind":       {[]string{"SHOP_BUS_URL=redis://localhost"}, nil, "SHOP_BUS_URL: expected memory:, nats://"},
		"keys without issuer":             {[]string{"SHOP_JWT_KEYS=keys.pem"}, nil, "SHOP_JWT_ISSUER: is missing"},
		"an issuer without audience":      {[]string{"SHOP_JWT_ISSUER=https://i"}, nil, "SHOP_JWT_AUDIENCE: is missing"},
		"an issuer without keys":          {[]string{"SHOP_JWT_ISSUER=https://i", "SHOP_JWT_AUDIENCE=shop"}, nil, "SHOP_JWT_JWKS_URL: is missing"},
		"only something of tokens":        {[]string{"SHOP_JWT_LEEWAY=1s"}, nil, "SHOP_JWT_ISSUER: is missing"},
		"keys from two places":            {append(jwtSettings(), "SHOP_JWT_KEYS=keys.pem"), nil, "SHOP_JWT_KEYS: keys come from a file or from SHOP_JWT_JWKS_URL"},
		"a leeway that is no time":        {append(jwtSettings(), "SHOP_JWT_LEEWAY=30"), nil, `SHOP_JWT_LEEWAY: "30" is no time`},
		"a leeway of an hour":             {append(jwtSettings(), "SHOP_JWT_LEEWAY=1h"), nil, `SHOP_JWT_LEEWAY: "1h" is no time from 0s to 5m`},
		"an empty type of tokens":         {append(jwtSettings(), "SHOP_JWT_TYPES=JWT,"), nil, "SHOP_JWT_TYPES: expected a list"},
		"operators by default":            {append(jwtSettings(), "SHOP_JWT_DEFAULT_ROLE=operator"), nil, `SHOP_JWT_DEFAULT_ROLE: "operator" is neither customer nor none`},
		"a log level that does not exist": {[]string{"SHOP_LOG_LEVEL=loud"}, nil, `SHOP_LOG_LEVEL: "loud" is not one of debug, info, warn, error`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := configured(t, c.environ, c.flags...)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "geheim", "passwords are not repeated")
			var exit *exitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, exitConfiguration, exit.code)

			var stdout, stderr bytes.Buffer
			code := Run(t.Context(), append([]string{"serve", "--data", filepath.Join(t.TempDir(), "none")}, c.flags...), c.environ, &stdout, &stderr)
			require.Equal(t, exitConfiguration, code)
			require.Empty(t, stdout.String())
			require.Equal(t, 1, bytes.Count(stderr.Bytes(), []byte("\n")), stderr.String())
		})
	}
}

// jwtSettings name an issuer.
func jwtSettings() []string {
	return []string{"SHOP_JWT_ISSUER=https://issuer.example", "SHOP_JWT_AUDIENCE=shop", "SHOP_JWT_JWKS_URL=https://issuer.example/jwks.json"}
}

func TestTokensComeFromTheIssuerOrAreSignedWithTheDevelopmentKey(t *testing.T) {
	c, err := configured(t, []string{"SHOP_JWT_KEYS=", "SHOP_TOKEN=x"})
	require.NoError(t, err)
	require.Nil(t, c.issuer)
	require.Equal(t, "x", c.token)

	c, err = configured(t, jwtSettings())
	require.NoError(t, err)
	require.Equal(t, issuer{name: "https://issuer.example", audience: "shop", keysURL: "https://issuer.example/jwks.json", types: []string{"at+jwt", "JWT"},
		leeway: 30 * time.Second, roleClaim: "role", defaultRole: auth.Customer}, *c.issuer)

	c, err = configured(t, append(jwtSettings(), "SHOP_JWT_TYPES=JWT", "SHOP_JWT_LEEWAY=0s", "SHOP_JWT_ROLE_CLAIM=realm_access.roles", "SHOP_JWT_DEFAULT_ROLE=none"))
	require.NoError(t, err)
	require.Equal(t, []string{"JWT"}, c.issuer.types)
	require.Zero(t, c.issuer.leeway)
	require.Equal(t, "realm_access.roles", c.issuer.roleClaim)
	require.Empty(t, c.issuer.defaultRole)
}

func TestKeysThatCannotBeHadAreExitCode3(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.pem")
	base := jwtSettings()[:2]
	for setting, says := range map[string]string{
		"SHOP_JWT_KEYS=" + file:                             "shop: SHOP_JWT_KEYS: open " + file,
		"SHOP_JWT_JWKS_URL=http://issuer.example/jwks.json": "shop: SHOP_JWT_JWKS_URL: expected https://",
	} {
		var stdout, stderr bytes.Buffer
		code := Run(t.Context(), []string{"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--admin-addr", "off"}, append(base, setting), &stdout, &stderr)
		require.Equal(t, exitConfiguration, code)
		require.Contains(t, stderr.String(), says)
	}
}

func TestSettingsThatNobodyKnowsAreNamed(t *testing.T) {
	c, err := configured(t, []string{
		"SHOP_ADRR=:1", "SHOP_PAYMENTS_URI=http://x", "HOME=/root", "SHOPPING=1", // two of ours that do nothing
		"SHOP_TEST_DATA=x", "SHOP_FAILPOINT=x", // of the tests
		"SHOP_SERVICE_HOST=10.0.0.1", "SHOP_SERVICE_PORT=80", "SHOP_SERVICE_PORT_HTTP=80", "SHOP_PORT=tcp://10.0.0.1:80", "SHOP_PORT_80_TCP=tcp://10.0.0.1:80",
		"SHOP_PORT_80_TCP_ADDR=10.0.0.1", "SHOP_PORT_80_TCP_PORT=80", "SHOP_PORT_80_TCP_PROTO=tcp", // of Kubernetes
	})
	require.NoError(t, err)
	require.Len(t, c.warnings, 2)
	require.Contains(t, c.warnings[0], "SHOP_ADRR")
	require.Contains(t, c.warnings[1], "SHOP_PAYMENTS_URI")
}

func TestAListOfContextsIsReadInAnyOrder(t *testing.T) {
	known := []string{"a", "b", "c"}
	for list, want := range map[string][]string{
		"all":       {"a", "b", "c"},
		"c,a":       {"a", "c"},
		"all,-b":    {"a", "c"},
		"all,-b,b":  {"a", "b", "c"},
		" b , b ,c": {"b", "c"},
		"a,all,-a":  {"b", "c"},
	} {
		got, err := parseContexts(list, known)
		require.NoError(t, err, list)
		require.Equal(t, want, got, list)
	}
	for _, list := range []string{"", ",", "d", "-a", "all,", "all,-d", "ALL"} {
		_, err := parseContexts(list, known)
		require.Error(t, err, list)
	}
}

func TestContextsThatDoNotTalkMayBeHostedAlone(t *testing.T) {
	require.NoError(t, checkHosting([]string{"catalog"}, nil, memoryBus))
	require.NoError(t, checkHosting(contextNames(), nil, memoryBus))
	require.Error(t, checkHosting([]string{"inventory", "payments", "shipping", "catalog"}, nil, memoryBus))
	require.NoError(t, checkHosting([]string{"payments"}, nil, "nats://broker:4222"))
}

func TestTheMapNamesOnlyWhatComesBefore(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range contextMap {
		require.False(t, seen[c.name], c.name)
		for _, other := range append(c.talks(), c.asks...) {
			require.True(t, seen[other], "%s needs %s, which is built later", c.name, other)
		}
		seen[c.name] = true
	}
}
