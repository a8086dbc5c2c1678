package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"shop/cmd/shop/internal/onlineretail"
	"shop/cmd/shop/internal/rest"
	"shop/internal/platform/money"
)

func (p *program) importCommand() *cobra.Command {
	return group(&cobra.Command{Use: "import", Short: "Import orders from elsewhere"}, p.importOnlineRetailCommand())
}

// importOptions are the flags of an import.
type importOptions struct {
	file, url, report string
	limit, workers    int
}

func (p *program) importOnlineRetailCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "online-retail FILE",
		Short: "Import the invoices of the data set Online Retail",
		Long: `Import reads a file of the data set Online Retail (CSV, plain or compressed with gzip) and makes its products, the stock they need, and an order of each
invoice, through the REST API of a running shop (--url, with an operator's token in SHOP_TOKEN), or of one that it starts for the purpose on the configured databases.

A stock code is sold at several prices in the file, and a product of the shop has one. So each price of a code is a product: the most frequent one has the bare
code, the others have the price in pence behind it, such as 22139-425.

Lines that cannot be ordered (cancellations, postage, prices of zero, …) are written to a report with the reason for each; every line of the file is either ordered
or reported. Importing the same file again changes nothing, for as long as the shop remembers idempotency keys: seven days.

It exits with 1 if the sum of the orders is not, to the penny, the sum of the file's usable lines.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			return p.importOnlineRetail(cmd.Context(), cfg, o)
		},
	}
	cmd.Flags().StringVar(&o.url, "url", "", "address of a running shop, such as http://127.0.0.1:8080")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "place only this many orders, from the first")
	cmd.Flags().IntVar(&o.workers, "workers", 32, "orders under way at the same time")
	cmd.Flags().StringVar(&o.report, "report", "", "where the report of lines that were not ordered goes (default FILE.rejected.csv in the working directory)")
	settingFlags(cmd, "data", "database-url", "bus-url", "log-level")
	p.outputFlag(cmd)
	return cmd
}

func (o *importOptions) check() error {
	u, err := url.Parse(o.url)
	switch {
	case o.url != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == ""):
		return &exitError{exitUsage, fmt.Errorf("--url: %q is no address of a shop; expected such as http://127.0.0.1:8080", o.url)}
	case o.limit < 0:
		return &exitError{exitUsage, errors.New("--limit: expected 0 or more")}
	case o.workers < 1 || o.workers > 1000:
		return &exitError{exitUsage, errors.New("--workers: expected 1 to 1000")}
	}
	if o.report == "" {
		name := filepath.Base(o.file)
		o.report = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".csv") + ".rejected.csv"
	}
	return nil
}

func (p *program) importOnlineRetail(ctx context.Context, cfg config, o importOptions) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	if o.url != "" && cfg.token == "" {
		return configError("SHOP_TOKEN: is missing; an import through --url needs an operator's token, such as of shop token --role operator")
	}
	plan, err := onlineretail.Read(o.file)
	if err != nil {
		return err
	}
	settle := func(context.Context) error { return nil } // a shop that runs goes on
	if o.url == "" {
		if cfg.token, err = cfg.inProcess(importTTL); err != nil {
			return err
		}
		var h *host
		if h, err = p.hostForImport(ctx, cfg); err != nil {
			return err
		}
		defer func() { add(&err, h.stop()) }()
		o.url, settle = h.api.url(), h.settle
	}
	shop := rest.New(o.url, o.workers)
	shop.Token = cfg.token
	defer shop.Close()
	result, err := plan.Run(ctx, shop, onlineretail.Options{Limit: o.limit, Workers: o.workers, Progress: newProgress(p.stderr)})
	if err != nil {
		return err
	}
	if err := settle(ctx); err != nil {
		return err
	}
	if err := writeFile(o.report, func(w io.Writer) error { return onlineretail.WriteReport(w, result.Report) }); err != nil {
		return err
	}
	if err := p.print(result, func(t *text) { printImport(t, plan, result, o.report) }); err != nil {
		return err
	}
	if !result.Balanced() || !result.Lines.Complete() {
		return errReported
	}
	return nil
}

// importTTL is longer than any import takes.
const importTTL = 7 * 24 * time.Hour

// hostForImport starts a shop on a port of its own. It says nothing that is not a problem.
func (p *program) hostForImport(ctx context.Context, cfg config) (*host, error) {
	cfg.addr, cfg.adminAddr, cfg.hosted = "127.0.0.1:0", "", contextNames()
	cfg.front.elsewhere, cfg.front.shared, cfg.front.flags = nil, nil, "" // nobody else believes its tokens
	h, err := openHost(ctx, cfg, newLog(p.stderr, max(cfg.logLevel, zapcore.WarnLevel), cfg).Logger)
	if err != nil {
		return nil, err
	}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(err, h.stop())
	}
	return h, nil
}

func writeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { add(&err, f.Close()) }()
	return write(f)
}

func printImport(t *text, plan *onlineretail.Plan, r *onlineretail.Result, report string) {
	t.linef("lines      %d = %d ordered + %d reported%s", r.Lines.In, r.Lines.Ordered, r.Lines.Reported, beyond(r.Lines.BeyondLimit))
	for _, why := range slices.SortedFunc(maps.Keys(r.Rejected), func(a, b onlineretail.Reason) int { return r.Rejected[b] - r.Rejected[a] }) {
		t.linef("           %7d  %s", r.Rejected[why], why)
	}
	t.linef("report     %s", report)
	t.linef("products   %d: %d created, %d updated, %d as they were", len(plan.Products), r.Products.Created, r.Products.Updated, r.Products.Unchanged)
	again := ""
	if r.Stock.Repeated {
		again = ", by an earlier import"
	}
	t.linef("stock      %d units of %d SKUs received%s", r.Stock.Units, r.Stock.SKUs, again)
	t.linef("orders     %d placed, %d of them by an earlier import; %d refused", r.Orders.Placed, r.Orders.Repeated, r.Orders.Refused)
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		t.linef("           %7d  %s", r.Statuses[status], status)
	}
	if r.Balanced() {
		t.linef("value      %s ordered, as in the file", r.Ordered)
	} else {
		diff := money.Money{Amount: r.Ordered.Amount - r.File.Amount, Currency: onlineretail.Currency}
		t.linef("value      %s ordered, but %s in the file: a difference of %s", r.Ordered, r.File, diff)
	}
	t.linef("rate       %.0f orders/s, %.1f s", r.Rate(), r.Seconds)
}

func beyond(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" + %d beyond the limit", n)
}
