package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shop/internal/platform/sqldb/pgtest"
)

// clusterSettings turn the tests' cluster, which never waits for the disk, into one to measure: all that makes a commit durable is at its
// default, which is on, and memory and log have the sizes of a server rather than of a test. The anchors run on the same.
var clusterSettings = [][2]string{
	{"fsync", "on"},
	{"synchronous_commit", "on"},
	{"full_page_writes", "on"},
	{"shared_buffers", "2GB"},
	{"effective_cache_size", "8GB"},
	{"work_mem", "16MB"},
	{"max_wal_size", "8GB"},
	{"min_wal_size", "2GB"},
	{"checkpoint_timeout", "15min"},
	{"wal_buffers", "16MB"},
	{"wal_compression", "zstd"},
	{"jit", "off"},
}

// cluster is a private PostgreSQL with its clients, psql and pgbench.
type cluster struct {
	*pgtest.Cluster
	bin    string
	socket string // directory of its Unix socket
	port   string
}

// startCluster makes a cluster in the temporary directory. Errors: pgtest.ErrNoBinaries.
func startCluster(ctx context.Context) (c *cluster, err error) {
	c = &cluster{}
	if c.bin, err = pgtest.FindBinaries(); err != nil {
		return nil, err
	}
	if c.Cluster, err = pgtest.New(); err != nil {
		return nil, err
	}
	if err := c.configure(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *cluster) configure(ctx context.Context) error {
	var set []string
	for _, s := range clusterSettings {
		set = append(set, "-c", fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", s[0], s[1]))
	}
	if _, err := c.psql(ctx, "postgres", set...); err != nil {
		return err
	}
	if err := errors.Join(c.StopImmediate(), c.Start()); err != nil {
		return err
	}
	durable, err := c.psql(ctx, "postgres", "-c", settingsQuery)
	if err != nil {
		return err
	}
	for _, s := range []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on"} {
		if !slices.Contains(strings.Fields(durable), s) {
			return fmt.Errorf("the cluster does not say %s: %s", s, durable)
		}
	}
	if c.socket, err = c.psql(ctx, "postgres", "-c", "SHOW unix_socket_directories"); err != nil {
		return err
	}
	c.port, err = c.psql(ctx, "postgres", "-c", "SHOW port")
	return err
}

// url is the superuser's URL of a database.
func (c *cluster) url(database string) string {
	u, err := url.Parse(c.URL())
	if err != nil {
		panic(err) // pgtest made it
	}
	u.Path = "/" + database
	return u.String()
}

// program names one of PostgreSQL's client programs: beside the server's, or on PATH.
func (c *cluster) program(name string) string {
	if path := filepath.Join(c.bin, name); exists(path) {
		return path
	}
	return name
}

// psql runs psql on a database, without ornaments, and returns what it prints.
func (c *cluster) psql(ctx context.Context, database string, args ...string) (string, error) {
	args = append([]string{"--no-psqlrc", "-qAtX", "-F", " ", "-v", "ON_ERROR_STOP=1", "-d", c.url(database)}, args...)
	out, err := output(exec.CommandContext(ctx, c.program("psql"), args...))
	return strings.TrimSpace(string(out)), err
}

// fresh drops the database, should it be there, and creates it anew.
func (c *cluster) fresh(ctx context.Context, database string) error {
	if err := c.drop(ctx, database); err != nil {
		return err
	}
	_, err := c.psql(ctx, "postgres", "-c", "CREATE DATABASE "+database)
	return err
}

func (c *cluster) drop(ctx context.Context, database string) error {
	_, err := c.psql(ctx, "postgres", "-c", "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)")
	return err
}

// settle takes out of a database what is dead in it and gives it fresh statistics, so that plans fit what is stored.
func (c *cluster) settle(ctx context.Context, database string) error {
	_, err := c.psql(ctx, database, "-c", "VACUUM ANALYZE")
	return err
}

func (c *cluster) checkpoint(ctx context.Context) error {
	_, err := c.psql(ctx, "postgres", "-c", "CHECKPOINT")
	return err
}

// wal is how many bytes of write-ahead log there were so far, and how many times it was forced to the disk. Sessions report
// what they did with up to a second's delay.
func (c *cluster) wal(ctx context.Context) (written, syncs float64, err error) {
	out, err := c.psql(ctx, "postgres", "-c", walQuery)
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscan(out, &written, &syncs); err != nil {
		return 0, 0, fmt.Errorf("reading %q: %w", out, err)
	}
	return written, syncs, nil
}

// version is that of the server, such as 15.
func (c *cluster) version(ctx context.Context) string {
	v, err := c.psql(ctx, "postgres", "-c", "SHOW server_version")
	if err != nil {
		return "unknown"
	}
	return v
}

// reported is how long PostgreSQL's sessions may take to report what they did.
const reported = 1200 * time.Millisecond

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
