package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap/zapcore"

	"shop/internal/notifications"
	"shop/internal/platform/auth"
	"shop/internal/platform/logging"
	"shop/internal/platform/resilience"
)

// settings are what can be configured: a flag wins over the environment, which wins over the default. An empty variable counts as not set.
type settings struct {
	Addr        string `env:"SHOP_ADDR" envDefault:"127.0.0.1:8080" flag:"addr" help:"where the REST API listens; beyond this machine only with SHOP_JWT_…"`
	AdminAddr   string `env:"SHOP_ADMIN_ADDR" envDefault:"127.0.0.1:8081" flag:"admin-addr" help:"where metrics, health and pprof listen; off for nowhere"`
	Contexts    string `env:"SHOP_CONTEXTS" envDefault:"all" flag:"contexts" help:"what this process hosts: all, or a list of contexts; all,-NAME leaves one out"`
	Data        string `env:"SHOP_DATA" envDefault:"./data" flag:"data" help:"directory of the SQLite databases and of the development key"`
	DatabaseURL string `env:"SHOP_DATABASE_URL" flag:"database-url" help:"postgres://… or sqlite:DIRECTORY; SHOP_<CONTEXT>_DATABASE_URL for one context (default: SQLite in the data directory)"`
	BusURL      string `env:"SHOP_BUS_URL" envDefault:"memory:" flag:"bus-url" help:"what carries messages between contexts: memory: within this process, or a broker: nats://…, kafka://… or amqp://…"`
	LogLevel    string `env:"SHOP_LOG_LEVEL" envDefault:"info" flag:"log-level" help:"debug, info, warn or error"`
	LogLimit    string `env:"SHOP_LOG_LIMIT" envDefault:"100"`
	Service     string `env:"OTEL_SERVICE_NAME" envDefault:"shop"`
	Token       string `env:"SHOP_TOKEN"` // of the commands that are clients, and of questions that no request leads to
	SMTPURL     string `env:"SHOP_SMTP_URL"`
	MailFrom    string `env:"SHOP_MAIL_FROM"`

	TraceSpans       string `env:"SHOP_TRACE_SPANS" envDefault:"10000"`
	SDKDisabled      string `env:"OTEL_SDK_DISABLED"`
	TracesExporter   string `env:"OTEL_TRACES_EXPORTER"`
	MetricsExporter  string `env:"OTEL_METRICS_EXPORTER"`
	TracesSampler    string `env:"OTEL_TRACES_SAMPLER"`
	TracesSamplerArg string `env:"OTEL_TRACES_SAMPLER_ARG"`

	Flags          string `env:"SHOP_FLAGS"`
	CacheURL       string `env:"SHOP_CACHE_URL"`
	TrustedProxies string `env:"SHOP_TRUSTED_PROXIES"`
	RateCustomer   string `env:"SHOP_RATE_LIMIT_CUSTOMER" envDefault:"12000"`
	RateAddress    string `env:"SHOP_RATE_LIMIT_ADDRESS" envDefault:"12000"`
	RateStaff      string `env:"SHOP_RATE_LIMIT_STAFF" envDefault:"0"`
	RateFailures   string `env:"SHOP_RATE_LIMIT_FAILURES" envDefault:"60"`
	MaxConcurrent  string `env:"SHOP_MAX_CONCURRENT" envDefault:"512"`

	UpstreamTimeout     string `env:"SHOP_UPSTREAM_TIMEOUT" envDefault:"3s"`
	UpstreamConcurrency string `env:"SHOP_UPSTREAM_CONCURRENCY" envDefault:"64"`
	UpstreamRetries     string `env:"SHOP_UPSTREAM_RETRIES" envDefault:"1"`
	BreakerFailures     string `env:"SHOP_BREAKER_FAILURES" envDefault:"50"`
	BreakerMinCalls     string `env:"SHOP_BREAKER_MIN_CALLS" envDefault:"10"`
	BreakerWindow       string `env:"SHOP_BREAKER_WINDOW" envDefault:"10s"`
	BreakerHalfOpen     string `env:"SHOP_BREAKER_HALF_OPEN_AFTER" envDefault:"30s"`

	JWTIssuer      string `env:"SHOP_JWT_ISSUER"`
	JWTAudience    string `env:"SHOP_JWT_AUDIENCE"`
	JWTKeys        string `env:"SHOP_JWT_KEYS"`
	JWTKeysURL     string `env:"SHOP_JWT_JWKS_URL"`
	JWTTypes       string `env:"SHOP_JWT_TYPES" envDefault:"at+jwt,JWT"`
	JWTLeeway      string `env:"SHOP_JWT_LEEWAY" envDefault:"30s"`
	JWTRoleClaim   string `env:"SHOP_JWT_ROLE_CLAIM" envDefault:"role"`
	JWTDefaultRole string `env:"SHOP_JWT_DEFAULT_ROLE" envDefault:"customer"`
}

