package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first PostgreSQL major version that shop supports.
const oldest = 15

// ErrNoBinaries says that no PostgreSQL server of a supported version is installed.
var ErrNoBinaries = errors.New("no PostgreSQL 15 or newer found (looked for pg_ctl and initdb on PATH, pg_config --bindir, " +
	"/usr/lib/postgresql/*/bin): run `make test`, which installs it on Debian and Ubuntu, or install it yourself, " +
	"or set " + EnvURL + " to a superuser's URL of a running server")

// FindBinaries returns the directory with initdb, pg_ctl and postgres of PostgreSQL 15 or newer.
// The only error is one that wraps ErrNoBinaries.
func FindBinaries() (string, error) {
	return firstUsable(candidates())
}

// candidates lists directories that may hold the binaries: what the user put on PATH first, then the packaged ones,
// newest first.
func candidates() []string {
	var dirs []string
	for _, command := range []string{"pg_ctl", "initdb"} {
		if path, err := exec.LookPath(command); err == nil {
			if real, err := filepath.EvalSymlinks(path); err == nil {
				dirs = append(dirs, filepath.Dir(real))
			}
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",            // Debian, Ubuntu
		"/usr/pgsql-*/bin",                     // the PostgreSQL project's RPMs
		"/opt/homebrew/opt/postgresql@*/bin",   // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",      // Homebrew on Intel
		"/Applications/Postgres.app/*/*/*/bin", // Postgres.app
	} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	return dirs
}

func firstUsable(dirs []string) (string, error) {
	var refused []string
	for _, dir := range dirs {
		switch major, err := serverVersion(dir); {
		case err != nil: // not a server's directory: pg_config alone comes with the client library
		case major < oldest:
			refused = append(refused, fmt.Sprintf("%s is version %d", dir, major))
		default:
			return dir, nil
		}
	}
	if len(refused) > 0 {
		return "", fmt.Errorf("%w (%s)", ErrNoBinaries, strings.Join(refused, ", "))
	}
	return "", ErrNoBinaries
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// serverVersion returns the major version of the server in dir, or an error when one of its programs is missing.
func serverVersion(dir string) (int, error) {
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return 0, err
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0, err
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("%s: unknown version %q", dir, out)
	}
	return strconv.Atoi(string(match[1]))
}
