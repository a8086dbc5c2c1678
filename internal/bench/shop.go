package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
	dir     string   // of the SQLite files, and of the log
	name    string   // of the database on PostgreSQL
	cluster *cluster // on PostgreSQL
}

// newPlace makes an empty, migrated place; what had its name is gone.
func (b *bench) newPlace(ctx context.Context, kind, name string) (*place, error) {
	p := &place{binary: b.binary, kind: kind, name: name, dir: filepath.Join(b.dir, name+"-"+kind)}
	if err := errors.Join(os.RemoveAll(p.dir), os.MkdirAll(p.dir, 0o700)); err != nil {
		return nil, err
	}
	p.url = "sqlite:" + p.dir
	if kind == sqlite {
		return p, nil // serve migrates it
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
	cmd.Env = append(cmd.Env, "SHOP_DATABASE_URL="+p.url, "SHOP_LOG_LEVEL=warn")
	cmd.Dir = p.dir
	dieWithUs(cmd)
	return cmd
}

// shop is a program that serves.
type shop struct {
	*place
	cmd         *exec.Cmd
	addr, admin string
	log         string
	startup     time.Duration // from starting the process to the first 200 of /readyz
	ended       chan error
}

// serve starts the program and returns when it is ready.
func (p *place) serve(ctx context.Context) (*shop, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &shop{place: p, addr: addr, admin: admin, log: filepath.Join(p.dir, "shop.log"), ended: make(chan error, 1)}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	s.cmd = p.command(ctx, "serve", "--addr", addr, "--admin-addr", admin)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	if err := s.awaitReady(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.startup = time.Since(began)
	return s, nil
}

// readyLimit is how long a program may take until it serves.
const readyLimit = 60 * time.Second

func (s *shop) awaitReady() error {
	for deadline := time.Now().Add(readyLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("the shop ended: %w\n%s", err, s.logTail())
		default:
		}
		if answers200(s.addr, "/readyz") {
			return nil
		}
	}
	return fmt.Errorf("the shop is not ready after %v\n%s", readyLimit, s.logTail())
}

// answers200 asks once, on a connection of its own.
func answers200(addr, path string) bool {
	c, err := dial(addr, time.Now().Add(5*time.Second))
	if err != nil {
		return false
	}
	defer c.close()
	status, _, err := c.do(http.MethodGet, path, "", nil)
	return err == nil && status == http.StatusOK
}

// pid is that of the program.
func (s *shop) pid() int { return s.cmd.Process.Pid }

// stop asks the program to end and waits for it.
func (s *shop) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-s.ended:
		if err != nil {
			err = fmt.Errorf("the shop ended badly: %w\n%s", err, s.logTail())
		}
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the shop does not stop"), s.cmd.Process.Kill())
	}
}

// warnings is how many lines the program has logged; at its level each is something unusual.
func (s *shop) warnings() int {
	b, _ := os.ReadFile(s.log)
	return bytes.Count(b, []byte("\n"))
}

func (s *shop) logTail() string {
	b, _ := os.ReadFile(s.log)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// metrics reads the program's counters.
func (s *shop) metrics(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return parseMetrics(resp.Body)
}

// parseMetrics reads counters and gauges in Prometheus' text format and sums each over its labels.
func parseMetrics(r io.Reader) (map[string]float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r)
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

// freeAddr finds a loopback port below 32768, where Linux begins to hand out the ports of outgoing connections: a client's
// could take it.
func freeAddr() (string, error) {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(32768-20000))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("no free port between 20000 and 32767")
}
