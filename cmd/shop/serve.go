package main

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"shop/internal/platform/logging"
)

func (p *program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API and do the shop's work until SIGTERM",
		Long: `Serve hosts the contexts of the shop in this process: their REST API, the messages between them, and what they do by themselves.

With SQLite, the default, it makes and migrates its databases itself; a data directory belongs to one process at a time. With PostgreSQL run
'shop migrate up' first; several processes may then serve the same shop.

SIGTERM or SIGINT stops it: requests and messages under way finish first, within 15 seconds. A second signal kills it; nothing that was
answered is lost.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			began := time.Now()
			cfg, err := p.configure(cmd)
			if err == nil {
				err = cfg.checkReach()
			}
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, newLog(p.stderr, cfg.logLevel, cfg), began)
		},
	}
	settingFlags(cmd)
	return cmd
}

// gcPercent is how much garbage may lie about, in percent of what is in use: there is little in use, some 10 MiB, so that memory is cheaper here than collecting
// it more often. GOGC overrides it.
const gcPercent = 400

// serve hosts the shop until ctx ends. Errors: those of openHost and host.start; what could not be ended properly.
func serve(ctx context.Context, cfg config, log *logging.Log, began time.Time) error {
	defer log.Close()
	restore, _ := zap.RedirectStdLogAt(log.Logger, zap.WarnLevel) // what libraries say in passing; the level exists
	defer restore()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	for _, w := range cfg.warnings {
		log.Warn(w)
	}
	h, err := openHost(ctx, cfg, log.Logger)
	if err != nil {
		return err
	}
	h.logs = log
	if err := h.start(ctx); err != nil {
		return errors.Join(err, h.stop())
	}
	log.Info("serving", zap.String("url", h.api.url()), zap.String("admin_url", h.adminURL()), zap.Strings("contexts", cfg.hosted), zap.Duration("after", time.Since(began)))
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-h.failed:
		log.Error("a port failed; stopping", zap.Error(err))
	}
	began = time.Now()
	err = errors.Join(err, h.stop())
	log.Info("stopped", zap.Duration("after", time.Since(began)), zap.Error(err))
	return err
}

// checkReach refuses to show the development key's tokens to the world: everybody who can read the data directory can be anybody. Errors: exitError with
// exitConfiguration.
func (c config) checkReach() error {
	if c.issuer == nil && !isLoopback(c.addr) {
		return configError("SHOP_ADDR: %s is beyond this machine, and tokens are signed with the development key; set SHOP_JWT_ISSUER, SHOP_JWT_AUDIENCE and SHOP_JWT_JWKS_URL or SHOP_JWT_KEYS", c.addr)
	}
	return nil
}

// isLoopback reports whether only this machine can reach the address.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
