package check

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// composed is compose.yaml as `docker compose` would read it in a fresh checkout after ./new-env.sh. Without profiles those of .env count.
func composed(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deploy")
	require.NoError(t, os.CopyFS(dir, os.DirFS("..")))
	out, err := exec.Command(filepath.Join(dir, "new-env.sh")).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, out, "passwords are not shown")
	return loaded(t, dir, profiles...)
}

func loaded(t *testing.T, dir string, profiles ...string) *types.Project {
	t.Helper()
	p, err := load(t, dir, profiles...)
	require.NoError(t, err)
	return p
}

func load(t *testing.T, dir string, profiles ...string) (*types.Project, error) {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithWorkingDirectory(dir), cli.WithEnvFiles(), cli.WithDotEnv, cli.WithDefaultProfiles(profiles...))
	require.NoError(t, err)
	return o.LoadProject(t.Context())
}

var (
	backing   = []string{"collector", "keys", "migrate", "postgres", "redis"}
	noProcess = append(slices.Clone(backing), "nats")
)

// processes are the services that are `shop serve`.
func processes(p *types.Project) map[string]types.ServiceConfig {
	found := map[string]types.ServiceConfig{}
	for name, s := range p.Services {
		if slices.Contains(s.Command, "serve") {
			found[name] = s
		}
	}
	return found
}

func TestTheMonolithIsStartedUnlessTheSplitIsAskedFor(t *testing.T) {
	require.ElementsMatch(t, append([]string{"shop"}, backing...), composed(t).ServiceNames())
	require.ElementsMatch(t, slices.Concat(contexts(t), noProcess), composed(t, "split").ServiceNames())
	require.ElementsMatch(t, append([]string{"audit", "token"}, backing...), composed(t, "tools").ServiceNames())
}

func TestComposeSaysWhatToDoWhenThereAreNoPasswords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deploy")
	require.NoError(t, os.CopyFS(dir, os.DirFS("..")))
	_, err := load(t, dir)
	require.ErrorContains(t, err, "run ./new-env.sh first")
}

func TestNewPasswordsDoNotReplaceThoseOfTheDatabase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deploy")
	require.NoError(t, os.CopyFS(dir, os.DirFS("..")))
	script, env := filepath.Join(dir, "new-env.sh"), filepath.Join(dir, ".env")
	require.NoError(t, exec.Command(script).Run())
	first, err := os.ReadFile(env)
	require.NoError(t, err)
	info, err := os.Stat(env)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	passwords := regexp.MustCompile(`(?m)^[A-Z_]*PASSWORD[A-Z_]*=(.*)$`).FindAllStringSubmatch(string(first), -1)
	require.Len(t, passwords, 12)
	different := map[string]bool{}
	for _, p := range passwords {
		require.Regexp(t, `^p[0-9a-f]{32}$`, p[1])
		different[p[1]] = true
	}
	require.Len(t, different, len(passwords))

	require.Error(t, exec.Command(script).Run())
	second, err := os.ReadFile(env)
	require.NoError(t, err)
	require.Equal(t, string(first), string(second))
}

func TestEveryServiceIsHardenedAndPinned(t *testing.T) {
	for _, profile := range []string{"monolith", "split", "tools"} {
		for name, s := range composed(t, profile).Services {
			require.Regexp(t, `^\d+:\d+$`, s.User, name)
			require.NotRegexp(t, `^0:|:0$`, s.User, name)
			require.True(t, s.ReadOnly, name)
			require.Equal(t, []string{"ALL"}, s.CapDrop, name)
			require.Empty(t, s.CapAdd, name)
			require.False(t, s.Privileged, name)
			require.Equal(t, []string{"no-new-privileges:true"}, s.SecurityOpt, name)
			require.NotZero(t, s.PidsLimit, name)
			require.NotNil(t, s.Logging, name)
			image, tag, _ := strings.Cut(s.Image, ":")
			if image == "shop" {
				require.Equal(t, "local", tag, name)
				require.True(t, s.Build != nil || s.PullPolicy == types.PullPolicyNever, "%s must not be fetched from a registry", name)
			} else {
				require.Regexp(t, `^\d+\.\d+`, tag, name)
			}
			for _, v := range s.Volumes {
				require.True(t, v.Type != types.VolumeTypeBind || v.ReadOnly, "%s writes into the checkout", name)
			}
		}
	}
}

func TestOnlyTheEntryAndTheMetricsArePublishedAndOnlyOnThisMachine(t *testing.T) {
	for profile, entry := range map[string]string{"monolith": "shop", "split": "catalog"} {
		published := map[string]string{}
		for name, s := range composed(t, profile).Services {
			for _, p := range s.Ports {
				published[name] = p.HostIP + ":" + p.Published
			}
		}
		require.Equal(t, map[string]string{entry: "127.0.0.1:8080", "collector": "127.0.0.1:8889"}, published)
	}
}

func TestProcessesStartWhenWhatTheyNeedIsThereAndTellHowTheyAre(t *testing.T) {
	for profile, broker := range map[string]bool{"monolith": false, "split": true} {
		p := composed(t, profile)
		for name, s := range processes(p) {
			require.Equal(t, "unless-stopped", s.Restart, name)
			require.Equal(t, types.HealthCheckTest{"CMD", "/shop", "healthcheck"}, s.HealthCheck.Test, name)
			require.GreaterOrEqual(t, time.Duration(*s.StopGracePeriod), 20*time.Second, name)
			require.Equal(t, types.ServiceConditionCompletedSuccessfully, s.DependsOn["migrate"].Condition, name)
			require.Equal(t, types.ServiceConditionCompletedSuccessfully, s.DependsOn["keys"].Condition, name)
			if broker {
				require.Equal(t, types.ServiceConditionHealthy, s.DependsOn["nats"].Condition, name)
			}
			require.Contains(t, s.Networks["default"].Aliases, "process", name)
		}
		for _, name := range []string{"migrate", "keys"} {
			require.Equal(t, "no", p.Services[name].Restart, name)
		}
		require.Equal(t, types.ServiceConditionHealthy, p.Services["migrate"].DependsOn["postgres"].Condition)
		for _, name := range []string{"postgres", "redis"} {
			require.NotNil(t, p.Services[name].HealthCheck, name)
		}
	}
}

