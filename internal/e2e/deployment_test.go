package e2e

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"shop/internal/platform/sqldb/pgtest"
)

// contexts are all contexts, and the databases that each owns.
var contexts = []struct {
	name      string
	databases []string
}{
	{"catalog", []string{"catalog"}}, {"customers", []string{"customers"}}, {"inventory", []string{"inventory"}}, {"payments", []string{"payments", "testpsp"}},
	{"shipping", []string{"shipping"}}, {"orders", []string{"orders"}}, {"notifications", []string{"notifications"}},
}

// topology says which contexts have a process of their own. The rest, if there is one, is together in another.
type topology struct {
	name  string
	alone []string
}

// out is the topology with these contexts alone.
func out(alone ...string) topology {
	name := strings.Join(alone, " and ") + " out"
	switch len(alone) {
	case 0:
		name = "all in one"
	case len(contexts):
		name = "all out"
	}
	return topology{name, alone}
}

func allOut() topology {
	var all []string
	for _, c := range contexts {
		all = append(all, c.name)
	}
	return out(all...)
}

// groups are the contexts of each process.
func (tp topology) groups() [][]string {
	var groups [][]string
	var rest []string
	for _, c := range contexts {
		if slices.Contains(tp.alone, c.name) {
			groups = append(groups, []string{c.name})
		} else {
			rest = append(rest, c.name)
		}
	}
	if len(rest) > 0 {
		groups = append(groups, rest)
	}
	return groups
}

// process is one process of a deployment.
type process struct {
	hosts []string
	shop  *shop
	*running
}

// start starts the process, or starts it again at the same address.
func (p *process) start() { p.running = p.shop.serve() }

// deployment is a shop of several processes, each with databases of its own.
type deployment struct {
	t         testing.TB
	whole     *shop // for commands that look at all databases
	processes []*process
	front     *process // where clients come in
	bus       string   // as SHOP_BUS_URL says it
}

// deploy starts a shop of that topology. url makes the place for one process's databases.
func deploy(t testing.TB, tp topology, bus string, url func() string, environ ...string) *deployment {
	t.Helper()
	d := &deployment{t: t, bus: bus}
	groups := tp.groups()
	places := append([]string{}, environ...)
	at := map[string]string{} // URL of the process that hosts a context
	var addrs []string
	for _, hosts := range groups {
		place := url()
		addr := freeAddr(t)
		addrs = append(addrs, addr)
		for _, c := range contexts {
			if !slices.Contains(hosts, c.name) {
				continue
			}
			at[c.name] = "http://" + addr
			for _, database := range c.databases {
				places = append(places, "SHOP_"+strings.ToUpper(database)+"_DATABASE_URL="+place)
			}
		}
	}
	d.whole = newShop(t, "sqlite:"+t.TempDir(), places...)
	for i, hosts := range groups {
		s := *d.whole
		s.environ = append(slices.Clone(s.environ), "SHOP_DATA="+filepath.Join(d.whole.dir, "data"), "SHOP_ADDR="+addrs[i], "SHOP_BUS_URL="+bus,
			"SHOP_CONTEXTS="+strings.Join(hosts, ","), "OTEL_SERVICE_NAME=shop-"+strconv.Itoa(i))
		for _, c := range contexts {
			if !slices.Contains(hosts, c.name) {
				s.environ = append(s.environ, "SHOP_"+strings.ToUpper(c.name)+"_URL="+at[c.name])
			}
		}
		p := &process{hosts: hosts, shop: &s}
		d.processes = append(d.processes, p)
		if d.front == nil || slices.Contains(hosts, "orders") || len(hosts) > 1 {
			d.front = p
		}
	}
	for _, p := range d.processes {
		p.running = p.shop.start()
	}
	for _, p := range d.processes {
		p.isReady()
	}
	return d
}

// process is that which hosts the context.
func (d *deployment) process(context string) *process {
	i := slices.IndexFunc(d.processes, func(p *process) bool { return slices.Contains(p.hosts, context) })
	return d.processes[i]
}

// settled waits until everything that must be true is true: what is on its way between databases looks wrong.
func (d *deployment) settled() {
	d.t.Helper()
	var last outcome
	defer func() {
		if d.t.Failed() {
			d.t.Log(last.stdout, last.stderr)
		}
	}()
	eventually(d.t, "the audit finds nothing", func() bool {
		last = d.whole.run("audit")
		return last.code == 0
	})
}

// clients order at the front.
func (d *deployment) clients() *crashing {
	return &crashing{t: d.t, binary: d.whole.binary, env: d.whole.environ, addr: strings.TrimPrefix(d.front.URL, "http://"), token: d.front.token}
}

// places makes places for databases of one kind.
func places(t testing.TB, kind string) func() string {
	if kind == "postgres" {
		return func() string { return pgtest.NewDatabase(t) }
	}
	return func() string { return "sqlite:" + t.TempDir() }
}
