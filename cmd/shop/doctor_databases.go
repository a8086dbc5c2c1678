package main

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"shop/internal/platform/audit"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/migrations"
)

const (
	oldestPostgres   = 15
	postgresPage     = "docs/how-to/run-on-postgresql.md"
	stuckPage        = "docs/how-to/find-out-why-an-order-is-stuck.md"
	waitsLong        = 10 * time.Second // a message in an outbox: a relay that works needs milliseconds
	unknownTooLong   = 15 * time.Minute // a payment: after which one that was never charged is closed
	connectionsEnded = 3 * time.Second  // how long closing may take
)

// patient is a database with the context that it belongs to; nil in one that is beside a context's.
type patient struct {
	*database
	module *hosted
}

// openExisting opens the databases of the hosted contexts, and builds the contexts without starting them, so that they can be asked. SQLite files that are not there are left out: opening
// would make them.
func (d *doctor) openExisting() (all []patient, closeAll func()) {
	var opened databases
	var complete []string
	for _, spec := range hostedSpecs(d.cfg.hosted) {
		whole := true
		for i, name := range spec.databaseNames() {
			if file := sqliteFile(d.cfg, name); file != "" && !exists(file) {
				whole = false
				continue
			}
			db, err := sqldb.Open(sqldb.Config{Context: name, URL: d.cfg.databases[name], Statement: examinationPatience})
			if err != nil { // a URL that only the driver refuses; the examination says so
				whole = false
				all = append(all, patient{database: &database{name: name}})
				continue
			}
			one := &database{DB: db, name: name, own: i == 0, sets: []string{name}}
			if one.own {
				one.sets = []string{"platform", name}
			}
			opened = append(opened, one)
			all = append(all, patient{database: one})
		}
		if whole {
			complete = append(complete, spec.name)
		}
	}
	h := &host{cfg: d.cfg, log: zap.NewNop(), clock: d.clock, bus: bus.NewMemory(), databases: opened}
	h.cfg.hosted = complete
	h.build()
	for i := range all {
		if at := slices.IndexFunc(h.modules, func(m hosted) bool { return m.name == all[i].name }); at >= 0 {
			all[i].module = &h.modules[at]
		}
	}
	return all, func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			if h.guards != nil {
				h.guards.Close()
			}
			_ = h.bus.Close()  // nothing was sent
			_ = opened.close() // nothing was written
		}()
		select {
		case <-closed:
		case <-time.After(connectionsEnded):
		}
	}
}

