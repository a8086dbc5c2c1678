package pgtest

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/lib/pq" // also registers the driver "postgres"
	"go.uber.org/goleak"
)

// EnvURL names the environment variable that holds a superuser's URL of a running cluster. When it is set, tests use
// that cluster instead of starting one.
const EnvURL = "SHOP_TEST_POSTGRES_URL"

// sharedCluster is this process's own cluster. Nobody closes it: its reaper does when the process ends.
var sharedCluster = sync.OnceValues(New)

// URL returns a superuser's URL of the cluster that the tests of this process share: the one of SHOP_TEST_POSTGRES_URL,
// or else a private one that the first call starts. The test fails when there is neither.
func URL(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(EnvURL); u != "" {
		return u
	}
	cluster, err := sharedCluster()
	if err != nil {
		t.Fatalf("pgtest: no PostgreSQL to test on: %v", err)
	}
	return cluster.URL()
}

// NewDatabase creates an empty database on the shared cluster and returns a superuser's URL of it. When the test ends
// it is dropped, together with the connections still open to it. Roles belong to the whole cluster: those that a test
// creates stay, and the tests of other packages see them.
func NewDatabase(t testing.TB) string {
	t.Helper()
	admin := URL(t)
	name := databaseName(t.Name())
	if err := execute(admin, `CREATE DATABASE `+pq.QuoteIdentifier(name)+` TEMPLATE template0`); err != nil {
		t.Fatalf("pgtest: create database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(admin, `DROP DATABASE IF EXISTS `+pq.QuoteIdentifier(name)+` WITH (FORCE)`); err != nil {
			t.Errorf("pgtest: drop database %s: %v", name, err)
		}
	})
	own, err := withDatabase(admin, name)
	if err != nil {
		t.Fatalf("pgtest: %s: %v", EnvURL, err)
	}
	return own
}

// IgnoreServer is for packages that look for leaked goroutines: it excuses the one that waits for the shared server.
//
//	goleak.VerifyTestMain(m, pgtest.IgnoreServer())
func IgnoreServer() goleak.Option {
	return goleak.IgnoreAnyFunction("shop/internal/platform/sqldb/pgtest.(*server).run")
}

// databaseName says which test a database belongs to, in at most the 63 bytes of a PostgreSQL identifier.
func databaseName(test string) string {
	const longest = 63 - len("t_") - len("_12345678")
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '_'
	}, test)
	return "t_" + readable[:min(len(readable), longest)] + "_" + strings.ToLower(rand.Text()[:8])
}

func withDatabase(clusterURL, name string) (string, error) {
	u, err := url.Parse(clusterURL)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// execute runs one administrative statement on a connection of its own. CREATE and DROP DATABASE refuse to run in a
// transaction, which is why this package may do what no other may.
func execute(clusterURL, statement string) error {
	db, err := sql.Open("postgres", clusterURL)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
