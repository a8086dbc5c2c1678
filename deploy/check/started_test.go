package check

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
)

// These tests start what compose.yaml and the chart say, with the very settings, on a real PostgreSQL and a real NATS, and without containers: only the names of hosts become ports
// of this machine. An order goes through, and the audit holds.

func TestTheMonolithAndThenTheSplitOfComposeTakeOrders(t *testing.T) {
	db := newDatabase(t)
	for _, profile := range []string{"monolith", "split"} { // on the same database: that is how one grows into the other
		t.Run(profile, func(t *testing.T) {
			p := composed(t, profile, "tools")
			f := &fleet{database: db, broker: broker(t, value(p.Services["catalog"], "SHOP_BUS_URL")), settings: map[string]map[string]string{}}
			for name, s := range processes(p) {
				f.settings[name] = environment(s)
				if len(s.Ports) > 0 {
					f.entry = name
				}
			}
			code, said := shop(t, f.here(t, environment(p.Services["migrate"])), p.Services["migrate"].Command...)
			require.Zero(t, code, said)
			f.takesAnOrder(t)
			code, said = shop(t, f.here(t, environment(p.Services["audit"])), p.Services["audit"].Entrypoint[1:]...)
			require.Zero(t, code, said)
		})
	}
}

func TestTheProcessesOfTheChartTakeAnOrder(t *testing.T) {
	db := newDatabase(t)
	r := installed(t, "shop", ciValues(t, "payments-out"))
	f := &fleet{database: db, entry: "shop-rest", settings: map[string]map[string]string{}}
	for name, d := range all[*appsv1.Deployment](r) {
		f.settings[name] = settings(t, d.Spec.Template.Spec)
	}
	f.broker = broker(t, f.settings["shop-rest"]["SHOP_BUS_URL"])
	job := all[*batchv1.Job](r)["shop-migrate"].Spec.Template.Spec
	code, said := shop(t, f.here(t, settings(t, job)), job.Containers[0].Args...)
	require.Zero(t, code, said)
	f.takesAnOrder(t)
}

