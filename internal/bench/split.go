package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// cuts are the topologies that are compared: each group of contexts is a process, and the last one is where clients come in.
var cuts = []struct {
	name   string
	groups []string // as SHOP_CONTEXTS says it
}{
	{"one process", []string{"all"}},
	{"payments out", []string{"payments", "all,-payments"}},
	{"all out", []string{"catalog", "customers", "inventory", "payments", "shipping", "notifications", "orders"}},
}

// splitContexts are all contexts, each with the databases that it owns.
var splitContexts = map[string][]string{
	"catalog": {"catalog"}, "customers": {"customers"}, "inventory": {"inventory"}, "payments": {"payments", "testpsp"}, "shipping": {"shipping"},
	"notifications": {"notifications"}, "orders": {"orders"},
}

// split measures what it costs to cut the shop: the same flow in one process, with payments out, and with every context in a process of its own, over NATS. They take turns.
func (b *bench) split(ctx context.Context, rep int, kind string) error {
	for i := range cuts {
		if err := b.splitCut(ctx, rep, kind, (i+rep)%len(cuts)); err != nil { // nobody is always first
			return err
		}
	}
	return nil
}

func (b *bench) splitCut(ctx context.Context, rep int, kind string, cut int) (err error) {
	s, others, err := b.openCut(ctx, kind, cuts[cut].groups)
	defer func() { err = errors.Join(err, closeCut(ctx, s, others)) }()
	if err != nil {
		return err
	}
	t := target{process: s.process, cluster: s.cluster}
	for _, clients := range []int{1, 32} {
		l := load{clients: clients, work: placeOrders(2)}
		if err := b.measure(ctx, t, l, record{Part: "split", Subject: "shop-" + kind, Route: cuts[cut].name, Rep: rep, Clients: clients, Lines: 2}, others...); err != nil {
			return err
		}
	}
	return nil
}

// openCut starts a shop of several processes and their broker. What was started is returned with an error too.
func (b *bench) openCut(ctx context.Context, kind string, groups []string) (front *shop, others []*process, err error) {
	p, err := b.newPlace(ctx, kind, "split")
	if err != nil {
		return nil, nil, err
	}
	front = &shop{place: p}
	p.environ = []string{"SHOP_DATA=" + p.dir}
	if kind == sqlite {
		for context, databases := range splitContexts {
			for _, name := range databases {
				p.environ = append(p.environ, "SHOP_"+strings.ToUpper(name)+"_DATABASE_URL=sqlite:"+filepath.Join(p.dir, context))
			}
		}
	}
	if len(groups) > 1 {
		nats, url, err := startNATS(ctx, p.dir)
		if err != nil {
			return front, nil, err
		}
		others = append(others, nats)
		p.environ = append(p.environ, "SHOP_BUS_URL="+url)
	}
	if kind == sqlite && len(groups) == 1 { // what belongs to one process lies in one place
		p.environ = p.environ[:1]
	}
	addrs := make([]string, len(groups))
	for i := range addrs {
		if addrs[i], err = freeAddr(); err != nil {
			return front, others, err
		}
	}
	for i, group := range groups {
		q := *p
		q.environ = append(slices.Clone(p.environ), "SHOP_CONTEXTS="+group)
		for context := range splitContexts {
			if at := hostOf(context, groups); at != i {
				q.environ = append(q.environ, "SHOP_"+strings.ToUpper(context)+"_URL=http://"+addrs[at])
			}
		}
		s, err := q.serveAt(ctx, addrs[i])
		if err != nil {
			return front, others, err
		}
		if i < len(groups)-1 {
			others = append(others, s.process)
			continue
		}
		s.place, front = p, s
	}
	return front, others, front.seed(ctx)
}

// hostOf is the group that hosts the context.
func hostOf(context string, groups []string) int {
	return slices.IndexFunc(groups, func(group string) bool {
		return group == context || strings.HasPrefix(group, "all") && !strings.Contains(group, "-"+context)
	})
}

func closeCut(ctx context.Context, front *shop, others []*process) error {
	if front == nil {
		return nil
	}
	var err error
	if front.process != nil {
		err = front.stop()
	}
	for _, p := range slices.Backward(others) { // the broker last
		err = errors.Join(err, p.stop())
	}
	return errors.Join(err, front.remove(context.WithoutCancel(ctx)))
}

// startNATS builds and starts the broker, with its defaults: it forces its store to the disk every two minutes.
func startNATS(ctx context.Context, dir string) (*process, string, error) {
	binary := filepath.Join(dir, "nats-server")
	if _, err := output(exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/nats-io/nats-server/v2")); err != nil {
		return nil, "", err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	monitor, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	_, port, _ := strings.Cut(addr, ":")
	_, monitorPort, _ := strings.Cut(monitor, ":")
	cmd := exec.CommandContext(context.WithoutCancel(ctx), binary, "-js", "-sd", filepath.Join(dir, "jetstream"), "-a", "127.0.0.1", "-p", port, "-m", monitorPort)
	p, err := launch(cmd, monitor, "/healthz", filepath.Join(dir, "nats.log"))
	return p, "nats://" + addr, err
}
