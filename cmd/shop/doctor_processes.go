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
	"strings"
	"time"
)

// readinessPatience is how long a process may take to say how it is. It leaves an examination the time to find out why it did not.
const readinessPatience = 6 * time.Second

// readiness is what /readyz?verbose says.
type readiness struct {
	Status string `json:"status"`
	Checks []struct{ Name, Status string }
	Notes  []struct{ Name, Status string }
}

// ask gets a page of a shop, at most a mebibyte, without a proxy. The time is that of the answer's Date, if it has one.
func ask(ctx context.Context, at string) (status int, body []byte, date time.Time, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, date, err
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return 0, nil, date, err
	}
	defer func() { _ = answer.Body.Close() }() // it is only read
	date, _ = http.ParseTime(answer.Header.Get("Date"))
	body, err = io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, body, date, err
}

// askReadiness asks a shop how it is. Errors: that nobody answers; errNoShop.
func askReadiness(ctx context.Context, base string) (r readiness, date time.Time, err error) {
	_, body, date, err := ask(ctx, base+"/readyz?verbose")
	if err != nil {
		return r, date, err
	}
	if err := json.Unmarshal(body, &r); err != nil || !slices.Contains([]string{"ok", "degraded", "failing", "stopping"}, r.Status) {
		return r, date, errNoShop
	}
	return r, date, nil
}

var errNoShop = fmt.Errorf("what answers is no shop")

