package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// The databases that a shop can run on.
const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

// build builds the program into dir, as make build does, and returns its path.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "shop")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "shop/cmd/shop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	_, err := output(cmd)
	return path, err
}

// place is where a shop's data is.
type place struct {
	binary  string
	kind    string   // sqlite or postgres
	url     string   // SHOP_DATABASE_URL
	environ []string // further settings
	dir     string   // of the SQLite files, and of the log
	name    string   // of its database on PostgreSQL
	cluster *cluster // on PostgreSQL
}

// newPlace makes an empty place for a shop; what had its name is gone. PostgreSQL is migrated, SQLite is by the program when it first serves.
func (b *bench) newPlace(ctx context.Context, kind, name string) (*place, error) {
	p := &place{binary: b.binary, kind: kind, name: name, dir: filepath.Join(b.dir, name+"-"+kind)}
	if err := errors.Join(os.RemoveAll(p.dir), os.MkdirAll(p.dir, 0o700)); err != nil {
		return nil, err
	}
	if kind == sqlite {
		p.url = "sqlite:" + p.dir
		return p, nil
	}
	p.cluster = b.cluster
	p.url = b.cluster.url(name)
	if err := b.cluster.fresh(ctx, name); err != nil {
		return nil, err
	}
	_, err := output(p.command(ctx, "migrate", "up"))
	return p, err
}

// remove deletes all data of the place.
func (p *place) remove(ctx context.Context) error {
	err := os.RemoveAll(p.dir)
	if p.cluster != nil {
		err = errors.Join(err, p.cluster.drop(ctx, p.name))
	}
	return err
}

// command is a command of the program on this place. No settings come from the environment.
func (p *place) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.binary, args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "SHOP_") && !strings.HasPrefix(kv, "OTEL_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(append(cmd.Env, "SHOP_DATABASE_URL="+p.url, "SHOP_LOG_LEVEL=warn"), p.environ...)
	cmd.Dir = p.dir
	return cmd
}

// shop is a program that serves.
type shop struct {
	*place
	*process
	admin string
}

// serve starts the program and returns when it is ready.
func (p *place) serve(ctx context.Context) (*shop, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return p.serveAt(ctx, addr)
}

// serveAt is serve at an address.
func (p *place) serveAt(ctx context.Context, addr string) (*shop, error) {
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	// The context of the process is its own: an interrupted benchmark ends it in the orderly way, which an error of stop would show.
	cmd := p.command(context.WithoutCancel(ctx), "serve", "--addr", addr, "--admin-addr", admin)
	process, err := launch(cmd, addr, "/readyz", filepath.Join(p.dir, "shop.log"))
	if err != nil {
		return nil, err
	}
	token, err := output(p.command(ctx, "token", "--role", "operator", "--ttl", "24h"))
	if err != nil {
		return nil, errors.Join(err, process.kill())
	}
	process.headers = "Authorization: Bearer " + strings.TrimSpace(string(token)) + "\r\n"
	return &shop{place: p, process: process, admin: admin}, nil
}

// open makes a new shop that serves, with products, stock and a history of orders, and settings beside those of every shop. close ends it and removes its data.
func (b *bench) open(ctx context.Context, kind, name string, history int, settings ...string) (*shop, error) {
	p, err := b.newPlace(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	p.environ = settings
	s, err := p.serve(ctx)
	if err != nil {
		return nil, errors.Join(err, p.remove(context.WithoutCancel(ctx)))
	}
	if err := s.seed(ctx); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	if err := s.history(ctx, history); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// close stops the shop and removes its data, also when ctx has ended.
func (s *shop) close(ctx context.Context) error {
	return errors.Join(s.stop(), s.remove(context.WithoutCancel(ctx)))
}

// get reads a path of the program's API. Errors: also any status but 200.
func (s *shop) get(ctx context.Context, path string) (http.Header, []byte, error) {
	_, authorization, _ := strings.Cut(strings.TrimSpace(s.headers), ": ")
	return get(ctx, s.addr, path, authorization)
}

// get reads a path of a server. Errors: also any status but 200.
func get(ctx context.Context, addr, path, authorization string) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return nil, nil, err
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: status %d: %.300s", path, resp.StatusCode, body)
	}
	return resp.Header, body, err
}

// metrics reads the program's counters.
func (s *shop) metrics(ctx context.Context) (map[string]float64, error) {
	_, body, err := get(ctx, s.admin, "/metrics", "")
	if err != nil {
		return nil, err
	}
	return parseMetrics(body)
}

// parseMetrics reads counters and gauges in Prometheus' text format and sums each over its labels.
func parseMetrics(text []byte) (map[string]float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	sums := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			switch {
			case m.GetCounter() != nil:
				sums[name] += m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				sums[name] += m.GetGauge().GetValue()
			}
		}
	}
	return sums, nil
}