// config is what the settings mean.
type config struct {
	addr, adminAddr string // adminAddr is empty when there is no admin port
	hosted          []string
	databases       map[string]string // URL by the name of the database; see contextMap
	data            string            // directory
	issuer          *issuer           // whose tokens are believed; nil: those of the development key
	signer          *auth.Signer      // instead of the development key, in a shop that a command starts for itself
	token           string            // for the commands that are clients, and for questions that no request leads to
	busURL          string
	front           frontConfig
	tracing         tracingConfig
	exportMetrics   bool // to a collector
	upstream        resilience.Settings
	mail            *notifications.Mail // nil: messages to customers are only noted
	logLevel        zapcore.Level
	logLimit        int      // lines a second, see logging.Options
	secrets         []string // that no line may show
	service         string

	warnings []string // settings that have no effect
}

// configError says on one line which setting is wrong, and why.
func configError(format string, args ...any) error {
	return &exitError{exitConfiguration, fmt.Errorf(format, args...)}
}

// settingFlags gives a command the flags of the named settings; of all when none is named.
func settingFlags(cmd *cobra.Command, names ...string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[settings]()) {
		name := f.Tag.Get("flag")
		if name == "" || len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		usage := f.Tag.Get("help") + " [" + f.Tag.Get("env")
		if def := f.Tag.Get("envDefault"); def != "" {
			usage += ", default " + def
		}
		cmd.Flags().String(name, "", usage+"]")
	}
}

// configure reads the settings of a command. Errors: exitError with exitConfiguration.
func (p *program) configure(cmd *cobra.Command) (config, error) {
	given := map[string]string{}
	for _, kv := range p.environ {
		name, value, _ := strings.Cut(kv, "=")
		given[name] = value
	}
	unknown := unknownSettings(given)
	origin := map[string]string{} // how the operator named a setting
	fields := reflect.VisibleFields(reflect.TypeFor[settings]())
	for _, f := range fields {
		variable := f.Tag.Get("env")
		origin[variable] = variable
		if flag := changedFlag(cmd, f.Tag.Get("flag")); flag != nil {
			given[variable], origin[variable] = flag.Value.String(), "--"+flag.Name
		}
	}
	var s settings
	if err := env.ParseWithOptions(&s, env.Options{Environment: given}); err != nil {
		return config{}, configError("%w", err)
	}
	c, err := s.check(given, origin)
	for _, name := range unknown {
		c.warnings = append(c.warnings, name+" is not a setting of this version and has no effect")
	}
	return c, err
}

func changedFlag(cmd *cobra.Command, name string) *pflag.Flag {
	if name == "" {
		return nil
	}
	if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
		return f
	}
	return nil
}