// troubled are the checks that fail.
func (r readiness) troubled() string {
	var names []string
	for _, c := range r.Checks {
		if c.Status != "ok" {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// examineProcess looks at the shop that runs on this machine with these settings, if one does, and whether its ports could be had if none does.
func (d *doctor) examineProcess(ctx context.Context, c *chart) {
	at, setting := d.cfg.adminAddr, "SHOP_ADMIN_ADDR"
	if at == "" {
		at, setting = d.cfg.addr, "SHOP_ADDR"
	}
	if strings.HasSuffix(at, ":0") {
		c.ok("process", "its ports are any that are free, so that it cannot be asked")
		return
	}
	base := "http://" + reachable(at)
	patient, cancel := context.WithTimeout(ctx, readinessPatience)
	defer cancel()
	r, _, err := askReadiness(patient, base)
	switch {
	case err != nil && isRefused(ctx, at):
		c.ok("process", "none answers on %s", at)
		if d.cfg.adminAddr != "" {
			d.examinePort(ctx, c, d.cfg.addr, "SHOP_ADDR")
		}
		return
	case errors.Is(err, context.DeadlineExceeded):
		c.fail("process", exitFailed, "end it (kill -KILL) and start it again; if it is only stopped, kill -CONT: "+stuckPage,
			"the one on %s takes connections and does not answer: it hangs, or is stopped", at)
		return
	case err != nil:
		c.fail("ports", exitFailed, "stop what listens there, or set "+setting+" to another address", "%s is taken: %s", at, plainly(err))
		return
	}
	d.facts.mu.Lock()
	d.facts.running = true
	d.facts.mu.Unlock()
	switch r.Status {
	case "failing":
		c.fail("process", exitFailed, "see the lines of these here, and its log; "+stuckPage, "the one on %s takes no requests: %s", at, r.troubled())
	case "degraded":
		c.warn("process", "see the lines of these here, and its log", "the one on %s is degraded: %s", at, r.troubled())
	case "stopping":
		c.warn("process", "wait until it has ended", "the one on %s is stopping", at)
	default:
		c.ok("process", "the one on %s is ready, with %d checks", at, len(r.Checks))
	}
	d.judgeBreakers(c, r)
	if d.cfg.adminAddr != "" {
		d.examineVersion(ctx, c, base)
		d.examineLogLevel(ctx, c, base)
	}
}

// judgeBreakers tells of other processes that are not asked at the moment.
func (d *doctor) judgeBreakers(c *chart, r readiness) {
	var open []string
	for _, n := range r.Notes {
		if n.Status == "open" || n.Status == "half_open" {
			open = append(open, n.Name+" "+n.Status)
		}
	}
	if len(open) > 0 {
		c.warn("breakers", "see why those processes do not answer: shop contexts; docs/explanation/when-a-context-is-away.md", "others are not asked at the moment: %s", strings.Join(open, ", "))
	}
}

var builtAs = regexp.MustCompile(`(?m)^shop_build_info\{[^}]*\bversion="([^"]*)"`)

func (d *doctor) examineVersion(ctx context.Context, c *chart, base string) {
	_, body, _, err := ask(ctx, base+"/metrics")
	if err != nil {
		c.warn("version", "", "that of the process cannot be read: %s", plainly(err))
		return
	}
	switch found := builtAs.FindSubmatch(body); {
	case found == nil:
		c.warn("version", "", "the process does not tell its version")
	case string(found[1]) != version:
		c.warn("version", "restart the process with this program, or use its own", "the process is %s, and this program is %s", found[1], version)
	default:
		c.ok("version", "%s, as the process", version)
	}
}

func (d *doctor) examineLogLevel(ctx context.Context, c *chart, base string) {
	status, body, _, err := ask(ctx, base+"/log-level")
	var l struct {
		Level string     `json:"level"`
		Until *time.Time `json:"until"`
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &l) != nil || l.Level != "debug" {
		return
	}
	if l.Until != nil {
		c.ok("log", "its level is debug until %s", l.Until.Format(time.RFC3339))
		return
	}
	c.warn("log", "shop log-level info", "the level of the process is debug, and stays so: much is written, and it costs time")
}

// examinePort looks whether something else listens where the shop would.
func (d *doctor) examinePort(ctx context.Context, c *chart, at, setting string) {
	if isRefused(ctx, at) {
		c.ok("ports", "nothing listens on %s", at)
		return
	}
	c.fail("ports", exitFailed, "stop what listens there, or set "+setting+" to another address", "%s is taken", at)
}

// isRefused reports whether nobody takes connections at an address.
func isRefused(ctx context.Context, at string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", reachable(at))
	if err == nil {
		_ = conn.Close() // nothing was said
	}
	return err != nil
}

// elsewhere is where a context is that others host, as well or alone; nil: nowhere that is configured.
func (d *doctor) elsewhere(name string) *url.URL {
	if at := d.cfg.front.elsewhere[name]; at != nil {
		return at
	}
	return d.cfg.front.shared[name]
}

// examineElsewhere asks the process that is said to host a context whether it does, and what time it is there.
func (d *doctor) examineElsewhere(ctx context.Context, c *chart, name string, at *url.URL) {
	check, setting := name+".url", contextVariable(name)
	before, began := d.clock.Now(), time.Now()
	r, date, err := askReadiness(ctx, at.String())
	half := time.Since(began) / 2
	switch {
	case errors.Is(err, errNoShop):
		c.fail(check, exitConfiguration, "correct "+setting, "%s is no shop", at)
		return
	case err != nil:
		c.fail(check, exitDependency, "start the process that hosts "+name+", or correct "+setting, "%s does not answer: %s", at, plainly(err))
		return
	}
	if !date.IsZero() { // cut to seconds
		d.facts.clock(otherClock{at.Host, date.Add(500 * time.Millisecond).Sub(before.Add(half)), half + 500*time.Millisecond})
	}
	var hosts []string
	for _, one := range r.Checks {
		if context, ok := strings.CutSuffix(one.Name, ".relay"); ok {
			hosts = append(hosts, context)
		}
	}
	switch {
	case r.Status == "stopping":
		c.warn(check, "wait, or see who stops it", "%s is stopping", at)
	case !slices.Contains(hosts, name):
		c.fail(check, exitConfiguration, "correct "+setting, "%s hosts %s, and not %s", at, strings.Join(hosts, ", "), name)
	case r.Status == "failing":
		c.fail(check, exitDependency, "shop doctor, on its machine", "%s takes no requests: %s", at, r.troubled())
	case r.Status == "degraded":
		c.warn(check, "shop doctor, on its machine", "%s is degraded: %s", at, r.troubled())
	default:
		c.ok(check, "%s hosts it, and is ready", at)
	}
}
