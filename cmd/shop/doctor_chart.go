package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// The verdicts of the doctor.
const (
	passed = "ok"
	warned = "warn" // it works, and somebody should know
	failed = "fail"
)

// diagnosis is one line of the doctor's.
type diagnosis struct {
	Check  string `json:"check"` // such as configuration, or orders.migrations
	Status string `json:"status"`
	Detail string `json:"detail"`
	Todo   string `json:"todo,omitempty"` // a command, or a page of the documentation

	exit int // of a failure
}

// chart collects the lines of one examination.
type chart struct {
	mu    sync.Mutex
	lines []diagnosis
	taken bool
}

func (c *chart) ok(check, detail string, args ...any) {
	c.add(diagnosis{Check: check, Status: passed, Detail: fmt.Sprintf(detail, args...)})
}

func (c *chart) warn(check, todo, detail string, args ...any) {
	c.add(diagnosis{Check: check, Status: warned, Detail: fmt.Sprintf(detail, args...), Todo: todo})
}

// fail adds a failure; exit is what the program ends with because of it.
func (c *chart) fail(check string, exit int, todo, detail string, args ...any) {
	c.add(diagnosis{Check: check, Status: failed, Detail: fmt.Sprintf(detail, args...), Todo: todo, exit: exit})
}

func (c *chart) add(d diagnosis) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.taken { // else it comes too late
		c.lines = append(c.lines, d)
	}
}

// take gives the lines away; what comes later is lost.
func (c *chart) take() []diagnosis {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = true
	return c.lines
}

// facts are what several examinations saw, for the conclusions.
type facts struct {
	mu      sync.Mutex
	clocks  []otherClock
	servers []clusterUse
	running bool     // a shop answers on this machine
	unled   []string // contexts of the settings that no process leads
}

// otherClock is how far the clock of something else is ahead of this machine's.
type otherClock struct {
	of      string
	ahead   time.Duration
	inexact time.Duration // it may be so much more, or less
}

// clusterUse is what this process may take of a PostgreSQL cluster for one of its databases.
type clusterUse struct {
	system       string
	host         string
	wants        int
	max, clients int
}

func (f *facts) clock(c otherClock) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clocks = append(f.clocks, c)
}

// lacks notes a context that no process leads.
func (f *facts) lacks(context string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unled = append(f.unled, context)
}

func (f *facts) server(u clusterUse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers = append(f.servers, u)
}

// How far apart clocks may be. Deadlines, leases and the times of events compare clocks of several machines, tokens are refused when they seem to come from the future.
const (
	clockTolerance = time.Second
	clockBroken    = 30 * time.Second
)

// conclude says what is seen only in all examinations together.
func (d *doctor) conclude(c *chart) {
	d.facts.mu.Lock()
	defer d.facts.mu.Unlock()
	if d.facts.running && len(d.facts.unled) > 0 {
		c.warn("relay", "look again in ten seconds; if it stays so, see that their databases can be written to: "+stuckPage,
			"a process runs, and none leads %s: nobody sends their messages, or does what is due", strings.Join(slices.Sorted(slices.Values(d.facts.unled)), ", "))
	}
	d.concludeClocks(c)
	d.concludeConnections(c)
}

func (d *doctor) concludeClocks(c *chart) {
	const synchronize = "synchronize the clocks of both machines: timedatectl set-ntp true, or chronyc makestep"
	if len(d.facts.clocks) == 0 {
		c.ok("clock", "nothing here has a clock of its own to compare with")
		return
	}
	widest := time.Duration(0)
	apart := 0
	for _, o := range d.facts.clocks {
		off := max(o.ahead.Abs()-o.inexact, 0)
		widest = max(widest, off)
		way := "ahead of"
		if o.ahead < 0 {
			way = "behind"
		}
		switch {
		case off > clockBroken:
			apart++
			c.fail("clock", exitFailed, synchronize, "that of %s is %s %s this machine's", o.of, o.ahead.Abs().Round(time.Millisecond), way)
		case off > clockTolerance:
			apart++
			c.warn("clock", synchronize, "that of %s is %s %s this machine's; more than %s makes deadlines early or late", o.of, o.ahead.Abs().Round(time.Millisecond), way, clockTolerance)
		}
	}
	if apart == 0 {
		c.ok("clock", "this machine's agrees with %d others to %s; the tolerance is %s", len(d.facts.clocks), widest.Round(time.Millisecond), clockTolerance)
	}
}

func (d *doctor) concludeConnections(c *chart) {
	seen := map[string]bool{}
	for _, first := range d.facts.servers {
		if seen[first.system] {
			continue
		}
		seen[first.system] = true
		wants, clients := 0, first.clients
		for _, u := range d.facts.servers {
			if u.system == first.system {
				wants, clients = wants+u.wants, max(clients, u.clients)
			}
		}
		const raise = "raise max_connections, or host fewer contexts in a process (SHOP_CONTEXTS): docs/how-to/run-on-postgresql.md"
		switch {
		case wants > first.max:
			c.fail("connections", exitConfiguration, raise, "a process of these settings may need %d of PostgreSQL on %s, which allows %d", wants, first.host, first.max)
		case !d.facts.running && wants+clients > first.max:
			c.warn("connections", raise, "a process of these settings may need %d of PostgreSQL on %s, which allows %d, of which %d are taken", wants, first.host, first.max, clients)
		default:
			c.ok("connections", "a process of these settings may need %d of PostgreSQL on %s, which allows %d; %d are taken", wants, first.host, first.max, clients)
		}
	}
}