// check turns strings into what they mean. Values of database URLs hold passwords and are never repeated.
func (s settings) check(given, origin map[string]string) (config, error) {
	c := config{addr: s.Addr, adminAddr: s.AdminAddr, busURL: s.BusURL, service: s.Service, data: s.Data, token: s.Token}
	if err := checkAddr(s.Addr); err != nil {
		return c, configError("%s: %w", origin["SHOP_ADDR"], err)
	}
	if s.AdminAddr == "off" {
		c.adminAddr = ""
	} else if err := checkAddr(s.AdminAddr); err != nil {
		return c, configError("%s: %w", origin["SHOP_ADMIN_ADDR"], err)
	}
	var err error
	if c.hosted, err = parseContexts(s.Contexts, contextNames()); err != nil {
		return c, configError("%s: %w", origin["SHOP_CONTEXTS"], err)
	}
	if c.logLevel, err = logging.ParseLevel(s.LogLevel); err != nil {
		return c, configError("%s: %w", origin["SHOP_LOG_LEVEL"], err)
	}
	if c.logLimit, err = strconv.Atoi(s.LogLimit); err != nil || c.logLimit < 0 || c.logLimit > maxLogLimit {
		return c, configError("SHOP_LOG_LIMIT: %q is no whole number from 0 to %d", s.LogLimit, maxLogLimit)
	}
	c.secrets = secretsIn(given)
	if err := checkBusURL(s.BusURL); err != nil {
		return c, configError("%s: %w", origin["SHOP_BUS_URL"], err)
	}
	if c.databases, err = s.databaseURLs(given, origin); err != nil {
		return c, err
	}
	if c.front, c.warnings, err = s.front(given, c.hosted); err != nil {
		return c, err
	}
	if c.upstream, err = s.upstream(); err != nil {
		return c, err
	}
	if c.exportMetrics, err = s.metering(given); err != nil {
		return c, err
	}
	if c.tracing, err = s.tracing(given); err != nil {
		return c, err
	}
	if c.mail, err = s.mail(); err != nil {
		return c, err
	}
	if c.issuer, err = s.issuer(given); err != nil {
		return c, err
	}
	if err := checkHosting(c.hosted, c.front.elsewhere, c.busURL); err != nil {
		return c, configError("%s: %w", origin["SHOP_CONTEXTS"], err)
	}
	return c, nil
}

// databaseURLs gives each database of the hosted contexts its URL.
func (s settings) databaseURLs(given, origin map[string]string) (map[string]string, error) {
	urls := map[string]string{}
	for _, name := range databaseNames() {
		variable := databaseVariable(name)
		source, u := variable, given[variable]
		if u == "" {
			source, u = origin["SHOP_DATABASE_URL"], s.DatabaseURL
		}
		if u == "" {
			source, u = origin["SHOP_DATA"], sqlitePrefix+s.Data
		}
		if err := checkDatabaseURL(u); err != nil {
			return nil, configError("%s: %w", source, err)
		}
		urls[name] = u
	}
	return urls, nil
}

func databaseVariable(database string) string {
	return "SHOP_" + strings.ToUpper(database) + "_DATABASE_URL"
}

const sqlitePrefix = "sqlite:"

var errDatabaseURL = errors.New("expected sqlite:DIRECTORY or postgres://USER:PASSWORD@HOST:PORT/DATABASE")

func checkDatabaseURL(s string) error {
	if dir, ok := strings.CutPrefix(s, sqlitePrefix); ok && dir != "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errDatabaseURL
	}
	return nil
}

func checkAddr(s string) error {
	_, port, err := net.SplitHostPort(s)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q is no address to listen on; expected HOST:PORT, such as 127.0.0.1:8080 or :8080", s)
	}
	return nil
}

// parseContexts reads a list such as "orders,payments" or "all,-payments". The result has the order of known, which is that of the map.
func parseContexts(list string, known []string) ([]string, error) {
	chosen := map[string]bool{}
	for i, item := range strings.Split(list, ",") {
		item = strings.TrimSpace(item)
		name, leaveOut := strings.CutPrefix(item, "-")
		switch {
		case item == "all":
			for _, name := range known {
				chosen[name] = true
			}
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("there is no context %q; there are all, %s", name, strings.Join(known, ", "))
		case leaveOut && i == 0:
			return nil, fmt.Errorf("it begins with what to leave out; say all,%s", item)
		default:
			chosen[name] = !leaveOut
		}
	}
	hosted := slices.DeleteFunc(slices.Clone(known), func(name string) bool { return !chosen[name] })
	if len(hosted) == 0 {
		return nil, errors.New("no context is left to host")
	}
	return hosted, nil
}

// injected are variables that Kubernetes sets in every pod for a Service named shop or shop-…
var injected = regexp.MustCompile(`_SERVICE_(HOST|PORT(_.*)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// unknownSettings are the SHOP_ variables that no part of the program reads, in order.
func unknownSettings(given map[string]string) []string {
	known := map[string]bool{"SHOP_FAILPOINT": true}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[settings]()) {
		known[f.Tag.Get("env")] = true
	}
	for _, name := range databaseNames() {
		known[databaseVariable(name)] = true
	}
	for _, name := range contextNames() {
		known[contextVariable(name)] = true
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if strings.HasPrefix(name, "SHOP_") && !strings.HasPrefix(name, "SHOP_TEST_") && !known[name] && !injected.MatchString(name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