// sqliteFile is the file of a database; empty on PostgreSQL.
func sqliteFile(cfg config, name string) string {
	if dir, sqlite := strings.CutPrefix(cfg.databases[name], sqlitePrefix); sqlite {
		return filepath.Join(dir, name+".db")
	}
	return ""
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// origin is the setting that says where a database is.
func (d *doctor) origin(name string) string {
	switch {
	case d.given[databaseVariable(name)] != "":
		return databaseVariable(name)
	case sqliteFile(d.cfg, name) == "" || d.given["SHOP_DATABASE_URL"] != "":
		return "SHOP_DATABASE_URL"
	}
	return "SHOP_DATA"
}

// examineDatabase looks at a database, and, when it answers and has its tables, at what waits in it.
func (d *doctor) examineDatabase(ctx context.Context, c *chart, p patient) {
	if p.DB == nil {
		c.fail(p.name+".database", exitConfiguration, "correct "+d.origin(p.name)+": "+settingsPage, "the URL cannot be used")
		return
	}
	s, err := p.Inspect(ctx, d.clock.Now)
	if err != nil {
		d.unreachable(c, p, err)
		return
	}
	d.judge(c, p, s)
	if !d.examineMigrations(ctx, c, p) || !p.own {
		return
	}
	if err := d.examineMessages(ctx, c, p); err != nil {
		c.fail(p.name+".messages", exitDependency, "", "they cannot be read: %s", plainly(err))
		return
	}
	d.examineSymptoms(ctx, c, p)
}

func (d *doctor) unreachable(c *chart, p patient, err error) {
	check := p.name + ".database"
	switch {
	case !errors.Is(err, sqldb.ErrUnavailable) && p.Dialect() == sqldb.Postgres:
		c.fail(check, exitConfiguration, "shop migrate up, as a user who may create schemas and roles: "+postgresPage, "it is not prepared for shop: %s", plainly(err))
	case p.Dialect() == sqldb.Postgres:
		c.fail(check, exitDependency, "start PostgreSQL, or correct "+d.origin(p.name)+": "+postgresPage, "%s does not answer: %s", d.hostOfDatabase(p.name), plainly(err))
	default:
		c.fail(check, exitDependency, "see that the disk and the file system are well; restore the file from a backup if it is damaged",
			"%s cannot be read: %s", sqliteFile(d.cfg, p.name), plainly(err))
	}
}

func (d *doctor) hostOfDatabase(name string) string {
	u, err := url.Parse(d.cfg.databases[name])
	if err != nil || u.Host == "" {
		return "PostgreSQL"
	}
	return "PostgreSQL on " + u.Host
}

// judge says what is wrong with a database that answers: what was acknowledged must be on disk.
func (d *doctor) judge(c *chart, p patient, s sqldb.State) {
	check := p.name + ".database"
	if p.Dialect() == sqldb.SQLite {
		switch {
		case s.Journal != "wal":
			c.fail(check, exitFailed, "put "+d.origin(p.name)+" on a file system of this machine that can share memory: not NFS or SMB", "SQLite cannot keep a write-ahead log there: journal_mode is %s", s.Journal)
		case s.Synchronous < 2:
			c.fail(check, exitFailed, "", "SQLite does not wait for the disk: synchronous is %d, not 2 (FULL)", s.Synchronous)
		default:
			c.ok(check, "SQLite %s, journal_mode=WAL, synchronous=FULL", s.Version)
		}
		return
	}
	d.facts.clock(otherClock{d.hostOfDatabase(p.name), s.Offset, s.Trip / 2})
	d.facts.server(clusterUse{s.System, strings.TrimPrefix(d.hostOfDatabase(p.name), "PostgreSQL on "), p.Connections(), s.MaxConnections, s.Connections})
	const lost = "%s is off: what the shop has answered can be lost with the server's power"
	switch {
	case s.Major < oldestPostgres:
		c.fail(check, exitConfiguration, "upgrade: "+postgresPage, "PostgreSQL %s is older than %d, which is needed", s.Version, oldestPostgres)
	case s.Recovering:
		c.fail(check, exitConfiguration, "name the primary in "+d.origin(p.name), "%s is a standby and takes no writes", d.hostOfDatabase(p.name))
	case !s.Fsync:
		c.fail(check, exitFailed, "ALTER SYSTEM SET fsync = on, then pg_ctl reload", lost, "fsync")
	case !s.FullPages:
		c.fail(check, exitFailed, "ALTER SYSTEM SET full_page_writes = on, then pg_ctl reload", lost, "full_page_writes")
	case s.SyncCommit == "off":
		c.fail(check, exitFailed, "see where it was turned off: ALTER SYSTEM, ALTER DATABASE or ALTER ROLE … RESET synchronous_commit", lost, "synchronous_commit")
	default:
		c.ok(check, "PostgreSQL %s, %s away, fsync on, synchronous_commit %s", s.Version, s.Trip.Round(10*time.Microsecond), s.SyncCommit)
	}
}

// examineMigrations reports whether the tables are those of this version.
func (d *doctor) examineMigrations(ctx context.Context, c *chart, p patient) bool {
	check := p.name + ".migrations"
	pending, err := p.pending(ctx)
	var newer []string
	if err == nil {
		newer, err = p.Newer(ctx, migrations.Files, p.sets...)
	}
	switch {
	case err != nil:
		c.fail(check, exitDependency, "", "they cannot be read: %s", plainly(err))
		return false
	case len(pending) > 0:
		c.fail(check, exitConfiguration, "shop migrate up", "%d are missing, from %s/%s on", len(pending), pending[0].Set, pending[0].Name)
		return false
	case len(newer) > 0:
		c.warn(check, "run the newer version here too", "a newer version of shop has added %s; this one works on with it", strings.Join(newer, ", "))
	default:
		c.ok(check, "all are applied")
	}
	if p.Dialect() == sqldb.SQLite {
		return true
	}
	switch open, err := p.Intrusions(ctx, databaseNames()); {
	case err != nil:
		c.fail(p.name+".role", exitDependency, "", "it cannot be read: %s", plainly(err))
	case len(open) > 0:
		c.fail(p.name+".role", exitFailed, "REVOKE ALL ON SCHEMA "+open[0]+" FROM "+sqldb.RoleName(p.name)+", PUBLIC", "%s may enter the schemas of others: %s", sqldb.RoleName(p.name), strings.Join(open, ", "))
	default:
		c.ok(p.name+".role", "%s may enter its own schema only", sqldb.RoleName(p.name))
	}
	return true
}

// examineMessages looks at what a context has to say and did not get rid of, and at what it could not apply.
func (d *doctor) examineMessages(ctx context.Context, c *chart, p patient) error {
	if p.module == nil {
		return nil
	}
	led, err := bus.Led(ctx, p.DB)
	if err != nil {
		return err
	}
	if !led {
		d.facts.lacks(p.name)
	}
	pending, oldest, err := p.module.Endpoint().Backlog(ctx)
	if err != nil {
		return err
	}
	letters, err := countDeadLetters(ctx, p.DB)
	if err != nil {
		return err
	}
	check, since := p.name+".messages", oldest.Round(time.Second)
	switch {
	case pending > 0 && !led && oldest > waitsLong:
		c.fail(check, exitFailed, "start a process that hosts "+p.name+": shop serve", "%d wait in the outbox, the oldest for %s, and no process relays them", pending, since)
	case pending > 0 && oldest > relayLag:
		c.fail(check, exitFailed, "see why the broker or the receivers do not take them: shop contexts; "+stuckPage, "%d wait in the outbox, the oldest for %s, although a process relays them", pending, since)
	case pending > 0 && oldest > waitsLong:
		c.warn(check, "shop contexts; "+stuckPage, "%d wait in the outbox, the oldest for %s", pending, since)
	case !led:
		c.ok(check, "%d wait in the outbox; no process leads %s at the moment", pending, p.name)
	default:
		c.ok(check, "%d wait in the outbox, and a process relays them", pending)
	}
	d.judgeLetters(c, p.name, letters)
	return nil
}

func (d *doctor) judgeLetters(c *chart, name string, letters []letterCount) {
	counts := map[string]int64{}
	for _, l := range letters {
		counts[l.State] = l.N
	}
	check := name + ".dead_letters"
	switch {
	case counts["dead"] > 0:
		c.fail(check, exitFailed, "shop deadletters list --context "+name+": docs/how-to/handle-dead-letters.md",
			"%d messages could not be applied, and %d wait behind them", counts["dead"], counts["parked"])
	case counts["parked"]+counts["replay"] > 0:
		c.warn(check, "shop deadletters list --context "+name, "%d are about to be applied again", counts["parked"]+counts["replay"])
	default:
		c.ok(check, "none")
	}
}

// remedies say what each symptom means, and what to do; %s is the id of one that has it.
var remedies = map[string]struct {
	status, meaning, todo string
	patience              time.Duration // after which a warning is a failure; 0: never
}{
	"compensation_failed": {failed, "orders could not be taken back completely, and wait for a person", "shop trace %s; docs/how-to/end-a-stuck-compensation.md", 0},
	"overdue":             {failed, "orders are past their deadline, and nobody does something about it", "shop trace %s; " + stuckPage, 0},
	"payment_unknown":     {warned, "payments of which the provider has not told the outcome; it is asked again", "see whether the provider answers: " + stuckPage, unknownTooLong},
	"refund_unknown":      {warned, "refunds of which the provider has not told the outcome; it is asked again", "see whether the provider answers: " + stuckPage, unknownTooLong},
	"neglected":           {failed, "payments should have been asked about, and were not", "start a process that hosts payments: shop serve", 0},
	"unsent":              {failed, "messages to customers should have been sent by now", "see whether the mail server answers: docs/how-to/send-mail.md", 0},
	"mail_unknown":        {warned, "messages to customers of which it is not known whether they were sent", "send them again or not: docs/how-to/send-mail.md", 0},
	"mail_failed":         {warned, "messages to customers were refused by the mail server", "docs/how-to/send-mail.md", 0},
}

// examineSymptoms asks the context how it does.
func (d *doctor) examineSymptoms(ctx context.Context, c *chart, p patient) {
	if p.module == nil {
		return
	}
	asked, can := p.module.module.(audit.Patient)
	if !can {
		return
	}
	check := p.name + ".work"
	found, err := asked.Symptoms(ctx)
	if err != nil {
		c.fail(check, exitDependency, "", "it cannot be read: %s", plainly(err))
		return
	}
	for _, s := range found {
		r, age := remedies[s.Name], d.clock.Now().Sub(s.Since)
		todo := strings.ReplaceAll(r.todo, "%s", s.Example)
		if r.status == failed || r.patience > 0 && age > r.patience {
			c.fail(check, exitFailed, todo, "%d %s; one for %s, such as %s", s.Count, r.meaning, age.Round(time.Second), s.Example)
		} else {
			c.warn(check, todo, "%d %s; one for %s, such as %s", s.Count, r.meaning, age.Round(time.Second), s.Example)
		}
	}
	if len(found) == 0 {
		c.ok(check, "nothing waits longer than it should")
	}
}