func TestARoleOfComposeIsItsContextAlone(t *testing.T) {
	db := newDatabase(t)
	code, said := shop(t, map[string]string{"SHOP_DATABASE_URL": db("shop_admin")}, "migrate", "up")
	require.Zero(t, code, said)
	for statement, refused := range map[string]string{
		`SET ROLE shop_payments; SELECT count(*) FROM payments.payments`: "",
		`SET ROLE shop_testpsp`:                  "",
		`SET ROLE shop_orders`:                   `permission denied to set role "shop_orders"`,
		`SELECT count(*) FROM orders.events`:     "permission denied for schema orders",
		`CREATE SCHEMA mine`:                     "permission denied for database",
		`CREATE TABLE public.mine (id int)`:      "permission denied for schema public",
		`CREATE ROLE mine`:                       "permission denied to create role",
		`ALTER ROLE orders PASSWORD 'something'`: "permission denied",
	} {
		out, err := exec.Command("psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "--dbname", db("payments"), "--command", statement).CombinedOutput()
		if refused == "" {
			require.NoError(t, err, "%s: %s", statement, out)
		} else {
			require.Error(t, err, statement)
			require.Contains(t, string(out), refused, statement)
		}
	}
}

// roles are made once in a cluster, by roles.sh.
var roles sync.Once

// newDatabase makes an empty database called shop, as a new volume of compose has it, and returns its URL for a user.
func newDatabase(t *testing.T) func(user string) string {
	t.Helper()
	at := os.Getenv("SHOP_TEST_POSTGRES_URL")
	if at == "" {
		t.Skip("needs a PostgreSQL of its own: run make deploy-check")
	}
	u, err := url.Parse(at)
	require.NoError(t, err)
	superuser := u.User.Username()
	db := func(user string) string {
		v := *u
		v.User, v.Path = url.User(user), "/shop"
		return v.String()
	}
	sql := func(statement string) {
		out, err := exec.Command("psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "--dbname", at, "--command", statement).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	sql(`DROP DATABASE IF EXISTS shop WITH (FORCE)`)
	sql(`CREATE DATABASE shop`)
	roles.Do(func() {
		script := exec.Command("../postgres/roles.sh")
		script.Env = append(os.Environ(), "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGSSLMODE=disable", "POSTGRES_USER="+superuser, "POSTGRES_DB=shop")
		for name := range composed(t).Services["postgres"].Environment {
			if strings.HasPrefix(name, "DB_PASSWORD_") {
				script.Env = append(script.Env, name+"=it's a \"secret\"")
			}
		}
		out, err := script.CombinedOutput()
		require.NoError(t, err, string(out))
	})
	sql(`REVOKE ALL ON DATABASE shop FROM PUBLIC`) // what roles.sh says of the database itself, for those after the first
	sql(`ALTER DATABASE shop OWNER TO shop_admin`)
	sql(`GRANT CONNECT ON DATABASE shop TO shop, ` + strings.Join(contexts(t), ", "))
	return db
}

// broker starts NATS with the configuration of compose, and returns its URL; without a URL that is asked for there is none to start.
func broker(t *testing.T, wanted string) string {
	t.Helper()
	if wanted == "" {
		return ""
	}
	u, err := url.Parse(wanted)
	require.NoError(t, err)
	password, _ := u.User.Password()
	t.Setenv("NATS_PASSWORD", password)
	o, err := server.ProcessConfigFile("../nats.conf")
	require.NoError(t, err)
	require.True(t, o.JetStream)
	require.True(t, o.SyncAlways, "an acknowledged message outlives the machine")
	require.Equal(t, "/jetstream", o.StoreDir)
	o.Host, o.Port, o.HTTPPort, o.StoreDir, o.NoSigs = "127.0.0.1", -1, 0, t.TempDir(), true
	s, err := server.NewServer(o)
	require.NoError(t, err)
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(10*time.Second))
	u.Host = s.Addr().String()
	return u.String()
}

// fleet is the processes of a deployment.
type fleet struct {
	database func(user string) string
	broker   string
	settings map[string]map[string]string
	entry    string

	keys, private string
	ports         map[string]string // by the name of a host
}

var user = regexp.MustCompile(`^postgres://([^:]*)`)

// here are settings with the hosts of this machine.
func (f *fleet) here(t *testing.T, env map[string]string) map[string]string {
	t.Helper()
	env = maps.Clone(env)
	for name, v := range env {
		switch {
		case strings.HasPrefix(v, "postgres://"):
			who := user.FindStringSubmatch(v)[1]
			if known := append(contexts(t), "shop", "shop_admin"); !slices.Contains(known, who) { // the chart leaves it to the secret
				who = map[string]string{"admin-url": "shop_admin"}[who]
				if who == "" {
					who = "shop"
				}
			}
			env[name] = f.database(who)
		case name == "SHOP_BUS_URL":
			env[name] = f.broker
		case name == "SHOP_CACHE_URL":
			env[name] = "redis://127.0.0.1:1" // it may be missing at any time
		case name == "OTEL_EXPORTER_OTLP_ENDPOINT":
			env[name] = "http://127.0.0.1:1" // so may the collector
		case strings.HasPrefix(v, "http://"):
			u, err := url.Parse(v)
			require.NoError(t, err)
			require.Contains(t, f.ports, u.Hostname())
			env[name] = "http://" + f.ports[u.Hostname()]
		case name == "SHOP_TRUSTED_PROXIES" && v != "":
			env[name] = "127.0.0.0/8"
		case name == "SHOP_JWT_ISSUER":
			env[name] = "shop-dev"
		case name == "SHOP_JWT_KEYS":
			env[name] = f.keys
		}
	}
	return env
}

// takesAnOrder starts all processes, waits until each says that it is ready, sends an order through the entry, and stops them.
func (f *fleet) takesAnOrder(t *testing.T) {
	t.Helper()
	f.private, f.keys, f.ports = t.TempDir(), filepath.Join(t.TempDir(), "keys.pem"), map[string]string{}
	signer := map[string]string{"SHOP_DATA": f.private}
	code, said := shop(t, signer, "token", "key", "--out", f.keys)
	require.Zero(t, code, said)
	for name := range f.settings {
		f.ports[name] = freeAddress(t)
	}
	var all []*process
	for name, env := range f.settings {
		env = f.here(t, env)
		env["SHOP_ADDR"], env["SHOP_ADMIN_ADDR"] = f.ports[name], freeAddress(t)
		all = append(all, start(t, name, env))
	}
	for _, p := range all {
		p.waitReady(t)
	}
	_, operator := shop(t, signer, "token", "--role", "operator")
	_, customer := shop(t, signer, "token", "--role", "customer", "--subject", "ada")
	out, err := exec.Command("../smoke.sh", "http://"+f.ports[f.entry], strings.TrimSpace(operator), strings.TrimSpace(customer)).CombinedOutput()
	if err != nil {
		require.Failf(t, "no order", "%v: %s\n%s", err, out, logs(all))
	}
	for _, p := range all {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			require.Failf(t, "it has ended by itself", "%s: %s\n%s", p.name, err, logs(all))
		}
	}
	for _, p := range all {
		require.NoError(t, p.cmd.Wait(), "%s\n%s", p.name, p.log.String())
		require.NotContains(t, p.log.String(), "no effect", p.name)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

type process struct {
	name string
	env  map[string]string
	cmd  *exec.Cmd
	log  *bytes.Buffer // whole when the process has ended
}

func start(t *testing.T, name string, env map[string]string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel) // kills what a failed test leaves
	p := &process{name: name, env: env, cmd: exec.CommandContext(ctx, program, "serve"), log: &bytes.Buffer{}}
	p.cmd.Dir, p.cmd.Stderr = t.TempDir(), p.log
	for variable, v := range env {
		p.cmd.Env = append(p.cmd.Env, variable+"="+v)
	}
	require.NoError(t, p.cmd.Start())
	return p
}

// waitReady asks as the container's health check does.
func (p *process) waitReady(t *testing.T) {
	t.Helper()
	said := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		code, out := shop(t, p.env, "healthcheck")
		if code == 0 {
			return
		}
		said = out
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	require.Failf(t, "not ready", "%s: %s\n%s", p.name, said, p.log.String())
}

// logs ends all processes, and gives what they said.
func logs(all []*process) string {
	var b strings.Builder
	for _, p := range all {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		fmt.Fprintf(&b, "%s:\n%s\n", p.name, p.log)
	}
	return b.String()
}
