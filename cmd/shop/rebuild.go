package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"shop/internal/orders"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
)

func (p *program) rebuildCommand() *cobra.Command {
	ofOrders := &cobra.Command{
		Use:   "orders",
		Short: "Make the summaries of all orders anew from their events",
		Long: `Orders reads the events of every order and writes what the order looks like now into a table beside the live one, which then takes its place. It is for
summaries that are wrong (shop audit, I11), or that a new version derives in another way.

The shop may go on meanwhile: what happens to orders is in the new table too. Only while the tables change places do writes of orders wait.
When the command is ended before, nothing has changed; run it again. Run one at a time.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			return p.rebuildOrders(cmd.Context(), cfg)
		},
	}
	settingFlags(ofOrders, "data", "database-url")
	p.outputFlag(ofOrders)
	return group(&cobra.Command{Use: "rebuild", Short: "Make what is derived from events anew"}, ofOrders)
}

// rebuilt is what is told of a rebuild.
type rebuilt struct {
	orders.Rebuilt
	Seconds float64 `json:"seconds"`
}

func (p *program) rebuildOrders(ctx context.Context, cfg config) (err error) {
	began := time.Now()
	cfg.hosted = []string{"orders"} // wherever the others are: none is asked
	d, err := openMigrated(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { add(&err, d.close()) }()
	log := newLog(p.stderr, max(cfg.logLevel, zapcore.WarnLevel), cfg)
	defer log.Close()
	transport := bus.NewMemory()
	defer func() { add(&err, transport.Close()) }()
	module := orders.New(orders.Needs{DB: d[0].DB, Bus: transport, Log: log.Logger, Clock: clock.System})
	done, err := module.Rebuild(ctx, newProgress(p.stderr))
	if err != nil {
		return err
	}
	r := rebuilt{done, time.Since(began).Seconds()}
	return p.print(r, func(t *text) {
		t.linef("The summaries of %d orders were made anew, %d of them twice, since they changed meanwhile (%.1f s).", r.Orders, r.CaughtUp, r.Seconds)
	})
}