func TestTheCollectorSendsTracesWhereSomebodySaidThatTheyGo(t *testing.T) {
	exporters := func(p *types.Project) string { return value(p.Services["collector"], "SHOP_TRACES_EXPORTERS") }
	require.Equal(t, "[debug]", exporters(composed(t)))

	dir := filepath.Join(t.TempDir(), "deploy")
	require.NoError(t, os.CopyFS(dir, os.DirFS("..")))
	require.NoError(t, exec.Command(filepath.Join(dir, "new-env.sh")).Run())
	env, err := os.ReadFile(filepath.Join(dir, ".env"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), append(env, "SHOP_TRACES_ENDPOINT=http://tempo:4317\n"...), 0o600))
	p := loaded(t, dir)
	require.Equal(t, "[debug, otlp_grpc]", exporters(p))
	require.Equal(t, "http://tempo:4317", value(p.Services["collector"], "SHOP_TRACES_ENDPOINT"))
}

func TestEveryContextOfComposeIsHostedOnceAndFoundByTheOthers(t *testing.T) {
	all := contexts(t)
	for _, profile := range []string{"monolith", "split"} {
		p := composed(t, profile)
		hostedBy := map[string]string{}
		for service, s := range processes(p) {
			for _, name := range hosted(all, value(s, "SHOP_CONTEXTS")) {
				require.Empty(t, hostedBy[name], "%s is hosted twice", name)
				hostedBy[name] = service
			}
		}
		require.Len(t, hostedBy, len(all))
		for service, s := range processes(p) {
			for name, by := range hostedBy {
				u := value(s, "SHOP_"+strings.ToUpper(name)+"_URL")
				if by == service {
					require.Empty(t, u, "%s hosts %s", service, name)
				} else {
					require.Equal(t, "http://"+by+":8080", u, service)
				}
			}
			require.Equal(t, "0.0.0.0:8080", value(s, "SHOP_ADDR"))
		}
	}
}

// hosted reads SHOP_CONTEXTS as far as it is used here.
func hosted(all []string, list string) []string {
	if list == "" || list == "all" {
		return all
	}
	return strings.Split(list, ",")
}

func value(s types.ServiceConfig, variable string) string {
	if v := s.Environment[variable]; v != nil {
		return *v
	}
	return ""
}

func environment(s types.ServiceConfig) map[string]string {
	env := map[string]string{}
	for name := range s.Environment {
		env[name] = value(s, name)
	}
	return env
}

func TestEachProcessHasTheDatabaseRoleOfItsContextAlone(t *testing.T) {
	for _, profile := range []string{"monolith", "split"} {
		p := composed(t, profile)
		server := p.Services["postgres"]
		for name, s := range processes(p) {
			u, err := url.Parse(value(s, "SHOP_DATABASE_URL"))
			require.NoError(t, err)
			password, _ := u.User.Password()
			require.Equal(t, name, u.User.Username())
			require.Equal(t, value(server, "DB_PASSWORD_"+strings.ToUpper(name)), password)
			require.Equal(t, "postgres:5432/shop", u.Host+u.Path)
			for variable, v := range s.Environment {
				if v != nil && strings.Contains(*v, "postgres://") {
					require.Equal(t, "SHOP_DATABASE_URL", variable, name)
				}
			}
		}
	}
}

func TestTheProgramAcceptsTheSettingsOfEveryProcessOfCompose(t *testing.T) {
	for _, profile := range []string{"monolith", "split"} {
		p := composed(t, profile)
		for name, s := range processes(p) {
			t.Run(profile+"/"+name, func(t *testing.T) { requireAccepted(t, environment(s), s.Command...) })
		}
		requireAccepted(t, environment(p.Services["migrate"]), p.Services["migrate"].Command...)
	}
}

func TestTheKeyOfComposeIsBelievedByItsProcesses(t *testing.T) {
	p := composed(t, "monolith", "tools")
	private := t.TempDir()
	keys := filepath.Join(t.TempDir(), "keys.pem")
	args := slices.Clone([]string(p.Services["keys"].Command))
	i := slices.Index(args, value(p.Services["shop"], "SHOP_JWT_KEYS"))
	require.Positive(t, i, "the processes read what keys writes")
	args[i] = keys
	code, said := shop(t, map[string]string{"SHOP_DATA": private}, args...)
	require.Zero(t, code, said)
	require.FileExists(t, keys)
	code, said = shop(t, map[string]string{"SHOP_DATA": private}, append(p.Services["token"].Entrypoint[1:], "--role", "operator")...)
	require.Zero(t, code, said)
	require.Regexp(t, `^[\w-]+\.[\w-]+\.[\w-]+\n$`, said)
	require.Equal(t, "shop-dev", value(p.Services["shop"], "SHOP_JWT_ISSUER"))
	require.Equal(t, "shop", value(p.Services["shop"], "SHOP_JWT_AUDIENCE"))
}
