package sqldb

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"time"
)

// State is what a database says of itself, for diagnosis.
type State struct {
	Version string        // the server's, such as "15.8", or SQLite's
	Major   int           // of that version
	Offset  time.Duration // how far the server's clock is ahead of now; 0 on SQLite, where both are one
	Trip    time.Duration // how long the question took: Offset is exact to half of it

	// SQLite only.
	Journal     string // wal, as we open it
	Synchronous int    // 2: a commit is on disk when it returns

	// PostgreSQL only.
	Fsync, FullPages bool
	SyncCommit       string // on, off, local, remote_write or remote_apply
	Recovering       bool   // a standby: it can be read only
	System           string // tells one cluster from another
	MaxConnections   int    // without those kept for superusers
	Connections      int    // of all its clients, at the moment
}

// Inspect asks the database for its state; now is this machine's clock. Errors: ErrUnavailable, ErrDenied.
func (db *DB) Inspect(ctx context.Context, now func() time.Time) (State, error) {
	if db.dialect == SQLite {
		return db.inspectSQLite(ctx)
	}
	if err := db.Ping(ctx); err != nil { // connects, so that Trip is the question alone
		return State{}, err
	}
	var row struct {
		Num         int    `db:"num"`
		Version     string `db:"version"`
		Fsync       bool   `db:"fsync"`
		FullPages   bool   `db:"full_pages"`
		SyncCommit  string `db:"sync_commit"`
		Recovering  bool   `db:"recovering"`
		System      string `db:"system"`
		Max         int    `db:"max"`
		Connections int    `db:"connections"`
	}
	if err := db.Get(ctx, &row, `SELECT current_setting('server_version_num')::int AS num, current_setting('server_version') AS version,
			current_setting('fsync')::bool AS fsync, current_setting('full_page_writes')::bool AS full_pages, current_setting('synchronous_commit') AS sync_commit,
			pg_is_in_recovery() AS recovering, coalesce(inet_server_addr()::text, '') || ':' || current_setting('port') || ' ' || pg_postmaster_start_time()::text AS system,
			current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
				- coalesce(current_setting('reserved_connections', true), '0')::int AS max,
			(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections`); err != nil {
		return State{}, err
	}
	s := State{
		Version: row.Version, Major: row.Num / 10000, Fsync: row.Fsync, FullPages: row.FullPages, SyncCommit: row.SyncCommit, Recovering: row.Recovering,
		System: row.System, MaxConnections: row.Max, Connections: row.Connections,
	}
	var us int64
	const ask = `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`
	if err := db.Get(ctx, &us, ask); err != nil { // prepares
		return State{}, err
	}
	before, began := now(), time.Now()
	if err := db.Get(ctx, &us, ask); err != nil {
		return State{}, err
	}
	s.Trip = time.Since(began)
	s.Offset = Time(us).Sub(before.Add(s.Trip / 2))
	return s, nil
}

func (db *DB) inspectSQLite(ctx context.Context) (State, error) {
	var s State
	began := time.Now()
	if err := db.Get(ctx, &s.Version, `SELECT sqlite_version()`); err != nil {
		return s, err
	}
	if err := db.Get(ctx, &s.Journal, `PRAGMA journal_mode`); err != nil {
		return s, err
	}
	err := db.Get(ctx, &s.Synchronous, `PRAGMA synchronous`)
	s.Trip = time.Since(began)
	return s, err
}

// Connections is how many connections a process may hold to this database at the same time; 0 on SQLite.
func (db *DB) Connections() int {
	if db.dialect == SQLite {
		return 0
	}
	return db.cfg.Lanes + db.cfg.Readers + 2 // leadership, and the listener
}

// Newer lists the applied migrations of the sets that files does not have, such as "orders/0007": those of a newer release. Errors: ErrUnavailable.
func (db *DB) Newer(ctx context.Context, files fs.FS, sets ...string) ([]string, error) {
	var newer []string
	for _, set := range sets {
		var versions []int64
		err := db.Select(ctx, &versions, `SELECT DISTINCT version_id FROM `+versionTable(set)+` WHERE is_applied AND version_id > 0 ORDER BY version_id`)
		if err != nil && (errors.Is(err, ErrUnavailable) || !db.fresh(err)) {
			return nil, err
		}
		p, err := db.provider(db.write.DB, files, set)
		if err != nil {
			return nil, err
		}
		known := map[int64]bool{}
		for _, s := range p.ListSources() {
			known[s.Version] = true
		}
		for _, v := range versions {
			if !known[v] {
				newer = append(newer, set+"/"+pad(v))
			}
		}
	}
	return newer, nil
}

// pad writes a version as the names of migrations begin.
func pad(version int64) string {
	s := strconv.FormatInt(version, 10)
	for len(s) < 4 {
		s = "0" + s
	}
	return s
}
