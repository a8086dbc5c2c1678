package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/auth"
	"shop/internal/platform/cache"
	"shop/internal/platform/flags"
)

const settingsPage = "docs/reference/configuration.md"

// namedSetting is the variable that a complaint about the configuration begins with.
var namedSetting = regexp.MustCompile(`^([A-Z][A-Z0-9_]+): `)

// examineSettings reads the settings. Each wrong one has a line: those behind it are found by looking again without it. The configuration is nil when any is wrong.
func (p *program) examineSettings(cmd *cobra.Command) (*config, *chart) {
	c := &chart{}
	environ := slices.Clone(p.environ)
	for wrong := 0; ; wrong++ {
		cfg, err := (&program{environ: environ}).configure(cmd)
		if err == nil && wrong > 0 {
			return nil, c
		}
		if err == nil {
			for _, w := range cfg.warnings {
				c.warn("configuration", settingsPage, "%s", w)
			}
			if len(cfg.warnings) == 0 {
				c.ok("configuration", "every setting is understood; hosts %s", strings.Join(cfg.hosted, ", "))
			}
			return &cfg, c
		}
		c.fail("configuration", exitConfiguration, "correct it: "+settingsPage, "%s", err)
		named := namedSetting.FindStringSubmatch(err.Error())
		if named == nil {
			return nil, c
		}
		before := len(environ)
		environ = slices.DeleteFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, named[1]+"=") })
		if len(environ) == before { // it is missing, or comes from elsewhere
			return nil, c
		}
	}
}

// advise tells what the settings mean that are not wrong.
func (d *doctor) advise(_ context.Context, c *chart) {
	if d.cfg.logLevel == zapcore.DebugLevel {
		c.warn("log", "unset SHOP_LOG_LEVEL when you have seen enough", "the level is debug: much is written, and it costs time")
	}
	if d.cfg.busURL == memoryBus && len(d.cfg.hosted) < len(contextMap) {
		c.warn("bus", "name a broker in SHOP_BUS_URL: docs/how-to/choose-a-broker.md",
			"this process hosts %d of %d contexts, and its bus %s reaches no other", len(d.cfg.hosted), len(contextMap), memoryBus)
	}
	if d.cfg.adminAddr != "" && !isLoopback(d.cfg.adminAddr) {
		c.warn("admin", "let only your own network reach it, or set SHOP_ADMIN_ADDR=127.0.0.1:8081", "the admin port %s asks nobody for a token and listens beyond this machine", d.cfg.adminAddr)
	}
}

// examineTokens says whose tokens are believed, and whether the keys are there.
func (d *doctor) examineTokens(ctx context.Context, c *chart) {
	const page = "docs/explanation/security.md"
	i := d.cfg.issuer
	switch {
	case i == nil && d.cfg.checkReach() != nil:
		c.fail("tokens", exitConfiguration, "set SHOP_JWT_ISSUER, SHOP_JWT_AUDIENCE and SHOP_JWT_JWKS_URL: "+page,
			"the development key signs them, and %s is beyond this machine: shop serve refuses that", d.cfg.addr)
	case i == nil:
		c.warn("tokens", "before others are let in, set SHOP_JWT_ISSUER, SHOP_JWT_AUDIENCE and SHOP_JWT_JWKS_URL: "+page,
			"the development key signs them: whoever reads %s can be anybody", d.cfg.data)
	case i.keyFile != "":
		if _, err := auth.KeyFile(i.keyFile, d.clock, zap.NewNop()); err != nil {
			c.fail("tokens", exitConfiguration, "correct SHOP_JWT_KEYS: "+settingsPage, "%s", err)
			return
		}
		c.ok("tokens", "of %s, with the keys in %s", i.name, i.keyFile)
	default:
		if n, err := askKeys(ctx, i.keysURL); err != nil {
			c.fail("tokens", exitDependency, "correct SHOP_JWT_JWKS_URL, or see why the issuer does not answer: "+page, "the keys of %s cannot be had: %s", i.name, plainly(err))
		} else {
			c.ok("tokens", "of %s, with %d keys of its own", i.name, n)
		}
	}
}

// askKeys counts the keys at a URL of an issuer.
func askKeys(ctx context.Context, at string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, err
	}
	answer, err := (&http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }() // it is only read
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	err = json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&set)
	if answer.StatusCode != http.StatusOK || err != nil || len(set.Keys) == 0 {
		return 0, fmt.Errorf("it answers %s, and no set of keys", answer.Status)
	}
	return len(set.Keys), nil
}

// examineMail says how messages to customers leave, and whether the mail server greets.
func (d *doctor) examineMail(ctx context.Context, c *chart) {
	const page = "docs/how-to/send-mail.md"
	if !slices.Contains(d.cfg.hosted, "notifications") {
		return
	}
	m := d.cfg.mail
	if m == nil {
		c.warn("mail", "set SHOP_SMTP_URL and SHOP_MAIL_FROM: "+page, "customers are not written to: their messages are only noted")
		return
	}
	at := net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil {
		c.fail("mail", exitDependency, "start the mail server, or correct SHOP_SMTP_URL: "+page, "%s does not answer: %s", at, plainly(err))
		return
	}
	_ = conn.Close() // nothing was said
	c.ok("mail", "%s takes connections", at)
}

// examineFlags reads the file of flags.
func (d *doctor) examineFlags(_ context.Context, c *chart) {
	file := d.cfg.front.flags
	if file == "" {
		return
	}
	if err := flags.Check(file, flagNames()); err != nil {
		c.fail("flags", exitConfiguration, "correct the file: docs/reference/flags.md", "%s", err)
		return
	}
	c.ok("flags", "%s is understood", file)
}

// examineCache asks Redis. A shop goes on without it.
func (d *doctor) examineCache(ctx context.Context, c *chart) {
	if d.cfg.front.cacheURL == "" {
		return
	}
	shared, err := cache.Connect(d.cfg.front.cacheURL, zap.NewNop())
	if err != nil {
		c.fail("cache", exitConfiguration, settingsPage, "SHOP_CACHE_URL: %s", err)
		return
	}
	defer func() { _ = shared.Close() }() // nothing was said
	if err := shared.Ping(ctx); err != nil {
		c.warn("cache", "start Redis, or correct SHOP_CACHE_URL: docs/how-to/limit-requests.md", "Redis does not answer, and each process limits and remembers for itself: %s", plainly(err))
		return
	}
	c.ok("cache", "Redis answers")
}

// plainly is an error without the URL that was asked, which may hold what others must not see, on one line.
func plainly(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return firstLine(strings.ReplaceAll(err.Error(), "\n", "; "), 200)
}
